package packing_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// TestMatch changes what a manifest says of its model, one thing after the other:
// each is found, and the manifest that was written fits.
func TestMatch(t *testing.T) {
	for _, family := range []string{"lite", "qwen3moe"} {
		f := modeltest.Random(t, synth.Tiny(family), "Q8_0", 1)
		m := f.Build(t)
		for what, change := range map[string]func(m *pack.Manifest){
			"":               func(*pack.Manifest) {},
			"architecture":   func(m *pack.Manifest) { m.Architecture = "other" },
			"layers":         func(m *pack.Manifest) { m.Layers++ },
			"routing":        func(m *pack.Manifest) { m.RoutingSeed++ },
			"tier sets":      func(m *pack.Manifest) { m.DefaultSet = m.Sets[0].Name + "x" },
			"fewer sets":     func(m *pack.Manifest) { m.Sets = nil },
			"tiers":          func(m *pack.Manifest) { m.Tiers[0].Name = "other" },
			"fewer tiers":    func(m *pack.Manifest) { m.Tiers = m.Tiers[1:] },
			"experts":        func(m *pack.Manifest) { m.Tiers[0].Experts++ },
			"fewer layers":   func(m *pack.Manifest) { m.Tiers[0].Layers = m.Tiers[0].Layers[1:] },
			"a budget of 1 ": func(m *pack.Manifest) { m.Tiers[0].Budget.Parameters = 1 },
			"stacks":         func(m *pack.Manifest) { m.Stacks = "other" },
		} {
			_, p := f.Pack(t, 0)
			change(p.Manifest)
			err := packing.Match(p, m, "p")
			if what == "" {
				require.NoError(t, err)
				continue
			}
			_, ok := errors.AsType[*pack.ManifestError](err)
			require.True(t, ok, "%s: %v", what, err)
		}
	}
	require.NoError(t, packing.Match(nil, nil, "p"), "what is no pack has nothing to fit")
}

// TestNoPlan holds that a pack that was made by no plan has none.
func TestNoPlan(t *testing.T) {
	f := modeltest.Random(t, synth.Tiny("qwen3moe"), "Q8_0", 1)
	_, p := f.Pack(t, 0)
	plan, err := packing.Plan(p, f.Build(t))
	require.NoError(t, err)
	require.Nil(t, plan)
}
