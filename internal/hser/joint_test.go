package hser

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJointTakesTheBestAndNormalises(t *testing.T) {
	c, set := flat(5, 2)
	got := mustJoint(t, c, []float32{1, 5, 3, 4, 2}, nil, set, Key{})
	require.Equal(t, []int64{1, 3}, indices(got), "ascending, whatever the scores' order")
	e := math.Exp(-1)
	require.InDelta(t, 1/(1+e), float64(got[0].Weight), 1e-6)
	require.InDelta(t, e/(1+e), float64(got[1].Weight), 1e-6)
}

// TestJointIsAppended keeps what dst held before, on success and on error.
func TestJointIsAppended(t *testing.T) {
	c, set := flat(4, 1)
	var r Router
	dst := []Choice{{Index: 77, Weight: 0.5}}
	got, err := r.Joint(c, dst, []float32{0, 1, 0, 0}, nil, set, Key{})
	require.NoError(t, err)
	require.Equal(t, []Choice{{Index: 77, Weight: 0.5}, {Index: 1, Weight: 1}}, got)
	got, err = r.Joint(c, dst, []float32{0, nan, 0, 0}, nil, set, Key{})
	require.Error(t, err)
	require.Equal(t, dst, got)
}

// TestUnnormalisedWeightsAreProbabilities is qwen2moe and olmoe: the softmax
// goes over all allowed experts, and its values are used as they are.
func TestUnnormalisedWeightsAreProbabilities(t *testing.T) {
	c, set := flat(16, 4)
	c.Normalize = false
	logits := randomLogits(rand.New(rand.NewPCG(9, 9)), 16)
	want := softmax64(logits)
	for _, choice := range mustJoint(t, c, logits, nil, set, Key{}) {
		require.InDelta(t, want[choice.Index], float64(choice.Weight), 1e-6)
	}
}

// TestForbiddenExpertsAreNotThere compares routing with a tier left out with
// routing over a model that never had it: the same weights to the bit, though
// the forbidden tier offers everything.
func TestForbiddenExpertsAreNotThere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	c := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Groups: 2, Experts: 4}, {Groups: 2, Experts: 4, First: 8}, {Groups: 2, Experts: 4, First: 16}}}
	set := &TierSet{Tiers: []int{0, 2}, KTier: 1, KGroup: 1, KExpert: 3}
	one, all := flat(16, 3)
	for _, score := range []Score{Softmax, Sigmoid} {
		c.Score, one.Score = score, score
		for pos := range 300 {
			logits, bias := randomLogits(rnd, 24), randomLogits(rnd, 24)
			for i := 8; i < 16; i++ {
				logits[i], bias[i] = []float32{inf, nan, -inf, math.MaxFloat32}[rnd.IntN(4)], []float32{inf, nan}[rnd.IntN(2)]
			}
			cut := func(x []float32) []float32 { return slices.Concat(x[:8], x[16:]) }
			key := Key{Position: pos}
			got := mustJoint(t, c, logits, bias, set, key)
			want := mustJoint(t, one, cut(logits), cut(bias), all, key)
			for i := range want {
				index := want[i].Index
				if index >= 8 {
					index += 8
				}
				require.Equal(t, index, got[i].Index)
				require.Equal(t, want[i].Weight, got[i].Weight)
				require.EqualValues(t, got[i].Index/8, got[i].Tier)
				require.EqualValues(t, got[i].Index%8/4, got[i].Group)
			}
		}
	}
}

// TestSplittingAFlatModelChangesNothing is the property that tier plans rest
// on: all tiers together are the flat model, with and without a routing seed.
func TestSplittingAFlatModelChangesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	whole, set := flat(24, 6)
	split := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Groups: 1, Experts: 3}, {Groups: 4, Experts: 4, First: 3}, {Groups: 5, Experts: 1, First: 19}}}
	parts := &TierSet{Tiers: []int{0, 1, 2}, KTier: 3, KGroup: 1, KExpert: 2}
	require.NoError(t, parts.Validate(split))
	for pos := range 300 {
		logits := randomLogits(rnd, 24)
		for i := range 6 {
			logits[rnd.IntN(24)] = logits[i] // ties
		}
		key := Key{Seed: uint64(pos % 3), Position: pos}
		want, got := mustJoint(t, whole, logits, nil, set, key), mustJoint(t, split, logits, nil, parts, key)
		for i := range want {
			require.Equal(t, want[i].Index, got[i].Index)
			require.Equal(t, want[i].Weight, got[i].Weight)
		}
	}
}

