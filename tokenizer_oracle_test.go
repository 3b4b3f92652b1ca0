package lite

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/tokenizer"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// TestTokenizerOracle holds the tokenizers to an independent engine's results
// on real vocabularies.
func TestTokenizerOracle(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracletest.Dir(t, "."), "tokenizer", "*.gguf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			w, err := gguf.Open(vfs.OS{}, path)
			require.NoError(t, err)
			tok, err := tokenizer.New(w.Source())
			require.NoError(t, err)
			inputs, err := os.ReadFile(path + ".inp")
			require.NoError(t, err)
			outputs, err := os.ReadFile(path + ".out")
			require.NoError(t, err)
			want := strings.Split(strings.TrimRight(string(outputs), "\n"), "\n")
			cases := strings.Split(string(inputs), "\n__ggml_vocab_test__\n")
			for i, text := range cases {
				if i >= len(want) {
					require.Empty(t, strings.TrimSpace(text))
					break
				}
				var ids []int32
				for f := range strings.FieldsSeq(want[i]) {
					id, err := strconv.Atoi(f)
					require.NoError(t, err)
					ids = append(ids, int32(id))
				}
				require.Equal(t, ids, tok.Encode(nil, text, tokenizer.Options{}), "%q", text)
				require.Equal(t, text, tok.Decode(ids), "decoded")
			}
		})
	}
}
