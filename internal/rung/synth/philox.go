package synth

import (
	"encoding/binary"
	"math/bits"
)

// philox is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011, section 4): four words from a counter and a key. It holds no
// state, so that any part of a model can be made without the parts before it.
func philox(ctr [4]uint64, key [2]uint64) [4]uint64 {
	for range 10 {
		hi0, lo0 := bits.Mul64(0xD2E7470EE14C6C93, ctr[0])
		hi1, lo1 := bits.Mul64(0xCA5A826395121157, ctr[2])
		ctr = [4]uint64{hi1 ^ ctr[1] ^ key[0], lo1, hi0 ^ ctr[3] ^ key[1], lo0}
		key[0] += 0x9E3779B97F4A7C15
		key[1] += 0xBB67AE8584CAA73B
	}
	return ctr
}

// fill makes dst random: its 32 bytes from i·32 on are those of the counter
// (i, record, 0, 0). Two counters go side by side, since each round waits for the
// products of the one before.
func fill(dst []byte, key [2]uint64, record uint64) {
	i := uint64(0)
	for ; len(dst) >= 64; i += 2 {
		a0, a1, a2, a3 := i, record, uint64(0), uint64(0)
		b0, b1, b2, b3 := i+1, record, uint64(0), uint64(0)
		k0, k1 := key[0], key[1]
		for range 10 {
			h0, l0 := bits.Mul64(0xD2E7470EE14C6C93, a0)
			h1, l1 := bits.Mul64(0xCA5A826395121157, a2)
			g0, m0 := bits.Mul64(0xD2E7470EE14C6C93, b0)
			g1, m1 := bits.Mul64(0xCA5A826395121157, b2)
			a0, a1, a2, a3 = h1^a1^k0, l1, h0^a3^k1, l0
			b0, b1, b2, b3 = g1^b1^k0, m1, g0^b3^k1, m0
			k0 += 0x9E3779B97F4A7C15
			k1 += 0xBB67AE8584CAA73B
		}
		le := binary.LittleEndian
		le.PutUint64(dst, a0)
		le.PutUint64(dst[8:], a1)
		le.PutUint64(dst[16:], a2)
		le.PutUint64(dst[24:], a3)
		le.PutUint64(dst[32:], b0)
		le.PutUint64(dst[40:], b1)
		le.PutUint64(dst[48:], b2)
		le.PutUint64(dst[56:], b3)
		dst = dst[64:]
	}
	for ; len(dst) > 0; i++ {
		var block [32]byte
		for j, w := range philox([4]uint64{i, record}, key) {
			binary.LittleEndian.PutUint64(block[8*j:], w)
		}
		dst = dst[copy(dst, block[:]):]
	}
}
