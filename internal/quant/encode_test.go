package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEncode decodes what was encoded: exactly what a float type can hold, and of
// Q8_0 what is within half a step of it.
func TestEncode(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	values := make([]float32, 1024)
	for i := range values {
		values[i] = float32(r.NormFloat64()) * float32(math.Pow(10, float64(i/32-16)/8))
	}
	copy(values[64:96], make([]float32, 32))
	values[100], values[101] = 1e-30, -1e4
	for _, typ := range []Type{F32, F16, BF16, Q8_0} {
		blocks, err := Encode(nil, typ, values)
		require.NoError(t, err)
		size, err := typ.RowBytes(len(values))
		require.NoError(t, err)
		require.Len(t, blocks, size)
		got := make([]float32, len(values))
		Dequantize(typ, got, blocks)
		again, err := Encode(nil, typ, got)
		require.NoError(t, err)
		for i, v := range values {
			top := 0.0
			for _, w := range values[i/32*32 : i/32*32+32] {
				top = max(top, math.Abs(float64(w)))
			}
			within := map[Type]float64{F32: 0, F16: math.Abs(float64(v))/2048 + 3e-8, BF16: math.Abs(float64(v)) / 256, Q8_0: top/254 + top/1024}[typ]
			require.InDelta(t, v, got[i], within, "%s %d", typ, i)
		}
		if typ != Q8_0 {
			require.Equal(t, blocks, again, "what is representable stays")
		}
	}
	_, err := Encode(nil, Q4_K, make([]float32, 256))
	var refused *UnsupportedError
	require.ErrorAs(t, err, &refused)
	_, err = Encode(nil, Q8_0, make([]float32, 31))
	require.ErrorContains(t, err, "31 values are not whole blocks of Q8_0")
}
