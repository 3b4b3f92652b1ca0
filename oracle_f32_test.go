package lite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/oracle"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
)

// TestOracleF32 holds models of every family with F32 weights and F32 KV, and
// trained ones, to the engine: logits and routing weights within 2e-5, every
// choice of experts, every most likely token and every greedy token equal.
func TestOracleF32(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	for _, name := range oracleF32 {
		t.Run(name, func(t *testing.T) { compareF32(t, dir, name+".f32") })
	}
	for _, name := range oracleTrained {
		t.Run(name, func(t *testing.T) { compareF32(t, dir, name) })
	}
}

func compareF32(t *testing.T, dir, name string) {
	g, err := oracle.Load(dir, name)
	require.NoError(t, err)
	m := openOracle(t, oraclePath(dir, name))
	r := runTokens(t, m, g.Tokens)
	require.Equal(t, len(g.Tokens), firstFlip(g, r), "the first token with another choice of experts")
	deviation := oracle.RMS(r.logits, g.Logits)
	t.Logf("deviation %.1e", deviation)
	require.Less(t, deviation, 2e-5)
	for i, want := range g.Argmax {
		got, _ := best(r.at(i))
		require.Equal(t, want, got, "position %d", i)
	}
	compareWeights(t, g, r)
	require.NotEmpty(t, g.Greedy)
	require.Equal(t, g.Greedy, greedy(t, m, g.Tokens, len(g.Greedy)))
}

// compareWeights holds every routing weight to the engine's, which lists the
// experts of a token best first and prints seven digits.
func compareWeights(t *testing.T, g *oracle.Golden, r *run) {
	t.Helper()
	compared := 0
	for layer, tokens := range g.Experts {
		require.Len(t, g.Weights[layer], len(tokens))
		for i, ids := range tokens {
			for k, id := range ids {
				require.InDelta(t, g.Weights[layer][i][k], weightOf(t, r.experts[layer][i], id), 2e-5,
					"layer %s, position %d, expert %d", layer, i, id)
				compared++
			}
		}
	}
	require.Equal(t, len(g.Experts) > 0, compared > 0)
}

func weightOf(t *testing.T, chosen []lite.Expert, index int) float64 {
	t.Helper()
	for _, e := range chosen {
		if e.Index == index {
			return float64(e.Weight)
		}
	}
	require.Fail(t, "expert was not chosen", "%d of %v", index, chosen)
	return 0
}

// TestOracleUpcycled holds that a dense model and its copy of four equal experts,
// of which two run, are one: the engine's differ by 2e-7.
func TestOracleUpcycled(t *testing.T) {
	dir := oracletest.Dir(t, ".")
	g, err := oracle.Load(dir, "stories260K")
	require.NoError(t, err)
	dense := openOracle(t, oraclePath(dir, "stories260K"))
	experts := openOracle(t, oraclePath(dir, "stories260K-moe4x2"))
	a, b := runTokens(t, dense, g.Tokens), runTokens(t, experts, g.Tokens)
	require.Empty(t, a.experts)
	require.Len(t, b.experts, 5)
	require.Less(t, oracle.RMS(b.logits, a.logits), 1e-6)
	require.Equal(t, greedy(t, dense, g.Tokens, 48), greedy(t, experts, g.Tokens, 48))
}
