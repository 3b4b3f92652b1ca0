package synth

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
)

// TestBlocks measures the values of every format: finite, centred, of the
// wanted standard deviation, over the range of deviations that models have.
func TestBlocks(t *testing.T) {
	const n = 1 << 18
	for _, typ := range quant.Types() {
		for _, std := range []float64{1, 1 / math.Sqrt(2048), 0.2 / math.Sqrt(16384)} {
			s := newBlockSource(typ, n, 0, std, rand.NewPCG(1, 2))
			raw := make([]byte, n/typ.BlockLen()*typ.BlockBytes())
			s.fill(raw, rand.NewPCG(3, 4))
			values := make([]float32, n)
			quant.Dequantize(typ, values, raw)
			sum, square, largest := 0.0, 0.0, 0.0
			for _, v := range values {
				sum += float64(v)
				square += float64(v) * float64(v)
				largest = max(largest, math.Abs(float64(v))) // NaN if any is
			}
			require.Less(t, largest, 8*std, "%s %g", typ, std)
			require.InDelta(t, 0, sum/n/std, 0.02, "%s %g", typ, std)
			require.InDelta(t, 1, math.Sqrt(square/n)/std, 0.03, "%s %g", typ, std)
		}
	}
}

// TestKScales unpacks what was packed.
func TestKScales(t *testing.T) {
	rng := rand.NewPCG(1, 1)
	for range 100 {
		b := kScales(0.01, mid4, rng)
		require.Len(t, b, 16)
		d := float64(quant.Half(b, 0))
		square := 0.0
		for j := range 8 {
			sc, mn := quant.ScaleMin(b[4:], j)
			require.GreaterOrEqual(t, sc, uint8(32))
			require.LessOrEqual(t, max(sc, mn), uint8(63))
			require.LessOrEqual(t, max(sc, mn)-min(sc, mn), uint8(1))
			square += float64(sc) * float64(sc) / 8
		}
		require.InDelta(t, 0.01, d*math.Sqrt(square), 0.0001)
	}
}

func TestNormal(t *testing.T) {
	rng := rand.NewPCG(5, 6)
	sum, square, beyond := 0.0, 0.0, 0
	const n = 1 << 16
	for range n {
		x := normal(rng)
		sum += x
		square += x * x
		if math.Abs(x) > 2 {
			beyond++
		}
	}
	require.InDelta(t, 0, sum/n, 0.02)
	require.InDelta(t, 1, square/n, 0.02)
	require.InDelta(t, 0.0455, float64(beyond)/n, 0.005)
}

func BenchmarkFill(b *testing.B) {
	buf := make([]byte, chunkBytes)
	for _, typ := range quant.Types() {
		b.Run("type="+typ.String(), func(b *testing.B) {
			s := newBlockSource(typ, chunkBytes, 0, 1, rand.NewPCG(1, 2))
			whole := buf[:len(buf)/s.size*s.size]
			b.SetBytes(int64(len(whole)))
			for b.Loop() {
				s.fill(whole, rand.NewPCG(3, 4))
			}
		})
	}
}
