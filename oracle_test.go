package lite_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
	"github.com/lite-llm/lite/internal/quant"
)

// The oracle's models that Lite runs. There are none of qwen2 and qwen3, whose
// layers are those of qwen2moe and qwen3moe with llama's network in the place
// of the experts.
var (
	oracleF32 = []string{
		"llama", "olmoe", "qwen2moe", "qwen3moe", "qwen3moe-long", "deepseek2", "deepseek2-lite", "deepseek2-long",
	}
	oracleTrained   = []string{"stories260K", "stories260K-moe4x2", "stories260K-moe4x2-n10"}
	oracleQuantised = []string{
		"llama.Q8_0", "qwen2moe.Q8_0", "deepseek2.Q8_0", "qwen3moe.F16", "qwen3moe.BF16", "qwen3moe.Q8_0",
		"qwen3moe.Q4_0", "qwen3moe.Q4_1", "qwen3moe.Q5_0", "qwen3moe.Q5_1", "qwen3moe.Q4_K_M", "qwen3moe.Q6_K", "qwen3moe-wide.Q4_K_M",
	}
)

// The oracle's models of families and formats that Lite does not run yet, with
// what the refusal names.
var (
	oracleFamilies = map[string]string{
		"gpt-oss.f32": "gpt-oss", "gpt-oss.Q8_0": "gpt-oss", "gpt-oss.MXFP4_MOE": "gpt-oss",
		"granitemoe.f32": "granitemoe", "granitemoe.Q8_0": "granitemoe",
	}
	oracleFormats = map[string]string{
		"qwen3moe.Q2_K": "Q2_K", "qwen3moe.Q3_K_M": "Q3_K",
		"qwen3moe.IQ3_S": "IQ3_S", "qwen3moe.IQ4_NL": "IQ4_NL", "qwen3moe.IQ4_XS": "IQ4_XS",
	}
)

// TestOracleIsCovered holds that every model of the oracle is compared with, or
// refused for a reason that is written down here.
func TestOracleIsCovered(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	known := map[string]bool{}
	for _, name := range oracleF32 {
		known[name+".f32"] = true
	}
	for _, name := range slices.Concat(oracleTrained, oracleQuantised) {
		known[name] = true
	}
	for name := range oracleFamilies {
		known[name] = true
	}
	for name := range oracleFormats {
		known[name] = true
	}
	for _, sub := range []string{"models", "real"} {
		files, err := filepath.Glob(filepath.Join(dir, sub, "*.gguf"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".gguf")
			require.True(t, known[name], "%s/%s is neither compared with nor refused", sub, name)
			delete(known, name)
		}
	}
	require.Empty(t, known, "models that are named here and not there")
}

// TestOracleRefused holds that what Lite does not run is refused by its name,
// with the list of what it does run.
func TestOracleRefused(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	for name, arch := range oracleFamilies {
		t.Run(name, func(t *testing.T) {
			_, err := lite.Open(filepath.Join(dir, "models", name+".gguf"), lite.Options{})
			var refused *model.FamilyError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, arch, refused.Arch)
			require.ErrorContains(t, err, `architecture "`+arch+`" is not supported; supported: deepseek2, lite, lite-sparse, llama,`)
		})
	}
	for name, format := range oracleFormats {
		t.Run(name, func(t *testing.T) {
			_, err := lite.Open(filepath.Join(dir, "models", name+".gguf"), lite.Options{})
			var refused *quant.UnsupportedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, format, refused.Type.String())
			require.ErrorContains(t, err, "tensor "+refused.Tensor+" is stored as "+format+", which is not supported (supported: F32, F16,")
		})
	}
}

// oraclePath is the file of one of the oracle's models.
func oraclePath(dir, name string) string {
	if strings.HasPrefix(name, "stories") {
		return filepath.Join(dir, "real", name+".gguf")
	}
	return filepath.Join(dir, "models", name+".gguf")
}

// run is what a model computes for the oracle's tokens.
type run struct {
	vocab   int
	logits  []float32
	experts map[string][][]lite.Expert // per layer and token, ascending
}

// at is the logits of a position.
func (r *run) at(i int) []float32 { return r.logits[i*r.vocab : (i+1)*r.vocab] }

func openOracle(t *testing.T, path string) *lite.Model {
	t.Helper()
	m, err := lite.Open(path, lite.Options{KV: "f32", Memory: 1 << 30})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func runTokens(t *testing.T, m *lite.Model, tokens []int32) *run {
	t.Helper()
	r := &run{vocab: m.Vocabulary(), experts: map[string][][]lite.Expert{}}
	err := m.Logits(context.Background(), "", tokens, func(_ int, logits []float32) error {
		r.logits = append(r.logits, logits...)
		return nil
	}, func(layer, _ int, chosen []lite.Expert) {
		key := strconv.Itoa(layer)
		r.experts[key] = append(r.experts[key], slices.Clone(chosen))
	})
	require.NoError(t, err)
	return r
}

// firstFlip is the first position at which any layer chose other experts.
func firstFlip(g *oracle.Golden, r *run) int {
	first := len(g.Tokens)
	for layer, tokens := range g.Experts {
		for i, want := range tokens {
			var got []int
			for _, e := range r.experts[layer][i] {
				got = append(got, e.Index)
			}
			if i < first && !slices.Equal(slices.Sorted(slices.Values(want)), got) {
				first = i
			}
		}
	}
	return first
}

// greedy continues the tokens with the most likely ones.
func greedy(t *testing.T, m *lite.Model, tokens []int32, n int) []int32 {
	t.Helper()
	g := m.Generate(context.Background(), lite.Request{Tokens: tokens, MaxTokens: n, IgnoreEnd: true})
	for range g.Tokens() {
	}
	require.NoError(t, g.Err())
	require.Len(t, g.IDs(), n)
	return g.IDs()
}

// best is the index of the largest value, and by how much it leads.
func best(x []float32) (at int32, gap float64) {
	second := float32(math.Inf(-1))
	for i, v := range x[1:] {
		if v > x[at] {
			at, second = int32(i+1), x[at]
		} else {
			second = max(second, v)
		}
	}
	return at, float64(x[at] - second)
}

// rms is the root mean square of values.
func rms(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return math.Sqrt(sum / float64(len(x)))
}

// TestOraclePerplexity measures the trained models on the oracle's text, in
// windows of 128 tokens of which the second half is scored: within 0.5 %.
func TestOraclePerplexity(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	text, err := os.ReadFile(filepath.Join(dir, "real", "stories-ppl.txt"))
	require.NoError(t, err)
	for name, want := range map[string]float64{
		"stories260K": 3.9336, "stories260K-moe4x2": 3.9336, "stories260K-moe4x2-n10": 4.1079,
	} {
		t.Run(name, func(t *testing.T) {
			e, err := openOracle(t, oraclePath(dir, name)).Evaluate(context.Background(), lite.EvalRequest{Text: string(text), Window: 128})
			require.NoError(t, err)
			t.Logf("perplexity %.4f, the oracle's %.4f, over %d tokens", e.Perplexity, want, e.Tokens)
			require.InEpsilon(t, want, e.Perplexity, 0.005)
		})
	}
}
