package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOptionsOutOfRange(t *testing.T) {
	for want, o := range map[string]Options{
		"temperature -1: want a number from 0":                     {Temperature: -1},
		"temperature NaN: want a number from 0":                    {Temperature: nan},
		"temperature +Inf: want a number from 0":                   {Temperature: inf},
		"top-k -1: want a number from 0":                           {TopK: -1},
		"top-p 1.5: want a number from 0 to 1":                     {TopP: 1.5},
		"top-p NaN: want a number from 0 to 1":                     {TopP: nan},
		"min-p -0.1: want a number from 0 to 1":                    {MinP: -0.1},
		"min-p NaN: want a number from 0 to 1":                     {MinP: nan},
		"repeat penalty -1: want a number from 0":                  {RepeatPenalty: -1},
		"repeat penalty NaN: want a number from 0":                 {RepeatPenalty: nan},
		"presence penalty +Inf: want a finite number":              {PresencePenalty: inf},
		"frequency penalty NaN: want a finite number":              {FrequencyPenalty: nan},
		"bias -Inf of token 3: want a finite number":               {Bias: map[int32]float32{9: nan, 3: -inf, 1: 2}},
		"repeat window -2: want a number of tokens, or -1 for all": {RepeatLast: -2},
	} {
		s, err := New(o, nil)
		require.Nil(t, s)
		var bad *OptionError
		require.ErrorAs(t, err, &bad)
		require.EqualError(t, err, want)
	}
}

// TestOptionsAtTheirLimits are all taken.
func TestOptionsAtTheirLimits(t *testing.T) {
	for _, o := range []Options{
		{},
		{Temperature: math.MaxFloat32, TopK: math.MaxInt, TopP: 1, MinP: 1},
		{Temperature: math.SmallestNonzeroFloat32, TopP: math.SmallestNonzeroFloat32, MinP: math.SmallestNonzeroFloat32},
		{RepeatPenalty: math.MaxFloat32, RepeatLast: math.MaxInt, PresencePenalty: -math.MaxFloat32},
	} {
		s, err := New(o, nil)
		require.NoError(t, err)
		id, err := s.Next([]float32{-1, 0, -2}, math.MaxInt, []int32{0, 0}, 0)
		require.NoError(t, err)
		require.Less(t, id, int32(3))
	}
}

func TestGreedyTakesTheLowestOfTheBest(t *testing.T) {
	logits := []float32{0, 3, 3, 1}
	require.EqualValues(t, 1, next(t, Options{}, logits, 0))
	require.EqualValues(t, 1, next(t, Options{Temperature: 1, TopK: 1}, logits, 0))
	// Logits that a high temperature makes equal are still different.
	logits = []float32{1, math.Nextafter32(1, 2)}
	require.EqualValues(t, 1, next(t, Options{Temperature: math.MaxFloat32, TopK: 1}, logits, 0))
}

// TestFiltersKeepWhatTheySay draws until all that can be drawn has been.
func TestFiltersKeepWhatTheySay(t *testing.T) {
	logits := []float32{0, 4, 3, 2, 1, -2}
	for name, c := range map[string]struct {
		o    Options
		keep []int32
	}{
		"top-k":       {Options{TopK: 2}, []int32{1, 2}},
		"top-p":       {Options{TopP: 0.7}, []int32{1, 2}},
		"min-p":       {Options{MinP: 0.1}, []int32{1, 2, 3}},
		"all":         {Options{TopK: 4, TopP: 0.99, MinP: 0.04}, []int32{1, 2, 3, 4}},
		"none":        {Options{}, []int32{0, 1, 2, 3, 4, 5}},
		"more than n": {Options{TopK: 99}, []int32{0, 1, 2, 3, 4, 5}},
		"least top-p": {Options{TopP: 1e-6}, []int32{1}},
		"most min-p":  {Options{MinP: 1}, []int32{1}},
		// Among the two that top-k leaves, the first has probability 0.73.
		"top-p after top-k": {Options{TopK: 2, TopP: 0.72}, []int32{1}},
		"temperature first": {Options{Temperature: 0.25, TopP: 0.9}, []int32{1}},
		"mask first":        {Options{TopK: 2, Mask: modulo(2)}, []int32{2, 4}},
	} {
		if c.o.Temperature == 0 {
			c.o.Temperature = 1
		}
		seen := map[int32]bool{}
		for pos := range 4000 {
			seen[next(t, c.o, logits, pos)] = true
		}
		require.Len(t, seen, len(c.keep), name)
		for _, id := range c.keep {
			require.True(t, seen[id], name)
		}
	}
}

