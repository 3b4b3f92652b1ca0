package hser

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// scattered is a joint layer of n experts whose tiers take turns.
func scattered(n, k int, of ...uint8) (*Config, *TierSet) {
	c := &Config{Mode: Joint, Normalize: true, Of: make([]uint8, n)}
	counts := [3]int{}
	for i := range c.Of {
		c.Of[i] = of[i%len(of)]
		counts[c.Of[i]]++
	}
	for i, name := range []string{"fast", "mid", "rest"} {
		c.Tiers = append(c.Tiers, Tier{Name: name, Groups: 1, Experts: counts[i]})
	}
	return c, &TierSet{Name: "full", Tiers: []int{0, 1, 2}, KTier: 1, KGroup: 1, KExpert: k}
}

// TestTableOfAllTiersIsFlat: with all tiers a table changes no choice and no
// weight, under every score, bias and limit of groups.
func TestTableOfAllTiersIsFlat(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for range 300 {
		c, set := scattered(16, 1+rnd.IntN(4), 2, 0, 1, 0, 2, 2, 1)
		f, _ := flat(16, 1)
		f.Normalize = true
		if rnd.IntN(2) == 0 {
			f.LimitGroups, f.LimitUsed = 4, 2
		}
		if rnd.IntN(2) == 0 {
			f.Score = Sigmoid
		}
		c.Score, c.LimitGroups, c.LimitUsed = f.Score, f.LimitGroups, f.LimitUsed
		require.NoError(t, set.Validate(c))
		whole := &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: set.KExpert}
		key := Key{Seed: uint64(rnd.IntN(2)), Position: rnd.IntN(9)}
		logits, bias := randomLogits(rnd, 16), randomLogits(rnd, 16)
		if f.Score == Softmax {
			bias = nil
		}
		want, got := mustJoint(t, f, logits, bias, whole, key), mustJoint(t, c, logits, bias, set, key)
		require.Len(t, got, len(want))
		for i := range got {
			require.Equal(t, want[i].Index, got[i].Index)
			require.Equal(t, math.Float32bits(want[i].Weight), math.Float32bits(got[i].Weight))
			require.EqualValues(t, c.Of[got[i].Index], got[i].Tier)
		}
	}
}

// TestTableIsAModelOfTheAllowed: what is outside the set's tiers is not there:
// the choice is that of a layer which has the allowed experts only, whatever
// the others score.
func TestTableIsAModelOfTheAllowed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	inf := float32(math.Inf(1))
	for range 200 {
		c, set := scattered(14, 3, 2, 0, 1, 0, 2, 2, 1)
		set.Tiers = []int{0, 1}
		require.NoError(t, set.Validate(c))
		logits := randomLogits(rnd, 14)
		var small []float32
		var index []int64
		for i, tier := range c.Of {
			if tier == 2 {
				logits[i] = inf
			} else {
				small, index = append(small, logits[i]), append(index, int64(i))
			}
		}
		f, _ := flat(len(small), 1)
		f.Normalize = true
		want := mustJoint(t, f, small, nil, &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 3}, Key{})
		got := mustJoint(t, c, logits, nil, set, Key{})
		for i := range want {
			require.Equal(t, index[want[i].Index], got[i].Index)
			require.Equal(t, want[i].Weight, got[i].Weight)
		}
	}
}

func TestTableRefuses(t *testing.T) {
	c, set := scattered(8, 3, 0, 2, 2, 2)
	require.NoError(t, c.Validate(), "a tier may have no expert at a layer")
	set.Tiers = []int{0, 1}
	tooMany := &KError{}
	require.ErrorAs(t, set.Validate(c), &tooMany)
	require.Equal(t, KError{Level: LevelExpert, K: 3, Allowed: 2}, *tooMany)
	var r Router
	_, err := r.Joint(c, nil, make([]float32, 8), nil, set, Key{})
	require.ErrorAs(t, err, &tooMany, "never fewer")
	// Two of the groups have an allowed expert, and three are to stay.
	c.LimitGroups, c.LimitUsed = 4, 3
	set.Tiers, set.KExpert = []int{0}, 2
	require.ErrorAs(t, set.Validate(c), &tooMany)
	for _, broken := range []func(c *Config){
		func(c *Config) { c.Mode = Nested },
		func(c *Config) { c.Of[3] = 3 },
		func(c *Config) { c.Tiers[0].Experts++ },
		func(c *Config) { c.Tiers[0].Groups = 2 },
		func(c *Config) { c.Tiers[1].First = 4 },
		func(c *Config) { c.Tiers = make([]Tier, 65) },
		func(c *Config) { c.LimitGroups = 3 },
	} {
		c, _ := scattered(8, 1, 0, 1, 2, 2)
		broken(c)
		require.ErrorAs(t, c.Validate(), new(*ConfigError))
	}
}
