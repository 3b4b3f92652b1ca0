package lite

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// text is what sparse models of the tests learn from.
var learned = strings.Repeat("the cat and the dog and in the house on a hill of an old man ", 60)

// dense writes a small dense model of a family.
func dense(t *testing.T, family string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), family+".gguf")
	require.NoError(t, os.WriteFile(path, modeltest.Bytes(t, synth.Tiny(family), "F32", 5), 0o600))
	return path
}

// logitsOf are a model's on some tokens under a tier set.
func logitsOf(t *testing.T, path, set string) (all []float32) {
	t.Helper()
	m, err := Open(path, Options{Memory: 1 << 30, Context: 128})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	tokens := make([]int32, 40)
	for i := range tokens {
		tokens[i] = int32(i*37%300 + 20)
	}
	require.NoError(t, m.Logits(context.Background(), set, tokens, func(_ int, logits []float32) error {
		all = append(all, logits...)
		return nil
	}, nil))
	return all
}

// deviation is the root mean square of a − b, relative to that of a.
func deviation(a, b []float32) float64 {
	diff, square := 0.0, 0.0
	for i := range a {
		diff += math.Pow(float64(a[i]-b[i]), 2)
		square += math.Pow(float64(a[i]), 2)
	}
	return math.Sqrt(diff / square)
}

// TestSparsifyIsTheDenseModel: all experts together are the dense network but for
// the order of additions, for every family that can be cut, and fewer are less.
func TestSparsifyIsTheDenseModel(t *testing.T) {
	for _, family := range []string{"llama", "qwen2", "qwen3"} {
		t.Run(family, func(t *testing.T) {
			before := memory.InUse()
			path := dense(t, family)
			out := filepath.Join(t.TempDir(), "sparse.gguf")
			layers := 0
			s, err := Sparsify(context.Background(), path, out, SparsifyOptions{
				Text: learned, Tokens: 512, Experts: 16, Core: 2, Progress: func(done, all int) {
					layers++
					require.Equal(t, layers, done)
					require.Equal(t, 2, all)
				},
			})
			require.NoError(t, err)
			require.Equal(t, 2, layers)
			require.Equal(t, before, memory.InUse())
			require.Equal(t, 8, s.Neurons)
			want := logitsOf(t, path, "")
			require.Less(t, deviation(want, logitsOf(t, out, "full")), 2e-5)
			last := 0.0
			for _, set := range []string{"high", "balanced", "fast"} {
				d := deviation(want, logitsOf(t, out, set))
				require.Greater(t, d, max(last, 0.01), set)
				last = d
			}
			for i, set := range s.Sets {
				require.LessOrEqual(t, set.Kept, set.Ideal+1e-9)
				require.Positive(t, set.Kept)
				require.Equal(t, []string{"core", "fast", "balanced", "high", "full"}[i], set.Name)
			}
			entries, err := os.ReadDir(filepath.Dir(out))
			require.NoError(t, err)
			require.Len(t, entries, 1, "nothing but the model is left")
		})
	}
}

// TestSparsifyTypes: experts that are stored in fewer bits are near to it.
func TestSparsifyTypes(t *testing.T) {
	path := dense(t, "llama")
	want := logitsOf(t, path, "")
	for typ, most := range map[string]float64{"F16": 2e-3, "BF16": 2e-2, "q8_0": 3e-2} {
		out := filepath.Join(t.TempDir(), typ+".gguf")
		s, err := Sparsify(context.Background(), path, out, SparsifyOptions{Text: learned, Tokens: 256, Experts: 4, Type: typ})
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(typ), s.Type)
		require.Less(t, deviation(want, logitsOf(t, out, "")), most, typ)
	}
}

// TestSparsifyIsReproducible writes the same bytes again, over a file that was
// there, whatever the threads.
func TestSparsifyIsReproducible(t *testing.T) {
	path, out := dense(t, "llama"), filepath.Join(t.TempDir(), "sparse.gguf")
	require.NoError(t, os.WriteFile(out, []byte("a file from before"), 0o600))
	var first []byte
	for range 2 {
		_, err := Sparsify(context.Background(), path, out, SparsifyOptions{Text: learned, Tokens: 256})
		require.NoError(t, err)
		b, err := os.ReadFile(out)
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		require.Equal(t, first, b)
	}
}

// TestSparsifyRefuses what it cannot do, and leaves what was there.
func TestSparsifyRefuses(t *testing.T) {
	moe := filepath.Join(t.TempDir(), "moe.gguf")
	require.NoError(t, os.WriteFile(moe, modeltest.Bytes(t, synth.Tiny("olmoe"), "F32", 5), 0o600))
	mixtral := filepath.Join(t.TempDir(), "mixtral.gguf")
	require.NoError(t, os.WriteFile(mixtral, modeltest.Bytes(t, synth.Tiny("mixtral"), "F32", 5), 0o600))
	model := dense(t, "llama")
	var option *OptionError
	var notDense *DenseError
	for name, c := range map[string]struct {
		path string
		o    SparsifyOptions
		want any
		says string
	}{
		"experts already":  {moe, SparsifyOptions{Text: learned}, &notDense, "architecture olmoe"},
		"mixture of llama": {mixtral, SparsifyOptions{Text: learned}, &notDense, "layer 0 of"},
		"the embedded one": {"tiny", SparsifyOptions{Text: learned, Tokens: 256}, &notDense, "architecture lite"},
		"odd parts":        {model, SparsifyOptions{Text: learned, Experts: 7}, &option, "128 neurons cannot be divided into 7 equal experts"},
		"large core":       {model, SparsifyOptions{Text: learned, Experts: 4, Core: 5}, &option, "5 of them the core"},
		"small blocks":     {model, SparsifyOptions{Text: learned, Experts: 8, Type: "Q8_0"}, &option, "experts of 16 neurons cannot be stored as Q8_0"},
		"no encoder":       {model, SparsifyOptions{Text: learned, Experts: 4, Type: "Q4_K"}, &option, "cannot be stored as Q4_K"},
		"unknown type":     {model, SparsifyOptions{Text: learned, Type: "Q9"}, &option, `"Q9" is unknown`},
		"short text":       {model, SparsifyOptions{Text: "the cat"}, &option, "want at least 256"},
		"few tokens":       {model, SparsifyOptions{Text: learned, Tokens: 3}, &option, "3 tokens to learn from"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.gguf")
			require.NoError(t, os.WriteFile(out, []byte("before"), 0o600))
			_, err := Sparsify(context.Background(), c.path, out, c.o)
			require.ErrorAs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			b, err := os.ReadFile(out)
			require.NoError(t, err)
			require.Equal(t, "before", string(b))
		})
	}
	_, err := Sparsify(context.Background(), model, filepath.Join(t.TempDir(), "no", "out.gguf"), SparsifyOptions{Text: learned})
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	_, err = Sparsify(ctx, model, filepath.Join(dir, "out.gguf"), SparsifyOptions{Text: learned, Tokens: 256})
	require.ErrorIs(t, err, context.Canceled)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing half-written is left")
}
