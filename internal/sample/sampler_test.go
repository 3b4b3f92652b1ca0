package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

func next(t *testing.T, o Options, logits []float32, position int, history ...int32) int32 {
	t.Helper()
	s, err := New(o, []int32{1, 2, 3})
	require.NoError(t, err)
	id, err := s.Next(logits, position, history, len(history))
	require.NoError(t, err)
	return id
}

func randomLogits(r *rand.Rand, n int, deviation float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * deviation)
	}
	return x
}

// modulo allows every n-th token.
type modulo int32

func (m modulo) Allows(id int32) bool { return id%int32(m) == 0 }

// randomOptions is random options, from greedy to everything at once.
func randomOptions(r *rand.Rand, vocab int) Options {
	o := Options{Seed: r.Uint64(), Sample: uint64(r.IntN(3)), Temperature: []float32{0, 1e-30, 0.3, 1, 3}[r.IntN(5)]}
	if r.IntN(2) == 0 {
		o.TopK = 1 + r.IntN(vocab+5)
	}
	if r.IntN(2) == 0 {
		o.TopP = []float32{0.0001, 0.3, 0.9, 0.999999, 1}[r.IntN(5)]
	}
	if r.IntN(3) == 0 {
		o.MinP = []float32{0.001, 0.1, 0.7, 1}[r.IntN(4)]
	}
	if r.IntN(3) == 0 {
		o.RepeatPenalty, o.RepeatLast = []float32{0.5, 1.1, 2}[r.IntN(3)], []int{-1, 0, 3}[r.IntN(3)]
	}
	if r.IntN(3) == 0 {
		o.PresencePenalty, o.FrequencyPenalty = float32(r.IntN(5)-2)/3, float32(r.IntN(5)-2)/3
	}
	if r.IntN(4) == 0 {
		o.Bias = map[int32]float32{int32(r.IntN(vocab)): 5, int32(r.IntN(vocab)): -5, int32(vocab): 9, -1: 9}
	}
	if r.IntN(4) == 0 {
		o.Mask = modulo(1 + r.IntN(5))
	}
	return o
}

// TestNextIsTheReference compares with the plain reading of rule 9, over
// vocabularies that reach every way of selecting, with many ties.
func TestNextIsTheReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	differ := 0
	for i := range 1500 {
		vocab := []int{1, 2, 7, 100, 700, 5000}[r.IntN(6)]
		o := randomOptions(r, vocab)
		logits := randomLogits(r, vocab, 3)
		if r.IntN(2) == 0 {
			for j := range logits {
				logits[j] = float32(math.Round(float64(logits[j])))
			}
		}
		if r.IntN(4) == 0 {
			logits[r.IntN(vocab)] = -inf
		}
		history := make([]int32, r.IntN(100))
		for j := range history {
			history[j] = int32(r.IntN(vocab))
		}
		generated := r.IntN(len(history) + 1)
		prompt := history[:len(history)-generated]
		s, err := New(o, prompt)
		require.NoError(t, err)
		for position := range 3 {
			before := slices.Clone(logits)
			got, err := s.Next(logits, position, history, generated)
			want, wantErr := reference(o, prompt, logits, position, history, generated)
			require.Equal(t, wantErr, err)
			require.Equal(t, want, got, "%d: %+v", i, o)
			require.Equal(t, before, logits, "the logits are the caller's")
			if wantErr == nil && want != int32(slices.Index(logits, slices.Max(logits))) {
				differ++
			}
		}
	}
	require.Greater(t, differ, 500, "most answers are not the most likely token")
}

// TestOrderOfEvaluationIsFree shuffles the candidates: what is kept and drawn
// depends on which there are.
func TestOrderOfEvaluationIsFree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s, err := New(Options{Seed: 5, Temperature: 1}, nil)
	require.NoError(t, err)
	for position := range 300 {
		c := make([]candidate, 1+r.IntN(300))
		for i := range c {
			c[i] = candidate{id: int32(i * 3), z: -float32(r.IntN(30)) / 4}
		}
		want := s.draw(c, position)
		r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
		require.Equal(t, want, s.draw(c, position))
	}
}

func TestKernelsGiveEqualTokens(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(5, 5)), 3000, 4)
	for _, impl := range kernel.Available() {
		for position := range 50 {
			o := Options{Temperature: 1.5, TopP: 0.97}
			want := next(t, o, logits, position)
			o.Kernels = impl
			require.Equal(t, want, next(t, o, logits, position), impl)
		}
	}
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
	require.NotEqual(t, base, draw(Options{Seed: 1}, []int32{1, 0}))
	require.NotEqual(t, base, draw(Options{Seed: 1, Sample: 1}, []int32{1}))
	require.Greater(t, len(slices.Compact(slices.Sorted(slices.Values(base)))), 8, "positions differ")
}

