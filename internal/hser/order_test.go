package hser

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTiesGoToTheLowerIndex(t *testing.T) {
	c, set := flat(6, 2)
	require.Equal(t, []int64{1, 2}, indices(mustJoint(t, c, []float32{0, 1, 1, 1, 1, 0}, nil, set, Key{})))
	require.Equal(t, []int64{2, 4}, indices(mustJoint(t, c, []float32{0, 1, 1, 1, 1, 0}, []float32{0, 0, 1, 0, 1, 0}, set, Key{})))
}

// TestRoutingSeedMovesTiesAndNothingElse compares seeded with unseeded
// routing: different scores are never reordered, equal ones are.
func TestRoutingSeedMovesTiesAndNothingElse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	c, set := flat(16, 2)
	n, full := native()
	for pos := range 500 {
		logits, h := randomLogits(rnd, 16), randomHeads(rnd, n)
		plain, seeded := Key{Position: pos}, Key{Seed: 7, Position: pos}
		require.Equal(t, mustJoint(t, c, logits, nil, set, plain), mustJoint(t, c, logits, nil, set, seeded))
		require.Equal(t, mustRoute(t, h, n, full, plain), mustRoute(t, h, n, full, seeded))
	}
	for name, key := range map[string]func(i int) Key{
		"position": func(i int) Key { return Key{Seed: 7, Position: i} },
		"layer":    func(i int) Key { return Key{Seed: 7, Layer: i} },
		"seed":     func(i int) Key { return Key{Seed: uint64(i) + 1} },
	} {
		count := make([]int, 16)
		for i := range 800 {
			got := mustJoint(t, c, make([]float32, 16), nil, set, key(i))
			require.Equal(t, got, mustJoint(t, c, make([]float32, 16), nil, set, key(i)))
			for _, choice := range got {
				count[choice.Index]++
			}
		}
		// 1,600 choices over 16 experts: 100 each, with a deviation of 9.4.
		require.Greater(t, slices.Min(count), 50, name)
		require.Less(t, slices.Max(count), 150, name)
	}
}

// TestEqualScoresAreSpreadOverTheGroups: under a seed, ties in different
// groups of a tier are not broken the same way.
func TestEqualScoresAreSpreadOverTheGroups(t *testing.T) {
	c := &Config{Mode: Nested, Tiers: []Tier{{Groups: 4, Experts: 8}}}
	set := &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 4, KExpert: 1}
	h := &heads{tiers: []float32{0}, groups: [][]float32{make([]float32, 4)}, expert: [][][]float32{make([][]float32, 4)}}
	for g := range 4 {
		h.expert[0][g] = make([]float32, 8)
	}
	differ := 0
	for pos := range 100 {
		got := mustRoute(t, h, c, set, Key{Seed: 3, Position: pos})
		if got[0].Index%8 != got[1].Index%8 {
			differ++
		}
	}
	require.Greater(t, differ, 70, "87.5 are expected")
}

// TestTopIsASort compares the selection with a whole sort on many ties, and
// then shows that the same comparison catches the known sins: ties to the
// higher id, and ties left where they lie.
func TestTopIsASort(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	reversed, unordered := false, false
	for range 500 {
		c := make([]candidate, 1+rnd.IntN(40))
		for i := range c {
			c[i] = candidate{id: int32(i), score: float32(rnd.IntN(4))}
		}
		o := order{key: Key{Seed: uint64(rnd.IntN(2))}}
		rank := func(ties int) []int32 {
			sorted := slices.Clone(c)
			slices.SortStableFunc(sorted, func(a, b candidate) int {
				switch {
				case a.score == b.score && ties == 0:
					return 0
				case a.score == b.score && ties < 0:
					return int(b.id - a.id)
				case o.before(&a, &b):
					return -1
				}
				return 1
			})
			var ids []int32
			for _, a := range sorted {
				ids = append(ids, a.id)
			}
			return ids
		}
		k := 1 + rnd.IntN(len(c))
		first := func(ids []int32) []int32 {
			ids = slices.Clone(ids[:k])
			slices.Sort(ids)
			return ids
		}
		want := first(rank(1))
		reversed = reversed || !slices.Equal(want, first(rank(-1)))
		unordered = unordered || !slices.Equal(want, first(rank(0)))
		rnd.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
		var got []int32
		for _, a := range o.top(c, k) {
			got = append(got, a.id)
		}
		require.Equal(t, want, got)
	}
	require.True(t, reversed, "the inputs tell a reversed order apart")
	require.True(t, unordered, "the inputs tell a seeded order from none")
}
