package gguf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// TestOracle reads every file of the oracle: all architectures, all block
// types, vocabularies without tensors.
func TestOracle(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(oracletest.Dir(t, "../../.."), "*", "*.gguf"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 40)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, err := Open(vfs.OS{}, path)
			require.NoError(t, err)
			for x := range m.All() {
				require.Positive(t, x.Range.Len, x.Name)
				if x.Type.Supported() {
					row, err := x.Type.RowBytes(x.Dims[0])
					require.NoError(t, err, x.Name)
					require.EqualValues(t, row*(x.Elements()/x.Dims[0]), x.Range.Len, x.Name)
				}
			}
			if m.Meta.Has("tokenizer.ggml.tokens") {
				tokens, err := m.Meta.Strings("tokenizer.ggml.tokens")
				require.NoError(t, err)
				types, err := m.Meta.Ints("tokenizer.ggml.token_type")
				require.NoError(t, err)
				require.Len(t, types, len(tokens))
			}
			if arch, err := weights.Or(m.Meta.String, "general.architecture", ""); err == nil && m.Len() > 0 && arch != "" {
				embd, ok := m.Tensor("token_embd.weight")
				if !ok {
					return
				}
				dim, err := m.Meta.Uint(arch + ".embedding_length")
				require.NoError(t, err)
				require.EqualValues(t, dim, embd.Dims[0])
			}
		})
	}
}

func BenchmarkVocabulary(b *testing.B) {
	path := filepath.Join(oracletest.Dir(b, "../../.."), "tokenizer", "ggml-vocab-llama-bpe.gguf")
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(vfs.OS{}, path); err != nil {
			b.Fatal(err)
		}
	}
}
