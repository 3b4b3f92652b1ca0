package sample

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzNext gives logits of any bits, and options within their ranges, to the
// sampler and to the plain reading of the rule.
func FuzzNext(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64}, float32(1), 2, float32(0.9), float32(0.1), float32(1.1), uint64(7), uint8(1))
	f.Add([]byte{0, 0, 128, 255, 255, 255, 127, 127, 0, 0, 64, 192}, float32(1e-40), 0, float32(0.5), float32(0), float32(0.1), uint64(0), uint8(2))
	f.Add([]byte{0, 0, 192, 127, 0, 0, 128, 127}, float32(0), 1, float32(0), float32(1), float32(0), uint64(1), uint8(0))
	f.Fuzz(func(t *testing.T, raw []byte, temperature float32, k int, p, minP, repeat float32, seed uint64, mask uint8) {
		o := Options{Seed: seed, Temperature: temperature, TopK: k, TopP: p, MinP: minP, RepeatPenalty: repeat}
		if mask > 0 {
			o.Mask = modulo(mask)
		}
		var logits []float32
		for ; len(raw) >= 4; raw = raw[4:] {
			logits = append(logits, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
		history := []int32{0, 3, 3, -1, math.MaxInt32, int32(len(logits))}
		s, err := New(o, history)
		if err != nil {
			return
		}
		got, err := s.Next(logits, 5, history, 2)
		want, wantErr := reference(o, history, logits, 5, history, 2)
		if wantErr != nil {
			require.EqualError(t, err, wantErr.Error())
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
