package lite_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/oracle/oracletest"
)

// evalText is 300 tokens or so of the reference model's vocabulary.
var evalText = strings.Repeat("And God said, Let there be light: and there was light. 12345 ", 5)

func openReference(t *testing.T) *lite.Model {
	t.Helper()
	m, err := lite.Open("testdata/native/reference.gguf", lite.Options{Memory: 1 << 30})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func evaluate(t *testing.T, m *lite.Model, r lite.EvalRequest) *lite.Evaluation {
	t.Helper()
	e, err := m.Evaluate(context.Background(), r)
	require.NoError(t, err)
	return e
}

// TestEvaluateAgainstLogits computes the same numbers from the logits of each
// window: of 32 tokens, the 15 after the first 17 are predicted.
func TestEvaluateAgainstLogits(t *testing.T) {
	m := openReference(t)
	done := 0
	e := evaluate(t, m, lite.EvalRequest{TierSet: "wide", Text: evalText, Window: 32, Progress: func(d, all int) {
		done++
		require.Equal(t, done, d)
		require.Equal(t, len(m.Tokenize(evalText))/32, all)
	}})
	tokens := m.Tokenize(evalText)
	var windows []float64
	for ; len(tokens) >= 32; tokens = tokens[32:] {
		nll := 0.0
		err := m.Logits(context.Background(), "wide", tokens[:32], func(pos int, logits []float32) error {
			if pos < 16 || pos == 31 {
				return nil
			}
			sum := 0.0
			for _, v := range logits {
				sum += math.Exp(float64(v))
			}
			nll += math.Log(sum) - float64(logits[tokens[pos+1]])
			return nil
		}, nil)
		require.NoError(t, err)
		windows = append(windows, nll/15)
	}
	require.Len(t, windows, done)
	require.InDeltaSlice(t, windows, e.NLL, 1e-6)
	require.Equal(t, len(windows), e.Windows)
	require.Equal(t, 15*len(windows), e.Tokens)
	mean, squares := 0.0, 0.0
	for _, v := range windows {
		mean += v / float64(len(windows))
	}
	for _, v := range windows {
		squares += (v - mean) * (v - mean)
	}
	n := float64(len(windows))
	require.InDelta(t, math.Exp(mean), e.Perplexity, 1e-3)
	require.InDelta(t, math.Exp(mean)*math.Sqrt(squares/(n-1)/n), e.StdErr, 1e-3)
	require.LessOrEqual(t, e.ActiveParams, e.Bound)
	require.Positive(t, e.ActiveParams)
}

// TestRandomRoutingIsAControl: random routing is another measurement, the same
// each time, and leaves nothing behind: not in the next measurement, and not
// in an answer.
func TestRandomRoutingIsAControl(t *testing.T) {
	m := openReference(t)
	answer := func() string {
		g := m.Generate(context.Background(), lite.Request{Prompt: "In the beginning", MaxTokens: 8, IgnoreEnd: true, Hash: true})
		for range g.Tokens() {
		}
		require.NoError(t, g.Err())
		return g.LogitsSHA256()
	}
	for _, set := range []string{"fast", "hole"} {
		before := answer()
		learned := lite.EvalRequest{TierSet: set, Text: evalText, Window: 32}
		random := learned
		random.RandomRouting = true
		a, b := evaluate(t, m, learned), evaluate(t, m, random)
		require.False(t, a.RandomRouting)
		require.True(t, b.RandomRouting)
		require.NotEqual(t, a.NLL, b.NLL)
		require.LessOrEqual(t, b.ActiveParams, b.Bound)
		require.Greater(t, b.LeastShare, a.LeastShare, "random choices are fairer than learned ones")
		require.Equal(t, b.NLL, evaluate(t, m, random).NLL)
		require.Equal(t, a.NLL, evaluate(t, m, learned).NLL)
		require.Equal(t, before, answer())
	}
}

// TestRandomRoutingDrawsAnew: windows of the same text have other choices.
func TestRandomRoutingDrawsAnew(t *testing.T) {
	m := openReference(t)
	learned := evaluate(t, m, lite.EvalRequest{Text: strings.Repeat("a", 400), Window: 16})
	random := evaluate(t, m, lite.EvalRequest{Text: strings.Repeat("a", 400), Window: 16, RandomRouting: true})
	require.Equal(t, learned.NLL[1], learned.NLL[2])
	seen := map[float64]bool{}
	for _, v := range random.NLL[1:] {
		require.False(t, seen[v], "two windows drew the same")
		seen[v] = true
	}
}

func TestEvaluateRefuses(t *testing.T) {
	m := openReference(t)
	for want, r := range map[string]lite.EvalRequest{
		`there is no tier set "huge"; this model has: fast, balanced, hole, wide, full`: {TierSet: "huge", Text: evalText},
		"a window of 3 tokens: take at least 4 and at most the context, 64":             {Text: evalText, Window: 3},
		"a window of 65 tokens: take at least 4 and at most the context, 64":            {Text: evalText, Window: 65},
		"the text has 3 tokens, fewer than one window of 64":                            {Text: "ab"},
	} {
		_, err := m.Evaluate(context.Background(), r)
		require.EqualError(t, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := m.Evaluate(ctx, lite.EvalRequest{Text: evalText})
	require.ErrorIs(t, err, context.Canceled)
}

// TestDenseModelsHaveNoRouting says so instead of measuring the same twice.
func TestDenseModelsHaveNoRouting(t *testing.T) {
	m, err := lite.Open(filepath.Join(oracletest.Dir(t, "."), "real", "stories260K.gguf"), lite.Options{Memory: 1 << 30})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	_, err = m.Evaluate(context.Background(), lite.EvalRequest{Text: evalText, Window: 16, RandomRouting: true})
	require.ErrorContains(t, err, "no experts")
}