// TestGroupLimit checks a case by hand: two groups of four stay, by the sum of
// their two best biased scores, and the bias selects without weighing.
func TestGroupLimit(t *testing.T) {
	c, set := flat(8, 3)
	c.Score, c.Scale, c.LimitGroups, c.LimitUsed = Sigmoid, 2.5, 4, 2
	logits := []float32{3, -9, 1, 1, 0, 0, 2, -2}
	bias := []float32{0, 0, 0, 0, 1, 1, 0, 0}
	got := mustJoint(t, c, logits, bias, set, Key{})
	// The groups score 0.95, 1.46, 3.0 and 1.0: 1 and 2 stay.
	require.Equal(t, []int64{2, 4, 5}, indices(got))
	sum := 0.0
	for _, choice := range got {
		sum += float64(choice.Weight)
	}
	require.InDelta(t, 2.5, sum, 1e-5)
	require.InDelta(t, 2.5*0.731059/(0.731059+0.5+0.5), float64(got[0].Weight), 1e-5)
	// By the best score alone, as in DeepSeek-V2, groups 0 and 3 stay.
	c.Score = Softmax
	require.Equal(t, []int64{0, 6, 7}, indices(mustJoint(t, c, logits, nil, set, Key{})))
}

// TestVanishingSigmoidsHaveAFloor: weights stay finite, and small.
func TestVanishingSigmoidsHaveAFloor(t *testing.T) {
	c, set := flat(4, 2)
	c.Score = Sigmoid
	for _, choice := range mustJoint(t, c, []float32{-200, -200, -200, -200}, nil, set, Key{}) {
		require.Zero(t, choice.Weight)
	}
	p := 1 / (1 + math.Exp(12.0))
	got := mustJoint(t, c, []float32{-12, -12, -30, -30}, nil, set, Key{})
	require.InEpsilon(t, p/6.103515625e-5, float64(got[0].Weight), 1e-5, "the floor divides, not the sum")
}

// TestInfiniteScores take all weight, or none, and are never NaN.
func TestInfiniteScores(t *testing.T) {
	c, set := flat(6, 2)
	got := mustJoint(t, c, []float32{0, 3, -inf, inf, 9, 1}, nil, set, Key{})
	require.Equal(t, []Choice{{Index: 3, Weight: 1}, {Index: 4}}, got)
	got = mustJoint(t, c, []float32{0, inf, 2, inf, inf, -inf}, nil, set, Key{})
	require.Equal(t, []Choice{{Index: 1, Weight: 0.5}, {Index: 3, Weight: 0.5}}, got)
	got = mustJoint(t, c, []float32{-inf, -inf, -inf, -inf, -inf, -inf}, nil, set, Key{})
	require.Equal(t, []Choice{{Index: 0, Weight: 0.5}, {Index: 1, Weight: 0.5}}, got)
	c.Score = Sigmoid
	got = mustJoint(t, c, []float32{0, 3, -inf, inf, 9, 1}, nil, set, Key{})
	require.Equal(t, []int64{3, 4}, indices(got))
	require.InDelta(t, 0.5, float64(got[0].Weight), 1e-3)
}

// TestLogitsSelectBeforeTheyAreRounded: two logits whose probabilities round
// to one number are still different scores.
func TestLogitsSelectBeforeTheyAreRounded(t *testing.T) {
	c, set := flat(3, 1)
	low, high := float32(-110), float32(-105)
	require.Equal(t, []int64{2}, indices(mustJoint(t, c, []float32{low, low, high}, nil, set, Key{})))
	c.Normalize = false
	set.KExpert = 2
	got := mustJoint(t, c, []float32{low, 40, high}, nil, set, Key{})
	require.Equal(t, []Choice{{Index: 1, Weight: 1}, {Index: 2}}, got)
}
