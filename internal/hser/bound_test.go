package hser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBoundOfAFlatModel(t *testing.T) {
	b := NewBound(16, 16, 1600, 8, 100)
	require.Equal(t, Bound{Layers: 16, CDense: 100, K: 8, ThetaMax: 100, PActive: 1600 + 16*8*100}, b)
	require.InDelta(t, float64(b.PActive), float64(b.Layers)*(b.CDense+float64(b.K)*float64(b.ThetaMax)), 1e-6, "the specification's form")
}

// TestBoundOfLeadingDenseLayers counts experts where there are some.
func TestBoundOfLeadingDenseLayers(t *testing.T) {
	require.EqualValues(t, 2700+26*6*10, NewBound(27, 26, 2700, 6, 10).PActive)
	require.EqualValues(t, 2700, NewBound(27, 0, 2700, 6, 0).PActive, "a dense model")
}

// TestRouterRowsDoNotGrowWithTheModel: what a token scores follows the path,
// not the number of experts.
func TestRouterRowsDoNotGrowWithTheModel(t *testing.T) {
	c, set := native()
	require.Equal(t, 3+2*3+2*1*5, set.RouterRows(c))
	set = &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 2, KExpert: 2}
	require.Equal(t, 3+1*2+1*2*4, set.RouterRows(c))
	c.Tiers[1].Groups = 1 << 20
	require.Equal(t, 3+1*2+1*2*4, set.RouterRows(c), "a tier outside the set is not scored")
}
