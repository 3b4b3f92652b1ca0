package hser

import (
	stdmath "math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func flat(experts int) (*Config, *TierSet) {
	c := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Name: "experts", Groups: 1, Experts: experts}}}
	return c, &TierSet{Name: "full", Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 2}
}

func nested() (*Config, *TierSet) {
	c := &Config{Mode: Nested, Normalize: true, Tiers: []Tier{
		{Name: "s", Groups: 2, Experts: 4}, {Name: "m", Groups: 2, Experts: 4, First: 8}, {Name: "l", Groups: 2, Experts: 4, First: 16},
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

func indices(chosen []Choice) []int32 {
	var out []int32
	for _, c := range chosen {
		out = append(out, c.Index)
	}
	return out
}

func TestJointTakesTheBestAndNormalises(t *testing.T) {
	c, set := flat(5)
	var r Router
	got, err := r.Joint(c, nil, []float32{1, 5, 3, 4, 2}, nil, set, Key{})
	require.NoError(t, err)
	require.Equal(t, []int32{1, 3}, indices(got), "ascending, whatever the scores' order")
	e := stdmath.Exp(-1)
	require.InDelta(t, 1/(1+e), float64(got[0].Weight), 1e-6)
	require.InDelta(t, e/(1+e), float64(got[1].Weight), 1e-6)
}

func TestTiesGoToTheLowerIndex(t *testing.T) {
	c, set := flat(6)
	var r Router
	got, err := r.Joint(c, nil, []float32{0, 1, 1, 1, 1, 0}, nil, set, Key{})
	require.NoError(t, err)
	require.Equal(t, []int32{1, 2}, indices(got))
}

// TestRoutingSeedMovesTiesAndNothingElse compares seeded with unseeded
// routing: different scores are never reordered, equal ones are.
func TestRoutingSeedMovesTiesAndNothingElse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	c, set := flat(16)
	var r Router
	for pos := range 500 {
		logits := randomLogits(rnd, 16)
		plain, err := r.Joint(c, nil, logits, nil, set, Key{Position: pos})
		require.NoError(t, err)
		seeded, err := r.Joint(c, nil, logits, nil, set, Key{Seed: 7, Position: pos})
		require.NoError(t, err)
		require.Equal(t, plain, seeded)
	}
	seen := map[int32]bool{}
	for pos := range 500 {
		got, err := r.Joint(c, nil, make([]float32, 16), nil, set, Key{Seed: 7, Position: pos})
		require.NoError(t, err)
		again, err := r.Joint(c, nil, make([]float32, 16), nil, set, Key{Seed: 7, Position: pos})
		require.NoError(t, err)
		require.Equal(t, got, again)
		for _, i := range indices(got) {
			seen[i] = true
		}
	}
	require.Len(t, seen, 16, "the seed spreads ties over all experts")
}

func TestSelectionIsOverACompactedList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	c, set := nested()
	c.Mode = Joint
	set = &TierSet{Tiers: []int{0, 2}, KTier: 1, KGroup: 1, KExpert: 3}
	var r Router
	for range 300 {
		logits := randomLogits(rnd, 24)
		for i := 8; i < 16; i++ { // the forbidden tier offers everything
			logits[i] = float32(stdmath.Inf(1))
		}
		logits[9] = float32(stdmath.NaN())
		got, err := r.Joint(c, nil, logits, nil, set, Key{})
		require.NoError(t, err)
		for _, i := range indices(got) {
			require.True(t, i < 8 || i >= 16, "expert %d is forbidden", i)
		}
		compact := slices.Concat(logits[:8], logits[16:])
		one := &Config{Mode: Joint, Normalize: true, Tiers: []Tier{{Groups: 1, Experts: 16}}}
		want, err := r.Joint(one, nil, compact, nil, &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 3}, Key{})
		require.NoError(t, err)
		for i := range want {
			require.Equal(t, want[i].Weight, got[i].Weight)
		}
	}
}

func TestErrorsNameWhatIsWrong(t *testing.T) {
	c, set := nested()
	var r Router
	_, err := r.Joint(c, nil, make([]float32, 24), nil, &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 9}, Key{})
	var k *KError
	require.ErrorAs(t, err, &k)
	require.Equal(t, KError{Level: LevelExpert, K: 9, Allowed: 8}, *k)
	logits := []float32{0, float32(stdmath.NaN()), 0}
	_, err = r.Tiers(c, nil, logits, set, Key{Position: 4, Layer: 2})
	var nan *NaNError
	require.ErrorAs(t, err, &nan)
	require.Equal(t, NaNError{Level: LevelTier, Position: 4, Layer: 2}, *nan)
	for _, bad := range []TierSet{
		{}, {Tiers: []int{1, 0}, KTier: 1, KGroup: 1, KExpert: 1}, {Tiers: []int{3}, KTier: 1, KGroup: 1, KExpert: 1},
		{Tiers: []int{0, 0}, KTier: 1, KGroup: 1, KExpert: 1}, {Tiers: []int{0}, KTier: 2, KGroup: 1, KExpert: 1},
		{Tiers: []int{0}, KTier: 1, KGroup: 3, KExpert: 1}, {Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 5}, {Tiers: []int{0}, KGroup: 1, KExpert: 1},
	} {
		require.Error(t, bad.Validate(c), "%+v", bad)
	}
	require.NoError(t, set.Validate(c))
}

