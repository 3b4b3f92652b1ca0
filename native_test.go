package lite_test

import (
	"context"
	"math"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/oracle"
)

// reference is what PyTorch computes with testdata/native/reference.gguf; both
// are written by train/reference.py.
type reference struct {
	Vocabulary  int     `json:"vocabulary"`
	LeastMargin float64 `json:"least_margin"` // between a chosen and a refused candidate
	Tokens      []int32 `json:"tokens"`
	Sets        []struct {
		Name    string    `json:"name"`
		Experts [][][]int `json:"experts"` // per layer and token, ascending
	} `json:"sets"`
	logits []float32 // of set, token and vocabulary
}

func loadReference(t *testing.T) *reference {
	t.Helper()
	text, err := os.ReadFile("testdata/native/reference.json")
	require.NoError(t, err)
	r := &reference{}
	require.NoError(t, json.Unmarshal(text, r))
	raw, err := os.ReadFile("testdata/native/logits.f32")
	require.NoError(t, err)
	require.Len(t, raw, 4*len(r.Sets)*len(r.Tokens)*r.Vocabulary)
	r.logits = oracle.Floats(raw)
	return r
}

// TestNativeAgainstPyTorch holds the native architecture to PyTorch: tiers of
// different sizes, group counts and expert counts, and every kind of set. All
// logits of a set are within 2e-5 (root mean square, relative), the worst of
// them within 1e-4 of the mean square; the chosen experts are the same.
func TestNativeAgainstPyTorch(t *testing.T) {
	const path = "testdata/native/reference.gguf"
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(1<<20))
	r := loadReference(t)
	require.Greater(t, r.LeastMargin, 1e-4, "no choice may hang on the order of additions")
	for _, impl := range kernel.Available() {
		m, err := lite.Open(path, lite.Options{KV: "f32", Kernels: impl.String()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		require.Len(t, m.TierSets(), len(r.Sets))
		n := len(r.Tokens) * r.Vocabulary
		for i, set := range r.Sets {
			t.Run(impl.String()+"/"+set.Name, func(t *testing.T) {
				logits, experts := nativeLogits(t, m, set.Name, r.Tokens)
				for layer := range set.Experts {
					for token, want := range set.Experts[layer] {
						require.Equal(t, want, experts[layer][token], "layer %d, token %d", layer, token)
					}
				}
				want := r.logits[i*n : (i+1)*n]
				require.Len(t, logits, n)
				rms, worst := oracle.RMS(logits, want), worstOf(logits, want)
				t.Logf("relative RMS %.2e, largest difference %.2e", rms, worst)
				require.Less(t, rms, 2e-5)
				require.Less(t, worst, 1e-4*rmsOf(want))
			})
		}
	}
}

// nativeLogits returns the logits of all tokens, and per layer and token the
// experts.
func nativeLogits(t *testing.T, m *lite.Model, set string, tokens []int32) (logits []float32, experts [][][]int) {
	t.Helper()
	experts = make([][][]int, m.Info().Layers)
	err := m.Logits(context.Background(), set, tokens, func(_ int, row []float32) error {
		logits = append(logits, row...)
		return nil
	}, func(layer, _ int, chosen []lite.Expert) {
		var ids []int
		for _, c := range chosen {
			ids = append(ids, c.Index)
		}
		experts[layer] = append(experts[layer], ids)
	})
	require.NoError(t, err)
	return logits, experts
}

// worstOf is the largest difference of a value.
func worstOf(got, want []float32) (worst float64) {
	for i := range got {
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
	}
	return worst
}

// rmsOf is the root of the mean square.
func rmsOf(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}
