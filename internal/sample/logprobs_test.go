package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogprobsAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s, err := New(Options{Temperature: 0.3, RepeatPenalty: 2}, nil)
	require.NoError(t, err)
	for range 100 {
		logits := randomLogits(r, 500, 6)
		logits[3] = logits[4]
		chosen := r.Int32N(500)
		p := softmax64(logits, 1)
		got, top, err := s.Logprobs([]Logprob{{Token: -7}}, logits, 0, chosen, 20)
		require.NoError(t, err)
		require.InDelta(t, math.Log(p[chosen]), float64(got), 1e-5)
		require.Equal(t, Logprob{Token: -7}, top[0], "appended")
		require.Len(t, top, 21)
		slices.SortFunc(p, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
		for i, v := range top[1:] {
			require.InDelta(t, math.Log(p[i]), float64(v.Logprob), 1e-5)
			require.InDelta(t, math.Log(p[i]), math.Log(softmax64(logits, 1)[v.Token]), 1e-9)
		}
	}
}

func TestLogprobsOfFewTokens(t *testing.T) {
	s, err := New(Options{}, nil)
	require.NoError(t, err)
	got, top, err := s.Logprobs(nil, []float32{1, 1, -inf}, 0, 2, 5)
	require.NoError(t, err)
	require.Equal(t, -inf, got)
	require.Equal(t, []int32{0, 1, 2}, []int32{top[0].Token, top[1].Token, top[2].Token})
	require.InDelta(t, -math.Ln2, float64(top[0].Logprob), 1e-6)
	got, top, err = s.Logprobs(nil, []float32{0, 3}, 0, 1, 0)
	require.NoError(t, err)
	require.Empty(t, top)
	require.InDelta(t, -math.Log1p(math.Exp(-3)), float64(got), 1e-6)
}

func TestLogprobsOfBadLogits(t *testing.T) {
	s, err := New(Options{}, nil)
	require.NoError(t, err)
	_, _, err = s.Logprobs(nil, []float32{nan}, 4, 0, 1)
	var bad *LogitError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 4, bad.Position)
	_, _, err = s.Logprobs(nil, []float32{-inf}, 4, 0, 1)
	require.ErrorIs(t, err, ErrNoToken)
	_, _, err = s.Logprobs(nil, nil, 4, 0, 1)
	require.ErrorIs(t, err, ErrNoToken)
}
