package sample

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGumbelAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, x := range []uint32{0, 1, 2, 1<<22 - 1, 1 << 22, 1<<23 - 2, 1<<23 - 1} {
		checkGumbel(t, x)
	}
	for range 20_000 {
		checkGumbel(t, r.Uint32N(1<<23))
	}
}

func checkGumbel(t *testing.T, x uint32) {
	t.Helper()
	want := -math.Log(-math.Log((float64(x) + 0.5) / (1 << 23)))
	require.InDelta(t, want, float64(gumbel(x)), 1e-6*math.Max(1, math.Abs(want)))
}

// TestPassedOverNoisesAreSmall looks at the neighbours of each limit: what is
// passed over stays below it, though noise is compared with a whole number
// that is at most what it must reach.
func TestPassedOverNoisesAreSmall(t *testing.T) {
	require.Less(t, gumbel(1<<23-1), float32(noises-1), "no noise reaches the last limit")
	for n, x := range atLeast {
		for d := uint32(1); d < 2000 && d <= x; d++ {
			require.Less(t, gumbel(x-d), float32(n)-0.009, n)
		}
		if n > 0 {
			require.LessOrEqual(t, atLeast[n-1], x)
		}
	}
	require.EqualValues(t, 1<<23, atLeast[noises-1])
}

// TestEqualSumsGoToTheLowerId gives two candidates the same sum of z and noise.
func TestEqualSumsGoToTheLowerId(t *testing.T) {
	s, err := New(Options{}, nil)
	require.NoError(t, err)
	found := map[int32]int{}
	for position := range 60 {
		noise := func(id int32) float32 { return gumbel(s.bits23(position, id)) }
		likely, other := candidate{id: 4}, candidate{id: 9}
		if noise(4) > noise(9) {
			likely.id, other.id = 9, 4
		}
		other.z = noise(likely.id) - noise(other.id)
		if other.z+noise(other.id) != noise(likely.id) {
			continue // rounded apart
		}
		found[likely.id]++
		require.EqualValues(t, 4, s.draw([]candidate{likely, other}, position))
		require.EqualValues(t, 4, s.draw([]candidate{other, likely}, position))
	}
	require.Greater(t, found[4], 5)
	require.Greater(t, found[9], 5)
}

// TestRareTokensAreDrawn: a token that is e^-12 times as likely as another is
// drawn where its noise is so large, and is not passed over.
func TestRareTokensAreDrawn(t *testing.T) {
	s, err := New(Options{}, nil)
	require.NoError(t, err)
	found := 0
	for id := int32(1); id < 3_000_000 && found < 3; id++ {
		x := s.bits23(0, id)
		if x < atLeast[12] {
			continue
		}
		found++
		rival := candidate{id: 0}
		z := gumbel(s.bits23(0, 0)) - gumbel(x)
		require.Less(t, z, float32(-10))
		require.Equal(t, id, s.draw([]candidate{rival, {id: id, z: z + 0.001}}, 0))
		require.EqualValues(t, 0, s.draw([]candidate{rival, {id: id, z: z - 0.001}}, 0))
	}
	require.Equal(t, 3, found)
}

// chiSquare compares counts with probabilities.
func chiSquare(counts []int, p []float64) float64 {
	n, chi := 0, 0.0
	for _, c := range counts {
		n += c
	}
	for i, c := range counts {
		if want := float64(n) * p[i]; want > 0 {
			chi += (float64(c) - want) * (float64(c) - want) / want
		}
	}
	return chi
}

func softmax64(logits []float32, temperature float64) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v) / temperature)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// TestDrawsFollowTheSoftmax counts draws at many positions against their
// probabilities: chi-square with 5 degrees of freedom passes 20.5 once in a
// thousand, and these seeds are fixed.
func TestDrawsFollowTheSoftmax(t *testing.T) {
	logits := []float32{1, 0, 2, -1, 0.5, 1.5}
	for _, temperature := range []float32{0.5, 0.8, 1, 2} {
		for seed := range uint64(5) {
			s, err := New(Options{Temperature: temperature, Seed: seed}, nil)
			require.NoError(t, err)
			counts := make([]int, len(logits))
			for pos := range 20_000 {
				id, err := s.Next(logits, pos, nil, 0)
				require.NoError(t, err)
				counts[id]++
			}
			require.Less(t, chiSquare(counts, softmax64(logits, float64(temperature))), 20.5)
			require.Greater(t, chiSquare(counts, softmax64(logits, float64(temperature)*1.1)), 20.5, "a wrong temperature is seen")
		}
	}
}

// TestDrawsOfOnePositionFollowTheSoftmax: the samples of one request are as
// good as the positions of one answer.
func TestDrawsOfOnePositionFollowTheSoftmax(t *testing.T) {
	logits := []float32{1, 0, 2, -1, 0.5, 1.5}
	counts := make([]int, len(logits))
	for sample := range uint64(20_000) {
		s, err := New(Options{Temperature: 1, Sample: sample}, []int32{5})
		require.NoError(t, err)
		id, err := s.Next(logits, 7, nil, 0)
		require.NoError(t, err)
		counts[id]++
	}
	require.Less(t, chiSquare(counts, softmax64(logits, 1)), 20.5)
}

// TestManyTokensFollowTheSoftmax takes a vocabulary of 1,000, whose rare
// tokens are nearly always passed over: they still come as often as they
// should. The mean of chi-square is 99, its deviation 14.
func TestManyTokensFollowTheSoftmax(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(2, 2)), 1000, 2)
	s, err := New(Options{Temperature: 1}, nil)
	require.NoError(t, err)
	counts, p := make([]int, 100), make([]float64, 100)
	for i, v := range softmax64(logits, 1) {
		p[i%100] += v
	}
	for pos := range 20_000 {
		id, err := s.Next(logits, pos, nil, 0)
		require.NoError(t, err)
		counts[id%100]++
	}
	require.Less(t, chiSquare(counts, p), 150.0)
}

// TestNeighboursAreIndependent counts pairs of successive draws, and pairs of
// draws of successive seeds: 15 degrees of freedom, once in a thousand 37.7.
func TestNeighboursAreIndependent(t *testing.T) {
	logits := make([]float32, 4)
	uniform := make([]float64, 16)
	for i := range uniform {
		uniform[i] = 1.0 / 16
	}
	a, err := New(Options{Temperature: 1, Seed: 1}, nil)
	require.NoError(t, err)
	b, err := New(Options{Temperature: 1, Seed: 2}, nil)
	require.NoError(t, err)
	draw := func(s *Sampler, pos int) int {
		id, err := s.Next(logits, pos, nil, 0)
		require.NoError(t, err)
		return int(id)
	}
	inTime, inSeeds := make([]int, 16), make([]int, 16)
	for pos := range 20_000 {
		inTime[draw(a, pos)*4+draw(a, pos+1)]++
		inSeeds[draw(a, pos)*4+draw(b, pos)]++
	}
	require.Less(t, chiSquare(inTime, uniform), 37.7)
	require.Less(t, chiSquare(inSeeds, uniform), 37.7)
}
