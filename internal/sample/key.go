package sample

import (
	"crypto/sha256"
	"encoding/binary"
)

// Profile is the version of the numerics contract that keys draws.
const Profile = "lnc-1"

// keyOf is the generator's key: the first 64 bits of SHA-256(profile ‖ 0 ‖
// seed ‖ count ‖ prompt ids ‖ sample index), numbers little-endian: 64 bits
// for seed, count and index, 32 for ids (docs/format/numerics-sampling.md).
func keyOf(seed uint64, prompt []int32, index uint64) [2]uint32 {
	b := append([]byte(Profile), 0)
	b = binary.LittleEndian.AppendUint64(b, seed)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(prompt)))
	for _, t := range prompt {
		b = binary.LittleEndian.AppendUint32(b, uint32(t)) //nolint:gosec // an id's bits
	}
	b = binary.LittleEndian.AppendUint64(b, index)
	sum := sha256.Sum256(b)
	return [2]uint32{binary.LittleEndian.Uint32(sum[:]), binary.LittleEndian.Uint32(sum[4:])}
}
