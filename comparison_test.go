package lite_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
)

func TestComparison(t *testing.T) {
	a := &lite.Evaluation{TierSet: "a", RandomRouting: true, NLL: []float64{3, 2, 4}}
	b := &lite.Evaluation{TierSet: "b", NLL: []float64{4, 4, 7}}
	c, err := b.Compare(a) // differences 1, 2, 3: mean 2, deviation 1
	require.NoError(t, err)
	require.Equal(t, "a", c.TierSet)
	require.True(t, c.RandomRouting)
	require.InDelta(t, 2, c.Difference, 1e-15)
	require.InDelta(t, 1/math.Sqrt(3), c.StdErr, 1e-15)
	require.InDelta(t, 2*math.Sqrt(3), c.StdErrs, 1e-14)
	require.InDelta(t, math.Exp(2), c.Ratio, 1e-14)
	back, err := a.Compare(b)
	require.NoError(t, err)
	require.InDelta(t, -c.StdErrs, back.StdErrs, 1e-14)
}

// TestComparisonOfOneWindow: a single difference has no standard error, and
// nothing in the result is infinite or not a number, which JSON cannot say.
func TestComparisonOfOneWindow(t *testing.T) {
	c, err := (&lite.Evaluation{NLL: []float64{2}}).Compare(&lite.Evaluation{NLL: []float64{1}})
	require.NoError(t, err)
	require.Equal(t, lite.Comparison{Difference: 1, Ratio: math.E}, *c)
	same := &lite.Evaluation{NLL: []float64{1, 2, 3}}
	c, err = same.Compare(same)
	require.NoError(t, err)
	require.Equal(t, lite.Comparison{Ratio: 1}, *c)
}

func TestComparisonRefusesOtherWindows(t *testing.T) {
	a := &lite.Evaluation{Window: 8, Tokens: 6, NLL: []float64{1, 2}}
	for _, b := range []*lite.Evaluation{
		{Window: 8, Tokens: 6, NLL: []float64{1, 2, 3}},
		{Window: 16, Tokens: 6, NLL: []float64{1, 2}},
		{Window: 8, Tokens: 9, NLL: []float64{1, 2}},
	} {
		_, err := a.Compare(b)
		require.ErrorContains(t, err, "cannot be paired")
	}
}

// TestPairingSeesThroughTheText: windows differ by 1 nat from each other and
// the models by 0.02; the spread of the text alone would hide that.
func TestPairingSeesThroughTheText(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	a, b := &lite.Evaluation{}, &lite.Evaluation{}
	const windows = 200
	for range windows {
		text := 3 + rnd.NormFloat64()
		a.NLL = append(a.NLL, text+0.05*rnd.NormFloat64())
		b.NLL = append(b.NLL, text-0.02+0.05*rnd.NormFloat64())
	}
	c, err := b.Compare(a)
	require.NoError(t, err)
	require.InDelta(t, 0.05*math.Sqrt2/math.Sqrt(windows), c.StdErr, 0.001)
	require.Less(t, c.StdErrs, -3.0)
	// Other text for one of them: the same two models cannot be told apart.
	for i, j := range rnd.Perm(windows) {
		b.NLL[i], b.NLL[j] = b.NLL[j], b.NLL[i]
	}
	c, err = b.Compare(a)
	require.NoError(t, err)
	require.Greater(t, c.StdErr, 0.05)
}
