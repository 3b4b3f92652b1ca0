package sample

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPhilox holds the generator to the known answers of Random123
// (tests/kat_vectors, philox4x32 10).
func TestPhilox(t *testing.T) {
	require.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox([4]uint32{}, [2]uint32{}))
	all := uint32(math.MaxUint32)
	require.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox([4]uint32{all, all, all, all}, [2]uint32{all, all}))
	require.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		philox([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}))
}

// TestKeysAreWritten computes keys of other inputs; their bytes are those of
// docs/format/numerics-sampling.md, hashed by another program.
func TestKeysAreWritten(t *testing.T) {
	require.Equal(t, [2]uint32{0x737dffdf, 0x7e20c067}, keyOf(0, nil, 0))
	require.Equal(t, [2]uint32{0x4c25fb5a, 0xca048182}, keyOf(42, []int32{1, 2, 3}, 1))
	require.Equal(t, [2]uint32{0xe160aef6, 0x3ae5e74f}, keyOf(math.MaxUint64, []int32{151935}, 7))
}
