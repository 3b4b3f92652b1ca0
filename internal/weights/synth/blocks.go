package synth

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/lite-llm/lite/internal/quant"
)

// A blockSource makes random blocks of one tensor: the packed values are random
// bits as they come, and the scales are one of 256 prepared ones, so that the
// values have mean 0 and the wanted standard deviation and are finite.
type blockSource struct {
	typ   quant.Type
	size  int         // bytes of a block
	at    int         // offset of the scales in a block
	heads [256][]byte // the scales
	// table holds prepared values of the float types as their bits, chosen by up
	// to 16 random bits: a power of two of them.
	table []uint32
}

// Moments of the packed integers, uniform over all their values.
const (
	var4, var5, var6, var8 = 21.25, 85.25, 341.25, 5461.25
	mid4, mid5             = 7.5, 15.5
)

// newBlockSource prepares blocks for n values with that mean (float types only)
// and standard deviation.
func newBlockSource(t quant.Type, n int64, mean, std float64, rng *rand.PCG) *blockSource {
	s := &blockSource{typ: t, size: t.BlockBytes()}
	switch t {
	case quant.F32, quant.F16, quant.BF16:
		// A short tensor needs no more values prepared than it has.
		s.table = make([]uint32, 1<<min(16, bits.Len64(uint64(n)))) //nolint:gosec // not negative
		for i := range s.table {
			s.table[i] = floatBits(t, float32(mean+float64(std*normal(rng))))
		}
		return s
	case quant.Q6_K:
		s.at = 128 + 64
	default: // the others begin with their scales
	}
	for i := range s.heads {
		// Scales differ from block to block by up to a third, and have both signs
		// so that the asymmetry of the packed integers cancels.
		spread := 0.75 + float64(float64(rng.Uint64()>>11)*(0.5/(1<<53)))
		if i%2 == 1 {
			spread = -spread
		}
		s.heads[i] = scales(t, std*spread/rmsSpread, rng)
	}
	return s
}

// rmsSpread is the root of the mean square of a uniform value in [0.75, 1.25].
var rmsSpread = math.Sqrt(1 + 0.25/12)

// scales are the bytes beside the packed values of a block whose values are to
// have that standard deviation.
func scales(t quant.Type, std float64, rng *rand.PCG) []byte {
	switch t {
	case quant.Q4_0:
		return half(nil, std/math.Sqrt(var4))
	case quant.Q5_0:
		return half(nil, std/math.Sqrt(var5))
	case quant.Q8_0:
		return half(nil, std/math.Sqrt(var8))
	case quant.Q4_1:
		d := std / math.Sqrt(var4)
		return half(half(nil, d), -mid4*d)
	case quant.Q5_1:
		d := std / math.Sqrt(var5)
		return half(half(nil, d), -mid5*d)
	case quant.Q4_K:
		return kScales(std/math.Sqrt(var4), mid4, rng)
	case quant.Q5_K:
		return kScales(std/math.Sqrt(var5), mid5, rng)
	case quant.Q6_K:
		return q6Scales(std/math.Sqrt(var6), rng)
	default:
		return nil // the float types have none
	}
}

// half appends x as an IEEE half.
func half(b []byte, x float64) []byte {
	return binary.LittleEndian.AppendUint16(b, quant.FloatToHalf(float32(x)))
}

// kScales are d, dmin and the eight six-bit scales and minima of a Q4_K or
// Q5_K block with steps of the size step on average. Minima are near what puts
// the middle of the integers at zero.
func kScales(step, mid float64, rng *rand.PCG) []byte {
	var sc, mn [8]byte
	square := 0.0
	for j := range sc {
		r := rng.Uint64()
		sc[j] = 32 + byte(r&31)
		mn[j] = sc[j] ^ byte(r>>8&1)
		square += float64(float64(sc[j]) * float64(sc[j]) / 8)
	}
	d := step / math.Sqrt(square)
	b := half(half(nil, d), mid*d)
	packed := make([]byte, 12)
	for j := range 4 {
		packed[j] = sc[j] | sc[j+4]>>4<<6
		packed[j+4] = mn[j] | mn[j+4]>>4<<6
		packed[j+8] = sc[j+4]&15 | mn[j+4]&15<<4
	}
	return append(b, packed...)
}