// route runs the three steps as a layer does.
func route(t *testing.T, r *Router, c *Config, set *TierSet, tiers []float32, groups, experts func(tier, group int) []float32, key Key) []Choice {
	t.Helper()
	var chosen []Choice
	ts, err := r.Tiers(c, nil, tiers, set, key)
	require.NoError(t, err)
	for _, tc := range ts {
		gs, err := r.Groups(c, nil, tc, groups(int(tc.Tier), 0), set, key)
		require.NoError(t, err)
		for _, gc := range gs {
			chosen, err = r.Experts(c, chosen, gc, experts(int(gc.Tier), int(gc.Group)), set, key)
			require.NoError(t, err)
		}
	}
	r.Finish(c, chosen)
	return chosen
}

func TestNestedAgainstFloat64(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	c, set := nested()
	var r Router
	for range 200 {
		tiers := randomLogits(rnd, 3)
		gl, el := map[int][]float32{}, map[[2]int][]float32{}
		for tier := range 3 {
			gl[tier] = randomLogits(rnd, 2)
			for g := range 2 {
				el[[2]int{tier, g}] = randomLogits(rnd, 4)
			}
		}
		got := route(t, &r, c, set, tiers, func(a, _ int) []float32 { return gl[a] }, func(a, b int) []float32 { return el[[2]int{a, b}] }, Key{})
		want := map[int32]float64{}
		sum := 0.0
		pt := softmax64(tiers)
		for _, a := range best(pt, 2) {
			pg := softmax64(gl[a])
			for _, g := range best(pg, 1) {
				pe := softmax64(el[[2]int{a, g}])
				for _, e := range best(pe, 2) {
					w := pt[a] * pg[g] * pe[e]
					want[int32(c.Tiers[a].First+g*4+e)] = w
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

func softmax64(x []float32) []float64 {
	out, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		out[i] = stdmath.Exp(float64(v))
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func best(p []float64, k int) []int {
	ids := make([]int, len(p))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		if p[a] > p[b] {
			return -1
		}
		return 1
	})
	ids = ids[:k]
	slices.Sort(ids)
	return ids
}

func TestOneTierOneGroupEqualsJoint(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	c, set := flat(12)
	var r Router
	for pos := range 200 {
		logits := randomLogits(rnd, 12)
		key := Key{Position: pos}
		want, err := r.Joint(c, nil, logits, nil, set, key)
		require.NoError(t, err)
		one := func(int, int) []float32 { return []float32{0} }
		got := route(t, &r, c, set, []float32{0}, one, func(int, int) []float32 { return logits }, key)
		require.Equal(t, want, got)
	}
}

// TestGroupLimit checks a case by hand: two groups of four stay, by the sum of
// their two best biased scores, and the bias selects without weighing.
func TestGroupLimit(t *testing.T) {
	c := &Config{Mode: Joint, Score: Sigmoid, Normalize: true, Scale: 2.5, LimitGroups: 4, LimitUsed: 2,
		Tiers: []Tier{{Groups: 1, Experts: 8}}}
	set := &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 3}
	logits := []float32{3, -9, 1, 1, 0, 0, 2, -2}
	bias := []float32{0, 0, 0, 0, 1, 1, 0, 0}
	var r Router
	got, err := r.Joint(c, nil, logits, bias, set, Key{})
	require.NoError(t, err)
	// Pairs score 0.95, 1.46, 3.0, 1.0: groups 1 and 2 stay.
	require.Equal(t, []int32{2, 4, 5}, indices(got))
	sum := 0.0
	for _, choice := range got {
		sum += float64(choice.Weight)
	}
	require.InDelta(t, 2.5, sum, 1e-5)
	require.InDelta(t, 2.5*0.731059/(0.731059+0.5+0.5), float64(got[0].Weight), 1e-5)
}

func TestRoutingAllocatesNothing(t *testing.T) {
	c, set := flat(64)
	set.KExpert = 8
	logits := randomLogits(rand.New(rand.NewPCG(5, 5)), 64)
	var r Router
	dst := make([]Choice, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Joint(c, dst, logits, nil, set, Key{}) }))
}

func TestBoundOfAFlatModel(t *testing.T) {
	b := NewBound(16, 16, 1600, 8, 100)
	require.Equal(t, int64(1600+16*8*100), b.PActive)
	require.InDelta(t, 100, b.CDense, 0)
	c, set := nested()
	require.Equal(t, 3+2*2+2*1*4, set.RouterRows(c))
}

func FuzzJoint(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(2), uint64(0))
	f.Add([]byte{255, 255, 255, 127, 0, 0, 128, 127}, uint8(9), uint64(3))
	f.Fuzz(func(t *testing.T, raw []byte, k uint8, seed uint64) {
		var logits []float32
		for len(raw) >= 4 && len(logits) < 64 {
			logits = append(logits, stdmath.Float32frombits(uint32(raw[0])|uint32(raw[1])<<8|uint32(raw[2])<<16|uint32(raw[3])<<24))
			raw = raw[4:]
		}
		if len(logits) == 0 || k == 0 {
			return
		}
		c, set := flat(len(logits))
		set.KExpert = int(k)
		var r Router
		got, err := r.Joint(c, nil, logits, nil, set, Key{Seed: seed})
		if err != nil {
			return
		}
		require.Len(t, got, int(k))
		require.True(t, slices.IsSorted(indices(got)))
		require.Len(t, slices.Compact(indices(got)), int(k))
	})
}
