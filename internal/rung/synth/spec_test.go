package synth

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/model"
)

// TestSizes holds the models to their number of parameters, and to grow alike at
// the three levels.
func TestSizes(t *testing.T) {
	for params, want := range map[float64][3]int{
		1e9: {5, 4, 4}, 1e10: {9, 9, 9}, 1e12: {43, 43, 43}, 1e15: {430, 430, 430},
	} {
		s := Spec{Params: params, Layers: defaultLayers, Dim: defaultDim, FF: defaultFF}
		tiers, groups, experts := s.sizes()
		near := func(want, have int) { require.InDelta(t, want, have, 1) }
		near(want[0], tiers)
		near(want[1], groups)
		near(want[2], experts)
		m, err := New(s)
		require.NoError(t, err)
		built, err := model.Build(m.W.Source(), nil)
		require.NoError(t, err)
		total := int64(0)
		for _, tier := range built.Tiers {
			total += tier.Params + tier.RouterParams
		}
		require.InEpsilon(t, params, float64(total), 0.15)
		require.Contains(t, built.Name, "synthetic")
		set, err := built.Set("")
		require.NoError(t, err)
		require.Equal(t, kTier*kGroup*kExpert, set.K())
		require.NoError(t, built.Layout(m.W.Stack).Validate())
	}
}

func TestParse(t *testing.T) {
	s, err := Parse("synth:2.5e12,layers=2,dim=256,ff=512,seed=9")
	require.NoError(t, err)
	require.Equal(t, Spec{Params: 2.5e12, Layers: 2, Dim: 256, FF: 512, Seed: 9}, s)
	require.True(t, Is("synth:1"))
	require.False(t, Is("synthetic.gguf"))
	for _, bad := range []string{
		"synth:", "synth:x", "synth:1e15,", "synth:1e15,dim", "synth:1e15,width=3", "synth:1e15,dim=65", "synth:1e15,dim=1000000",
		"synth:1e15,ff=31", "synth:1e15,layers=0", "synth:1e15,layers=1000", "synth:nan", "synth:inf", "synth:-1", "synth:0", "synth:1e19", "synth:1000",
		"synth:1e15,seed=-1",
	} {
		_, err := Parse(bad)
		var ne *NameError
		require.ErrorAs(t, err, &ne, bad)
		require.ErrorContains(t, err, "names no synthetic model", bad)
	}
	_, err = New(Spec{Params: math.NaN(), Layers: 1, Dim: 64, FF: 32})
	require.Error(t, err)
}

// FuzzParse holds that a name is refused or describes a model that can be made.
func FuzzParse(f *testing.F) {
	f.Add("synth:1e15")
	f.Add("synth:8e18,layers=1,dim=64,ff=32,seed=18446744073709551615")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := Parse(name)
		if err != nil {
			return
		}
		tiers, groups, experts := s.sizes()
		require.GreaterOrEqual(t, min(tiers, groups, experts), 2)
		per := float64(tiers) * float64(groups) * float64(experts) * (s.theta() + float64(s.Dim)) * float64(s.Layers)
		require.InEpsilon(t, s.Params, per, 1)
	})
}
