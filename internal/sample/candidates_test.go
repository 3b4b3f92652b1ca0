package sample

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSelectTopIsASort compares each way of selecting with a whole sort, over
// candidates with many ties.
func TestSelectTopIsASort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for name, top := range map[string]func([]candidate, int){"heap": heapTop, "quick": quickTop, "select": selectTop} {
		for range 300 {
			c := make([]candidate, 1+r.IntN(200))
			for i := range c {
				c[i] = candidate{id: int32(i), z: float32(r.IntN(20))}
			}
			want := slices.SortedFunc(slices.Values(c), compare)
			r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
			k := 1 + r.IntN(len(c))
			top(c, k)
			require.Equal(t, want[:k], slices.SortedFunc(slices.Values(c[:k]), compare), name)
			slices.SortFunc(c, compare)
			require.Equal(t, want, c, "%s keeps the rest", name)
		}
	}
}

func TestSelectTopOfOddNumbers(t *testing.T) {
	for _, k := range []int{-1, 0, 3, 4} {
		c := []candidate{{id: 0}, {id: 1}, {id: 2}}
		selectTop(c, k)
		require.Equal(t, []candidate{{id: 0}, {id: 1}, {id: 2}}, c)
	}
	selectTop(nil, 1)
}

// organPipes arranges candidates so that the middle one is always the best of
// what is left: the worst there is for a pivot in the middle.
func organPipes(n int) []candidate {
	c := make([]candidate, n)
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	// Play the partition backwards: whoever is in the middle is the next best,
	// and changes places with the first.
	for value := 0; len(places) > 0; value++ {
		m := len(places) / 2
		c[places[m]] = candidate{id: int32(value), z: -float32(value)}
		places[m] = places[0]
		places = places[1:]
	}
	return c
}

// TestNoLogitsMakeSelectionQuadratic counts comparisons by the rounds that are
// allowed: the hostile arrangement ends in a sort, and is still right.
func TestNoLogitsMakeSelectionQuadratic(t *testing.T) {
	const n = 4000
	rounds, c := 0, organPipes(n)
	for part := c; len(part) > 2000; rounds++ {
		i, j := partition(part)
		if 2000 > j {
			part = part[max(i, 1):]
		} else {
			part = part[:j+1]
		}
	}
	require.Greater(t, rounds, 24, "more rounds than quickTop makes: the arrangement is hostile")
	c = organPipes(n)
	want := slices.SortedFunc(slices.Values(c), compare)
	quickTop(c, 2000)
	require.Equal(t, want[:2000], slices.SortedFunc(slices.Values(c[:2000]), compare))
}

// TestTheOrderIsTotal: of two different candidates exactly one comes first.
func TestTheOrderIsTotal(t *testing.T) {
	for _, a := range []candidate{{id: 1, z: 2}, {id: 2, z: 2}, {id: 3, z: -inf}, {id: 4, z: -inf}, {id: 0, z: 0}} {
		for _, b := range []candidate{{id: 1, z: 2}, {id: 2, z: 2}, {id: 3, z: -inf}, {id: 4, z: -inf}, {id: 0, z: 0}} {
			if a == b {
				require.Zero(t, compare(a, b))
				continue
			}
			require.NotEqual(t, a.before(b), b.before(a))
			require.Equal(t, -compare(b, a), compare(a, b))
		}
	}
}
