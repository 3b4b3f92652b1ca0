package hser

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func softmax64(x []float32) []float64 {
	out, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		out[i] = math.Exp(float64(v))
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// best64 is the ids of the k largest, ascending.
func best64(p []float64, k int) []int {
	ids := make([]int, len(p))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case p[a] > p[b]:
			return -1
		case p[a] < p[b]:
			return 1
		}
		return 0
	})
	ids = ids[:k]
	slices.Sort(ids)
	return ids
}

func TestNestedAgainstFloat64(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	c, set := native()
	for range 300 {
		h := randomHeads(rnd, c)
		got := mustRoute(t, h, c, set, Key{})
		want, sum := map[int64]float64{}, 0.0
		pt := softmax64(h.tiers)
		for _, a := range best64(pt, set.KTier) {
			pg := softmax64(h.groups[a])
			for _, g := range best64(pg, set.KGroup) {
				pe := softmax64(h.expert[a][g])
				for _, e := range best64(pe, set.KExpert) {
					w := pt[a] * pg[g] * pe[e]
					want[int64(c.Tiers[a].First+g*c.Tiers[a].Experts+e)] = w
					sum += w
				}
			}
		}
		require.Len(t, got, len(want))
		require.True(t, slices.IsSorted(indices(got)))
		for _, choice := range got {
			require.InDelta(t, want[choice.Index]/sum, float64(choice.Weight), 1e-6)
		}
	}
}

// TestTheTiersOfASetShareAllProbability: the softmax of the tiers goes over
// the set's, so that a smaller set is not a weaker one.
func TestTheTiersOfASetShareAllProbability(t *testing.T) {
	c, _ := native()
	var r Router
	set := &TierSet{Tiers: []int{0, 2}, KTier: 2, KGroup: 1, KExpert: 1}
	got, err := r.Tiers(c, nil, []float32{1, 50, 1}, set, Key{})
	require.NoError(t, err)
	require.Equal(t, []TierChoice{{Tier: 0, P: 0.5}, {Tier: 2, P: 0.5}}, got)
}

func TestOneTierOneGroupEqualsJoint(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	c, set := flat(12, 3)
	for _, score := range []Score{Softmax, Sigmoid} {
		c.Score = score
		for pos := range 200 {
			logits := randomLogits(rnd, 12)
			logits[rnd.IntN(12)] = logits[rnd.IntN(12)]
			key := Key{Seed: uint64(pos % 2), Position: pos, Layer: 3}
			want := mustJoint(t, c, logits, nil, set, key)
			// A tier and a group alone must have probability 1: under Sigmoid
			// that takes a large logit.
			h := &heads{tiers: []float32{99}, groups: [][]float32{{99}}, expert: [][][]float32{{logits}}}
			require.Equal(t, want, mustRoute(t, h, c, set, key))
		}
	}
}

// TestSmallProductsKeepTheirSum: with thousands of groups a token's products
// are smaller than any floor for sigmoids, and still sum to one.
func TestSmallProductsKeepTheirSum(t *testing.T) {
	c := &Config{Mode: Nested, Normalize: true, Tiers: []Tier{{Groups: 4096, Experts: 256}}}
	set := &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 2, KExpert: 2}
	h := &heads{tiers: []float32{0}, groups: [][]float32{make([]float32, 4096)}, expert: [][][]float32{make([][]float32, 4096)}}
	for g := range h.expert[0] {
		h.expert[0][g] = make([]float32, 256)
	}
	require.Equal(t, []Choice{
		{Index: 0, Weight: 0.25},
		{Index: 1, Weight: 0.25},
		{Index: 256, Group: 1, Weight: 0.25},
		{Index: 257, Group: 1, Weight: 0.25},
	}, mustRoute(t, h, c, set, Key{}))
}

// TestNothingForbiddenIsReached gives hostile scores to all heads: whatever
// they are, a choice is in an allowed tier or there is an error.
func TestNothingForbiddenIsReached(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	c, _ := native()
	hostile := []float32{inf, -inf, nan, 0, math.MaxFloat32, -math.MaxFloat32}
	routed := 0
	for range 2000 {
		set := &TierSet{Tiers: []int{rnd.IntN(3)}, KTier: 1 + rnd.IntN(2), KGroup: 1 + rnd.IntN(4), KExpert: 1 + rnd.IntN(6)}
		if rnd.IntN(50) == 0 {
			set.KExpert = math.MaxInt
		}
		h := randomHeads(rnd, c)
		h.tiers[rnd.IntN(3)] = hostile[rnd.IntN(6)]
		for t := range h.groups {
			h.groups[t][0] = hostile[rnd.IntN(6)]
			h.expert[t][0][1] = hostile[rnd.IntN(6)]
		}
		var r Router
		got, err := h.route(&r, c, set, Key{})
		if err != nil {
			require.Error(t, err)
			continue
		}
		routed++
		require.Len(t, got, set.K())
		tier := c.Tiers[set.Tiers[0]]
		for _, choice := range got {
			require.EqualValues(t, set.Tiers[0], choice.Tier)
			require.True(t, int(choice.Index) >= tier.First && int(choice.Index) < tier.First+tier.size())
			require.GreaterOrEqual(t, choice.Weight, float32(0), "and a number")
		}
	}
	require.Greater(t, routed, 200)
}
