package sparsify

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	dim   = 24
	size  = 8 // neurons of an expert
	parts = 6
)

// planted is a network whose neurons of one planted part are strong together, when
// the input points in the part's direction, but for the first part, which always
// is. part[i] is the part of neuron i.
func planted(tokens int) (l *Layer, part []int) {
	r := rand.New(rand.NewPCG(1, 2))
	l = &Layer{Tokens: tokens, Dim: dim, Neurons: parts * size}
	part = make([]int, l.Neurons)
	for i := range part {
		part[i] = i % parts
	}
	r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	for range l.Neurons {
		l.Down = append(l.Down, 0.5+r.Float32())
	}
	for range tokens {
		x := make([]float32, dim)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		l.X = append(l.X, x...)
		for i := range l.Neurons {
			h := 0.05 * float32(r.NormFloat64())
			if p := part[i]; p == 0 {
				h += 3
			} else if x[p] > 0.5 {
				h += x[p]
			}
			l.H = append(l.H, h)
		}
	}
	return l, part
}

// TestCarveFindsWhatBelongsTogether: neurons that are strong together become an
// expert, and those that always are stand first.
func TestCarveFindsWhatBelongsTogether(t *testing.T) {
	l, part := planted(600)
	c, err := Carve(l, Options{Experts: parts, Core: 1})
	require.NoError(t, err)
	seen := map[int]bool{}
	for e, neurons := range c.Experts {
		require.Len(t, neurons, size)
		require.True(t, slices.IsSorted(neurons))
		for _, i := range neurons {
			require.Equal(t, part[neurons[0]], part[i], "expert %d", e)
			require.False(t, seen[i])
			seen[i] = true
		}
	}
	require.Zero(t, part[c.Experts[0][0]], "the core")
	require.True(t, slices.IsSortedFunc(c.Mean, func(a, b float64) int { return int(10000 * (b - a)) }))
}

// TestRouterLearns: on a text that it has not seen the router keeps more than a
// fixed choice, and never more than the best one.
func TestRouterLearns(t *testing.T) {
	l, _ := planted(800)
	c, err := Carve(l, Options{Experts: parts, Core: 1})
	require.NoError(t, err)
	other, _ := planted(1600)
	other.X, other.H, other.Tokens = other.X[800*dim:], other.H[800*parts*size:], 800
	other.contributions()
	given := other.given(c.Experts)
	fixed, all := 0.0, 0.0
	for i, g := range given {
		all += g * g
		if i%parts < 2 {
			fixed += g * g
		}
	}
	c.measure(other, given, 1)
	require.Greater(t, c.Kept[1], fixed/all+0.03)
	require.Greater(t, c.Kept[1], 0.85*c.Ideal[1])
	require.InDelta(t, c.Kept[0], c.CoreKept, 0.05, "the core is what a token takes first")
	for k := range parts {
		require.LessOrEqual(t, c.Kept[k], c.Ideal[k]+1e-12)
		require.True(t, k == 0 || c.Kept[k] >= c.Kept[k-1])
	}
	require.InDelta(t, 1, c.Kept[parts-1], 1e-9)
	require.InDelta(t, 1, c.Ideal[parts-1], 1e-9)
}

// TestCarveIsReproducible gives the same cut for the same text.
func TestCarveIsReproducible(t *testing.T) {
	a, _ := planted(200)
	b, _ := planted(200)
	first, err := Carve(a, Options{Experts: parts, Core: 1})
	require.NoError(t, err)
	second, err := Carve(b, Options{Experts: parts, Core: 1})
	require.NoError(t, err)
	require.Equal(t, first, second)
}

// TestCarveAtTheEdges: a network that is always silent, one token, one expert, and
// nothing but the core.
func TestCarveAtTheEdges(t *testing.T) {
	for name, c := range map[string]struct {
		tokens  int
		o       Options
		silence bool
	}{
		"silent": {50, Options{Experts: parts, Core: 1}, true}, "one token": {1, Options{Experts: parts}, false},
		"one expert": {20, Options{Experts: 1}, false}, "all core": {20, Options{Experts: parts, Core: parts}, false},
		"neurons": {20, Options{Experts: parts * size, Core: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := planted(c.tokens)
			if c.silence {
				clear(l.H)
				clear(l.X)
			}
			cut, err := Carve(l, c.o)
			require.NoError(t, err)
			require.Len(t, slices.Concat(cut.Experts...), l.Neurons)
			require.Len(t, cut.Router, c.o.Experts*dim)
			for _, w := range slices.Concat(cut.Router, cut.Bias) {
				require.False(t, math.IsNaN(float64(w)), "a router that is not a number")
			}
		})
	}
}

func TestSizeError(t *testing.T) {
	for _, o := range []Options{{Experts: 0}, {Experts: 5}, {Experts: 6, Core: 7}, {Experts: 6, Core: -1}, {Experts: -6}} {
		l, _ := planted(2)
		_, err := Carve(l, o)
		var wrong *SizeError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, o.Experts, wrong.Experts)
	}
}
