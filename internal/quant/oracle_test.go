package quant_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// TestOracleBlocks decodes the engine's blocks of every supported format, bit
// for bit, and multiplies them by its activations.
func TestOracleBlocks(t *testing.T) {
	path := filepath.Join(oracletest.Dir(t, "../.."), "golden", "quants.gguf")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	w, err := gguf.Open(vfs.OS{}, path)
	require.NoError(t, err)
	read := func(name string) (weights.Tensor, []byte) {
		x, ok := w.Tensor(name)
		require.True(t, ok, name)
		return x, raw[x.Range.Off:][:x.Range.Len]
	}
	_, b := read("x")
	x := oracle.Floats(b)
	for _, typ := range quant.Types() {
		if typ == quant.F32 {
			continue // the file has no blocks of what needs no decoding
		}
		name := strings.ToLower(typ.String())
		name = strings.Replace(name, "_k", "_K", 1)
		q, blocks := read(name + ".q")
		require.Equal(t, typ, q.Type)
		_, b := read(name + ".f32")
		want, got := oracle.Floats(b), make([]float32, q.Elements())
		require.Len(t, want, len(got))
		quant.Dequantize(typ, got, blocks)
		requireBits(t, want, got, name)
		dots, err := w.Meta.Floats(name + ".exact_dot")
		require.NoError(t, err)
		for r, want := range dots {
			sum := 0.0
			for i, v := range got[r*256 : (r+1)*256] {
				sum += float64(float64(v) * float64(x[i]))
			}
			require.InEpsilon(t, want, sum, 1e-5, "%s, row %d", name, r)
		}
	}
}
