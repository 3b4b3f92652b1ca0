package lite_test

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
)

// run is what a model computes for the oracle's tokens.
type run struct {
	logits  []float32
	experts map[string][][]int // per layer and token, ascending
}

func runTokens(t *testing.T, path string, tokens []int32, o lite.Options) run {
	t.Helper()
	m, err := lite.Open(path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	r := run{experts: map[string][][]int{}}
	err = m.Logits(context.Background(), "", tokens, func(_ int, logits []float32) error {
		r.logits = append(r.logits, logits...)
		return nil
	}, func(layer, _ int, chosen []lite.Expert) {
		var ids []int
		for _, c := range chosen {
			ids = append(ids, c.Index)
		}
		key := strconv.Itoa(layer)
		r.experts[key] = append(r.experts[key], ids)
	})
	require.NoError(t, err)
	return r
}

// firstFlip is the first position at which any layer chose other experts.
func firstFlip(g *oracle.Golden, r run) int {
	first := len(g.Tokens)
	for layer, tokens := range g.Experts {
		for i, want := range tokens {
			if i < first && !slices.Equal(slices.Sorted(slices.Values(want)), r.experts[layer][i]) {
				first = i
			}
		}
	}
	return first
}

func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// TestOracleF32 holds models of every family with F32 weights and F32 KV to
// the engine: logits within 2e-5 and every choice of experts equal.
func TestOracleF32(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	for _, name := range []string{
		"llama", "olmoe", "qwen2moe", "qwen3moe", "qwen3moe-long", "deepseek2", "deepseek2-lite", "deepseek2-long",
		"stories260K", "stories260K-moe4x2", "stories260K-moe4x2-n10",
	} {
		t.Run(name, func(t *testing.T) {
			path, golden := filepath.Join(dir, "models", name+".f32.gguf"), name+".f32"
			if strings.HasPrefix(name, "stories") {
				path, golden = filepath.Join(dir, "real", name+".gguf"), name
			}
			g, err := oracle.Load(dir, golden)
			require.NoError(t, err)
			r := runTokens(t, path, g.Tokens, lite.Options{KV: "f32"})
			require.Equal(t, len(g.Tokens), firstFlip(g, r), "the first token with another choice of experts")
			require.Less(t, oracle.RMS(r.logits, g.Logits), 2e-5)
			for i, want := range g.Argmax {
				require.Equal(t, want, argmax(r.logits[i*g.Vocab:(i+1)*g.Vocab]), "position %d", i)
			}
		})
	}
}

// TestOracleQuantised holds every block format to the engine's results with
// the same weights decoded: within 6 % up to the first flip of an expert.
func TestOracleQuantised(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	for _, name := range []string{
		"llama.Q8_0", "qwen2moe.Q8_0", "deepseek2.Q8_0", "qwen3moe.F16", "qwen3moe.BF16", "qwen3moe.Q8_0",
		"qwen3moe.Q4_0", "qwen3moe.Q4_1", "qwen3moe.Q5_0", "qwen3moe.Q5_1", "qwen3moe.Q4_K_M", "qwen3moe.Q6_K", "qwen3moe-wide.Q4_K_M",
	} {
		t.Run(name, func(t *testing.T) {
			g, err := oracle.Load(dir, name+".dequant")
			require.NoError(t, err)
			r := runTokens(t, filepath.Join(dir, "models", name+".gguf"), g.Tokens, lite.Options{KV: "f32"})
			n := firstFlip(g, r)
			require.Positive(t, n, "the first token already chose other experts")
			got := oracle.RMS(r.logits[:n*g.Vocab], g.Logits[:n*g.Vocab])
			t.Logf("%d of %d positions before an expert flips, deviation %.4f", n, len(g.Tokens), got)
			require.Less(t, got, 0.06)
		})
	}
}