// TestADrawIsOfItsPosition: what was drawn before does not move a draw, so
// that a resumed answer goes on as if it had never stopped.
func TestADrawIsOfItsPosition(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(6, 6)), 40, 1)
	o := Options{Temperature: 1, Seed: 4}
	s, err := New(o, []int32{1, 2, 3})
	require.NoError(t, err)
	for position := range 30 {
		got, err := s.Next(logits, position, nil, 0)
		require.NoError(t, err)
		require.Equal(t, next(t, o, logits, position), got)
	}
}

func TestBadLogits(t *testing.T) {
	for _, temperature := range []float32{0, 1} {
		s, err := New(Options{Temperature: temperature, TopP: 0.5}, nil)
		require.NoError(t, err)
		_, err = s.Next([]float32{1, nan}, 3, nil, 0)
		var bad *LogitError
		require.ErrorAs(t, err, &bad)
		require.EqualError(t, err, "position 3: the logit of token 1 is NaN: the model's weights are damaged, or numbers overflow")
		_, err = s.Next([]float32{inf, 0}, 3, nil, 0)
		require.Equal(t, &LogitError{Position: 3, Logit: inf}, err)
		_, err = s.Next([]float32{-inf, -inf}, 0, nil, 0)
		require.ErrorIs(t, err, ErrNoToken)
		_, err = s.Next(nil, 0, nil, 0)
		require.ErrorIs(t, err, ErrNoToken)
		id, err := s.Next([]float32{-inf, -math.MaxFloat32, -inf}, 0, nil, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, id, "the only one that is possible")
	}
	s, err := New(Options{Bias: map[int32]float32{0: math.MaxFloat32}}, nil)
	require.NoError(t, err)
	_, err = s.Next([]float32{math.MaxFloat32, 0}, 1, nil, 0)
	require.Equal(t, &LogitError{Position: 1, Logit: inf}, err, "a bias that overflows")
	s, err = New(Options{Mask: modulo(3)}, nil)
	require.NoError(t, err)
	id, err := s.Next([]float32{1, 9, 9, 2}, 0, nil, 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, id)
}

// TestVocabulariesMayChange: buffers follow the logits that are given.
func TestVocabulariesMayChange(t *testing.T) {
	s, err := New(Options{RepeatPenalty: 2, PresencePenalty: 1}, nil)
	require.NoError(t, err)
	for _, n := range []int{3, 500, 2} {
		logits := make([]float32, n)
		logits[n-1] = 1
		got, err := s.Next(logits, 0, []int32{0, 499, -5, 0}, 3)
		require.NoError(t, err)
		want, err := reference(s.opt, nil, logits, 0, []int32{0, 499, -5, 0}, 3)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestSamplingAllocatesNothing(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(7, 7)), 4000, 3)
	history := make([]int32, 500)
	for i := range history {
		history[i] = int32(i * 7)
	}
	for _, o := range []Options{
		{},
		{Temperature: 1},
		{Temperature: 1, TopP: 0.999},
		{Temperature: 1, TopK: 2000, MinP: 0.001},
		{Temperature: 1, TopK: 40, TopP: 0.9, RepeatPenalty: 1.1, FrequencyPenalty: 0.1, Bias: map[int32]float32{1: 2, 5: 3}, Mask: modulo(2)},
	} {
		s, err := New(o, nil)
		require.NoError(t, err)
		dst := make([]Logprob, 0, 20)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			_, err := s.Next(logits, 1, history, 400)
			require.NoError(t, err)
			_, _, err = s.Logprobs(dst, logits, 1, 1, 20)
			require.NoError(t, err)
		}), "%+v", o)
	}
}

func BenchmarkNext(b *testing.B) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, shape := range []struct {
		name      string
		deviation float64
	}{{"peaked", 4}, {"flat", 0.5}} {
		logits := randomLogits(r, 151_936, shape.deviation)
		fastest := kernel.Available()[len(kernel.Available())-1]
		for name, o := range map[string]Options{
			"greedy":   {},
			"temp":     {Temperature: 1},
			"top-k":    {Temperature: 0.7, TopK: 40},
			"top-k-4k": {Temperature: 0.7, TopK: 4096},
			"top-p":    {Temperature: 1, TopP: 0.95},
			"min-p":    {Temperature: 1, MinP: 0.05},
			"common":   {Temperature: 0.7, TopK: 40, TopP: 0.95, RepeatPenalty: 1.05},
		} {
			b.Run(fmt.Sprintf("logits=%s/options=%s", shape.name, name), func(b *testing.B) {
				o.Kernels = fastest
				s, err := New(o, nil)
				require.NoError(b, err)
				for b.Loop() {
					if _, err := s.Next(logits, 1, nil, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
