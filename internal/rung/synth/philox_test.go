package synth

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/blake3"
)

// TestPhilox holds the generator to the known answers of Random123.
func TestPhilox(t *testing.T) {
	const all = math.MaxUint64
	require.Equal(t, [4]uint64{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}, philox([4]uint64{}, [2]uint64{}))
	require.Equal(t, [4]uint64{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}, philox([4]uint64{all, all, all, all}, [2]uint64{all, all}))
}

// TestFill holds that the bytes are those of the counters, wherever they end.
func TestFill(t *testing.T) {
	key := [2]uint64{3, 4}
	var want []byte
	for i := range uint64(6) {
		for _, w := range philox([4]uint64{i, 9}, key) {
			want = binary.LittleEndian.AppendUint64(want, w)
		}
	}
	for n := range len(want) {
		got := make([]byte, n)
		fill(got, key, 9)
		require.Equal(t, want[:n], got)
	}
}

func BenchmarkFill(b *testing.B) {
	p := make([]byte, 589824)
	b.Run("philox", func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			fill(p, [2]uint64{1, 2}, 3)
		}
	})
	b.Run("blake3", func(b *testing.B) {
		b.SetBytes(int64(len(p)))
		for b.Loop() {
			blake3.Sum256(p)
		}
	})
}
