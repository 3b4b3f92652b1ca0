package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPhilox holds the generator to the known answers of Random123.
func TestPhilox(t *testing.T) {
	require.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox([4]uint32{}, [2]uint32{}))
	all := uint32(math.MaxUint32)
	require.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox([4]uint32{all, all, all, all}, [2]uint32{all, all}))
	require.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		philox([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}))
}

func next(t *testing.T, o Options, logits []float32, position int, history ...int32) int32 {
	t.Helper()
	s, err := New(o, []int32{1, 2, 3})
	require.NoError(t, err)
	id, err := s.Next(logits, position, history, len(history))
	require.NoError(t, err)
	return id
}

func TestGreedyTakesTheLowestOfTheBest(t *testing.T) {
	require.EqualValues(t, 1, next(t, Options{}, []float32{0, 3, 3, 1}, 0))
	require.EqualValues(t, 1, next(t, Options{Temperature: 1, TopK: 1}, []float32{0, 3, 3, 1}, 0))
}

// TestDrawsFollowTheSoftmax counts draws at many positions against their
// probabilities (chi-square, 5 degrees of freedom, p = 0.001).
func TestDrawsFollowTheSoftmax(t *testing.T) {
	logits := []float32{1, 0, 2, -1, 0.5, 1.5}
	const n = 20_000
	counts := make([]float64, len(logits))
	s, err := New(Options{Temperature: 0.8, Seed: 9}, nil)
	require.NoError(t, err)
	for pos := range n {
		id, err := s.Next(logits, pos, nil, 0)
		require.NoError(t, err)
		counts[id]++
	}
	sum, chi := 0.0, 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) / 0.8)
	}
	for i, l := range logits {
		want := n * math.Exp(float64(l)/0.8) / sum
		chi += (counts[i] - want) * (counts[i] - want) / want
	}
	require.Less(t, chi, 20.5)
}

func TestFiltersKeepWhatTheySay(t *testing.T) {
	logits := []float32{0, 4, 3, 2, 1, -2}
	for name, c := range map[string]struct {
		o    Options
		keep []int32
	}{
		"top-k": {Options{TopK: 2}, []int32{1, 2}},
		"top-p": {Options{TopP: 0.7}, []int32{1, 2}},
		"min-p": {Options{MinP: 0.1}, []int32{1, 2, 3}},
		"all":   {Options{TopK: 4, TopP: 0.99, MinP: 0.04}, []int32{1, 2, 3, 4}},
		"none":  {Options{}, []int32{0, 1, 2, 3, 4, 5}},
	} {
		c.o.Temperature = 1
		seen := map[int32]bool{}
		for pos := range 4000 {
			seen[next(t, c.o, logits, pos)] = true
		}
		var got []int32
		for id := range seen {
			got = append(got, id)
		}
		slices.Sort(got)
		require.Equal(t, c.keep, got, name)
	}
}

func TestPenalties(t *testing.T) {
	logits := []float32{2, 1.9, -1}
	require.EqualValues(t, 1, next(t, Options{RepeatPenalty: 1.5}, logits, 0, 0))
	require.EqualValues(t, 1, next(t, Options{PresencePenalty: 0.5}, logits, 0, 0))
	require.EqualValues(t, 0, next(t, Options{FrequencyPenalty: 0.05}, logits, 0, 0))
	require.EqualValues(t, 1, next(t, Options{FrequencyPenalty: 0.06}, logits, 0, 0, 0))
	require.EqualValues(t, 2, next(t, Options{Bias: map[int32]float32{2: 5}}, logits, 0))
}

func TestSeedsPromptsAndSamplesDiffer(t *testing.T) {
	logits := make([]float32, 50)
	draw := func(o Options, prompt []int32) (out []int32) {
		o.Temperature = 1
		s, err := New(o, prompt)
		require.NoError(t, err)
		for pos := range 20 {
			id, err := s.Next(logits, pos, nil, 0)
			require.NoError(t, err)
			out = append(out, id)
		}
		return out
	}
	base := draw(Options{Seed: 1}, []int32{1})
	require.Equal(t, base, draw(Options{Seed: 1}, []int32{1}))
	require.NotEqual(t, base, draw(Options{Seed: 2}, []int32{1}))
	require.NotEqual(t, base, draw(Options{Seed: 1}, []int32{2}), "the same noise for each prompt is a known sin")
	require.NotEqual(t, base, draw(Options{Seed: 1, Sample: 1}, []int32{1}))
}

func TestSelectTopIsASort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		c := make([]candidate, 1+r.IntN(200))
		for i := range c {
			c[i] = candidate{int32(i), float32(r.IntN(20))}
		}
		want := slices.SortedFunc(slices.Values(c), compare)
		k := 1 + r.IntN(len(c))
		selectTop(c, k)
		got := slices.SortedFunc(slices.Values(c[:k]), compare)
		require.Equal(t, want[:k], got)
	}
}

func TestBadInput(t *testing.T) {
	s, err := New(Options{}, nil)
	require.NoError(t, err)
	_, err = s.Next([]float32{1, float32(math.NaN())}, 3, nil, 0)
	var nan *NaNError
	require.ErrorAs(t, err, &nan)
	for _, o := range []Options{
		{Temperature: -1}, {TopK: -1}, {TopP: 1.5}, {MinP: -0.1}, {RepeatPenalty: -1},
		{Temperature: float32(math.NaN())}, {PresencePenalty: float32(math.Inf(1))},
	} {
		_, err := New(o, nil)
		var bad *OptionError
		require.ErrorAs(t, err, &bad, "%+v", o)
	}
}