// q6Scales are the sixteen signed scales of a Q6_K block and d.
func q6Scales(step float64, rng *rand.PCG) []byte {
	b, square := make([]byte, 16, 18), 0.0
	for j := range b {
		r := rng.Uint64()
		sc := 64 + int8(r&63)
		square += float64(float64(sc) * float64(sc) / 16)
		if r>>6&1 == 1 {
			sc = -sc
		}
		b[j] = byte(sc) //nolint:gosec // the same bits
	}
	return half(b, step/math.Sqrt(square))
}

// normal is a sum of twelve uniform values: nearly normal, with mean 0 and
// standard deviation 1, and the same bits on every machine.
func normal(rng *rand.PCG) float64 {
	sum := int64(0)
	for range 3 {
		r := rng.Uint64()
		sum += int64(r&0xffff) + int64(r>>16&0xffff) + int64(r>>32&0xffff) + int64(r>>48)
	}
	return float64(2*sum-12*0xffff) / (2 << 16)
}

// Blocks turn random bytes into blocks of a format.
type Blocks struct{ s *blockSource }

// NewBlocks returns the blocks of type t whose values have that standard
// deviation, and that mean where the type is a float. Equal seeds give equal
// blocks.
func NewBlocks(t quant.Type, mean, std float64, seed uint64) *Blocks {
	return &Blocks{newBlockSource(t, math.MaxInt64, mean, std, rand.NewPCG(seed, 0))}
}

// Put makes blocks of dst, a whole number of them that holds random bytes. Any
// goroutine may call it.
func (b *Blocks) Put(dst []byte) {
	s := b.s
	if s.table == nil {
		s.scale(dst)
		return
	}
	for mask := uint32(len(s.table)) - 1; len(dst) > 0; dst = dst[s.size:] { //nolint:gosec // at most 2^16
		if s.size == 2 {
			binary.LittleEndian.PutUint16(dst, uint16(s.table[uint32(binary.LittleEndian.Uint16(dst))&mask])) //nolint:gosec // the bits of a half
		} else {
			binary.LittleEndian.PutUint32(dst, s.table[binary.LittleEndian.Uint32(dst)&mask])
		}
	}
}

// fill writes blocks until dst, a whole number of them, is full.
func (s *blockSource) fill(dst []byte, rng *rand.PCG) {
	if s.table != nil {
		s.fillFloats(dst, rng)
		return
	}
	fillRandom(dst, rng)
	s.scale(dst)
}

// scale puts prepared scales into blocks of random bytes.
func (s *blockSource) scale(dst []byte) {
	for len(dst) > 0 {
		block := dst[:s.size]
		// The byte that chooses the scales is overwritten by them.
		copy(block[s.at:], s.heads[block[s.at]])
		dst = dst[s.size:]
	}
}

func fillRandom(dst []byte, rng *rand.PCG) {
	for len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, rng.Uint64())
		dst = dst[8:]
	}
	var tail [8]byte
	binary.LittleEndian.PutUint64(tail[:], rng.Uint64())
	copy(dst, tail[:])
}

// floatBits is v in a float type.
func floatBits(t quant.Type, v float32) uint32 {
	switch t {
	case quant.F16:
		return uint32(quant.FloatToHalf(v))
	case quant.BF16:
		return uint32(quant.FloatToBFloat(v))
	default:
		return math.Float32bits(v)
	}
}

// fillFloats draws values of a float type from the table.
func (s *blockSource) fillFloats(dst []byte, rng *rand.PCG) {
	mask := uint64(len(s.table)) - 1
	for i, word := 0, uint64(0); len(dst) > 0; i++ {
		if i%4 == 0 {
			word = rng.Uint64()
		}
		v := s.table[word&0xffff&mask]
		word >>= 16
		if s.size == 2 {
			binary.LittleEndian.PutUint16(dst, uint16(v)) //nolint:gosec // the bits of a half
		} else {
			binary.LittleEndian.PutUint32(dst, v)
		}
		dst = dst[s.size:]
	}
}
