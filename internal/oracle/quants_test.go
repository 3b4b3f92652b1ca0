package oracle_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// TestDots multiplies the engine's blocks by its activations, and holds the
// products to its exact ones and to those that it computes in integers. Both
// round the activations to int8, by other rules for K-quants, so that what is
// left is the noise of that: 2^-8 of the largest activation for each value.
func TestDots(t *testing.T) {
	path := filepath.Join(oracletest.Dir(t, "../.."), "golden", "quants.gguf")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	w, err := gguf.Open(vfs.OS{}, path)
	require.NoError(t, err)
	read := func(name string) []byte {
		r := w.Where(name)
		return raw[r.Off:][:r.Len]
	}
	x := oracle.Floats(read("x"))
	for _, typ := range quant.Types() {
		if typ == quant.F32 {
			continue
		}
		name := strings.Replace(strings.ToLower(typ.String()), "_k", "_K", 1)
		exact, err := w.Meta.Floats(name + ".exact_dot")
		require.NoError(t, err)
		engine, err := w.Meta.Floats(name + ".vec_dot")
		require.NoError(t, err)
		m, err := linear.NewMatrix(typ, 3, 256, read(name+".q"))
		require.NoError(t, err)
		noise := make([]float64, 3)
		if typ.BlockLen() > 1 {
			noise = roundingNoise(typ, x, read(name+".q"))
		}
		for _, impl := range kernel.Available() {
			k, in, got := linear.For(impl), linear.Input{}, make([]float32, 3)
			in.Set(x, 1, 256)
			require.NoError(t, k.Prepare(&in, typ))
			k.Mul(got, 3, m, &in, 0, 3, &linear.Scratch{})
			for r := range got {
				require.InDelta(t, exact[r], got[r], 4*noise[r]+1e-5*math.Abs(float64(exact[r]))+1e-6, "%s %s, row %d, exact", impl, name, r)
				// The engine rounds float activations to the weights' type.
				require.InDelta(t, engine[r], got[r], 8*noise[r]+0.005*math.Abs(float64(exact[r]))+1e-6, "%s %s, row %d, engine", impl, name, r)
			}
		}
	}
}

// roundingNoise is the standard deviation that rounding activations to int8
// gives the product with each of three rows.
func roundingNoise(typ quant.Type, x []float32, blocks []byte) []float64 {
	weights, n := make([]float32, 3*256), typ.BlockLen()
	quant.Dequantize(typ, weights, blocks)
	noise := make([]float64, 3)
	for r := range noise {
		sum := 0.0
		for at := 0; at < 256; at += n {
			largest := 0.0
			for _, v := range x[at : at+n] {
				largest = max(largest, math.Abs(float64(v)))
			}
			step := largest / 127
			for _, v := range weights[r*256+at : r*256+at+n] {
				sum += float64(v) * float64(v) * step * step / 12
			}
		}
		noise[r] = math.Sqrt(sum)
	}
	return noise
}
