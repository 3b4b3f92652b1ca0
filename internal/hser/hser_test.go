package hser

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

// flat is a checkpoint with one routing head: one tier, one group.
func flat(experts, k int) (*Config, *TierSet) {
	c := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Name: "experts", Groups: 1, Experts: experts}}}
	return c, &TierSet{Name: "full", Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: k}
}

// native is a small native model: three tiers of unequal shape.
func native() (*Config, *TierSet) {
	c := &Config{Mode: Nested, Normalize: true, Tiers: []Tier{
		{Name: "s", Groups: 2, Experts: 4},
		{Name: "m", Groups: 3, Experts: 5, First: 8},
		{Name: "l", Groups: 2, Experts: 3, First: 23},
	}}
	return c, &TierSet{Name: "full", Tiers: []int{0, 1, 2}, KTier: 2, KGroup: 1, KExpert: 2}
}

func randomLogits(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func indices(chosen []Choice) []int64 {
	var out []int64
	for _, c := range chosen {
		out = append(out, c.Index)
	}
	return out
}

// heads are the logits of all three heads of a nested layer, for one row.
type heads struct {
	tiers  []float32
	groups [][]float32   // by tier
	expert [][][]float32 // by tier and group
}

func randomHeads(r *rand.Rand, c *Config) *heads {
	h := &heads{tiers: randomLogits(r, len(c.Tiers))}
	for _, t := range c.Tiers {
		h.groups = append(h.groups, randomLogits(r, t.Groups))
		var rows [][]float32
		for range t.Groups {
			rows = append(rows, randomLogits(r, t.Experts))
		}
		h.expert = append(h.expert, rows)
	}
	return h
}

// route goes through the three steps as a layer does.
func (h *heads) route(r *Router, c *Config, set *TierSet, key Key) ([]Choice, error) {
	tiers, err := r.Tiers(c, nil, h.tiers, set, key)
	if err != nil {
		return nil, err
	}
	var chosen []Choice
	for _, t := range tiers {
		groups, err := r.Groups(c, nil, t, h.groups[t.Tier], set, key)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			if chosen, err = r.Experts(c, chosen, g, h.expert[g.Tier][g.Group], set, key); err != nil {
				return nil, err
			}
		}
	}
	r.Finish(c, chosen)
	return chosen, nil
}

func mustRoute(t *testing.T, h *heads, c *Config, set *TierSet, key Key) []Choice {
	t.Helper()
	var r Router
	got, err := h.route(&r, c, set, key)
	require.NoError(t, err)
	return got
}

func mustJoint(t *testing.T, c *Config, logits, bias []float32, set *TierSet, key Key) []Choice {
	t.Helper()
	var r Router
	got, err := r.Joint(c, nil, logits, bias, set, key)
	require.NoError(t, err)
	return got
}

func TestRoutingAllocatesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	var r Router
	c, set := flat(64, 8)
	c.LimitGroups, c.LimitUsed = 8, 4
	logits, dst := randomLogits(rnd, 64), make([]Choice, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := r.Joint(c, dst, logits, logits, set, Key{Seed: 1}); err != nil {
			t.Fatal(err)
		}
	}))
	c, set = native()
	h := randomHeads(rnd, c)
	tiers, groups := make([]TierChoice, 0, 2), make([]GroupChoice, 0, 2)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		tiers, _ = r.Tiers(c, tiers[:0], h.tiers, set, Key{Seed: 1})
		for _, tier := range tiers {
			groups, _ = r.Groups(c, groups[:0], tier, h.groups[tier.Tier], set, Key{Seed: 1})
			for _, g := range groups {
				dst, _ = r.Experts(c, dst[:0], g, h.expert[g.Tier][g.Group], set, Key{Seed: 1})
			}
		}
		r.Finish(c, dst)
	}))
}

func BenchmarkJoint(b *testing.B) {
	c, set := flat(128, 8)
	logits := randomLogits(rand.New(rand.NewPCG(5, 5)), 128)
	var r Router
	dst := make([]Choice, 0, 8)
	for b.Loop() {
		if _, err := r.Joint(c, dst, logits, nil, set, Key{}); err != nil {
			b.Fatal(err)
		}
	}
}