func TestPenalties(t *testing.T) {
	logits := []float32{2, 1.9, -1}
	require.EqualValues(t, 1, next(t, Options{RepeatPenalty: 1.5}, logits, 0, 0))
	require.EqualValues(t, 1, next(t, Options{PresencePenalty: 0.5}, logits, 0, 0))
	require.EqualValues(t, 0, next(t, Options{FrequencyPenalty: 0.05}, logits, 0, 0))
	require.EqualValues(t, 1, next(t, Options{FrequencyPenalty: 0.06}, logits, 0, 0, 0))
	require.EqualValues(t, 2, next(t, Options{Bias: map[int32]float32{2: 5}}, logits, 0))
	// A negative logit is multiplied: repeating it becomes less likely too.
	require.EqualValues(t, 1, next(t, Options{RepeatPenalty: 2}, []float32{-1, -1.5, -9}, 0, 0))
}

// TestTopPStopsWhereItIsReached: a sum that equals p is enough.
func TestTopPStopsWhereItIsReached(t *testing.T) {
	for pos := range 200 {
		require.EqualValues(t, 1, next(t, Options{Temperature: 1, TopP: 0.5}, []float32{-inf, 2, 2}, pos))
	}
}

// TestTopKLeavesIdsAscending, which is the order of the softmax after it.
func TestTopKLeavesIdsAscending(t *testing.T) {
	s, err := New(Options{TopK: 300}, nil)
	require.NoError(t, err)
	c, err := s.load(randomLogits(rand.New(rand.NewPCG(4, 4)), 1000, 1), 0)
	require.NoError(t, err)
	c = s.keepTopK(c)
	require.Len(t, c, 300)
	require.True(t, slices.IsSortedFunc(c, func(a, b candidate) int { return int(a.id - b.id) }))
}

// TestPenaltiesSeeTheirWindows: the prompt counts for repetition and not for
// presence, and the window of repetition ends.
func TestPenaltiesSeeTheirWindows(t *testing.T) {
	logits := []float32{2, 1.9}
	at := func(o Options, history []int32, generated int) int32 {
		s, err := New(o, nil)
		require.NoError(t, err)
		id, err := s.Next(logits, 0, history, generated)
		require.NoError(t, err)
		return id
	}
	require.EqualValues(t, 0, at(Options{PresencePenalty: 1}, []int32{0, 1}, 1))
	require.EqualValues(t, 1, at(Options{PresencePenalty: 1}, []int32{1, 0}, 1))
	require.EqualValues(t, 1, at(Options{RepeatPenalty: 2}, []int32{0}, 0))
	long := append([]int32{0}, make([]int32, 64)...)
	for i := range 64 {
		long[i+1] = 7 // outside the vocabulary
	}
	require.EqualValues(t, 0, at(Options{RepeatPenalty: 2}, long, 0), "64 tokens are recent")
	require.EqualValues(t, 1, at(Options{RepeatPenalty: 2}, long[:64], 0))
	require.EqualValues(t, 1, at(Options{RepeatPenalty: 2, RepeatLast: -1}, long, 0))
	require.EqualValues(t, 0, at(Options{RepeatPenalty: 2, RepeatLast: 1}, []int32{0, 7}, 0))
	require.EqualValues(t, 0, at(Options{PresencePenalty: 1}, []int32{1}, 99), "more than there are")
}
