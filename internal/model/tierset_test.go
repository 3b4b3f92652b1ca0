package model_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/weights/synth"
)

func TestTierLists(t *testing.T) {
	m := modeltest.Open(t, tiny.GGUF).Build(t) // xs, s, m, l; full takes 3 tiers, 1 group, 2 experts
	for list, want := range map[string]hser.TierSet{
		"tiers=xs":                              {Name: "tiers=xs,k_tier=1,k_group=1,k_expert=2", Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 2},
		"tiers=m, xs":                           {Name: "tiers=xs,m,k_tier=2,k_group=1,k_expert=2", Tiers: []int{0, 2}, KTier: 2, KGroup: 1, KExpert: 2},
		"tiers=l,s,m,xs":                        {Name: "tiers=xs,s,m,l,k_tier=3,k_group=1,k_expert=2", Tiers: []int{0, 1, 2, 3}, KTier: 3, KGroup: 1, KExpert: 2},
		"tiers=s,k_expert=1,k_group=2,k_tier=1": {Name: "tiers=s,k_tier=1,k_group=2,k_expert=1", Tiers: []int{1}, KTier: 1, KGroup: 2, KExpert: 1},
		"tiers=k_tier=1,s,m":                    {Name: "tiers=s,m,k_tier=1,k_group=1,k_expert=2", Tiers: []int{1, 2}, KTier: 1, KGroup: 1, KExpert: 2},
	} {
		set, err := m.Set(list)
		require.NoError(t, err, list)
		require.Equal(t, want, *set)
		again, err := m.Set(set.Name)
		require.NoError(t, err)
		require.Equal(t, want, *again, "a set's name is a list")
	}
	for list, want := range map[string]string{
		"tiers=xs,s,m,l,xl":             "tiers=: 5 tiers are named, and this model has 4",
		"tiers=":                        "tiers=: the name of a tier is missing",
		"tiers=xs,":                     "tiers=xs,: the name of a tier is missing",
		"tiers=k_tier=1":                "tiers=: no tier is named",
		"tiers=xs,xs":                   "tiers=xs,xs,k_tier=2,k_group=1,k_expert=2: a tier is named twice",
		"tiers=xs,xxl":                  `there is no tier "xxl"; this model has: xs, s, m, l`,
		"tiers=xs,k=1":                  `tiers=xs,k=1: "k" is none of k_tier, k_group and k_expert, or is there twice`,
		"tiers=xs,k_tier=1,k_tier=1":    `tiers=xs,k_tier=1,k_tier=1: "k_tier" is none of k_tier, k_group and k_expert, or is there twice`,
		"tiers=xs,k_tier=0":             `tiers=xs,k_tier=0: k_tier needs a whole number from 1, not "0"`,
		"tiers=xs,k_expert=1e3":         `tiers=xs,k_expert=1e3: k_expert needs a whole number from 1, not "1e3"`,
		"tiers=xs,k_tier=2":             "tiers=xs,k_tier=2,k_group=1,k_expert=2, layer 0: 2 tiers are to be chosen of the 1 that are allowed",
		"tiers=xs,k_group=3":            "tiers=xs,k_tier=1,k_group=3,k_expert=2, layer 0: 3 groups are to be chosen of the 2 that are allowed",
		"tiers=xs,k_expert=5":           "tiers=xs,k_tier=1,k_group=1,k_expert=5, layer 0: 5 experts are to be chosen of the 4 that are allowed",
		"tiers=xs,k_group=2,k_expert=4": "tiers=xs,k_tier=1,k_group=2,k_expert=4 runs 8 experts of a token at a layer, and the memory that was planned has room for 6: name it when the model is opened",
		"Tiers=xs":                      `there is no tier set "Tiers=xs"; this model has: fast, balanced, full`,
	} {
		_, err := m.Set(list)
		require.EqualError(t, err, want)
	}
	_, err := m.Set("tiers=xs,k_expert=5")
	require.ErrorAs(t, err, new(*hser.KError))
}

// FuzzTierList: whatever is read is refused, or exactly the tiers and the numbers
// that it names.
func FuzzTierList(f *testing.F) {
	m := modeltest.Open(f, tiny.GGUF).Build(f)
	for _, seed := range []string{
		"tiers=xs", "tiers=m,xs,k_expert=1", "tiers=xs,xs", "tiers=,", "tiers=k_tier=9", "tiers=l,s,k_group=2,k_expert=99999999999", "tiers=xs,s,m,l,xl",
		"tiers=xs,k_tier=2147483647,k_group=2147483647,k_expert=2147483647", "fast", "tiers", "tiers=" + strings.Repeat("a,", 5000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := model.ParseTierList(text)
		if err != nil {
			require.ErrorAs(t, err, new(*model.ListError))
			return
		}
		set, err := m.List(l)
		if err != nil {
			return
		}
		require.Len(t, set.Tiers, len(l.Tiers))
		for _, n := range [][2]int{{l.KTier, set.KTier}, {l.KGroup, set.KGroup}, {l.KExpert, set.KExpert}} {
			require.Contains(t, []int{0, n[1]}, n[0], "a number that is given is kept")
		}
		for _, name := range l.Tiers {
			require.True(t, slices.ContainsFunc(set.Tiers, func(i int) bool { return m.Tiers[i].Name == name }))
		}
		again, err := m.Set(set.Name)
		require.NoError(t, err)
		require.Equal(t, set, again)
	})
}

// TestReservedListsAreServed: memory is planned for what is reserved, and what
// can never be served is not reserved.
func TestReservedListsAreServed(t *testing.T) {
	m := modeltest.Open(t, tiny.GGUF).Build(t)
	const list = "tiers=xs,k_group=2,k_expert=4"
	before := m.Scratch(16, 1)
	require.NoError(t, m.Reserve(list))
	require.NoError(t, m.Reserve("fast"))
	require.NoError(t, m.Reserve(""))
	require.Greater(t, m.Scratch(16, 1), before)
	set, err := m.Set(list)
	require.NoError(t, err)
	require.Equal(t, 8, set.K())
	require.Error(t, m.Reserve("tiers=xs,k_expert=5"))
	require.ErrorAs(t, m.Reserve("slow"), new(*model.SetError))
	require.ErrorAs(t, m.Reserve("tiers=slow"), new(*model.TierError))
}

func TestClosedTiers(t *testing.T) {
	m := modeltest.Open(t, tiny.GGUF).Build(t)
	require.NoError(t, m.OpenTiers([]string{"xs", "m"}))
	_, err := m.Set("fast")
	require.NoError(t, err)
	_, err = m.Set("tiers=xs,m")
	require.NoError(t, err)
	for _, name := range []string{"", "balanced", "tiers=s"} {
		_, err = m.Set(name)
		require.ErrorAs(t, err, new(*model.ClosedError), name)
	}
	require.EqualError(t, err, `tier set "tiers=s,k_tier=1,k_group=1,k_expert=2" has the tier "s", which is not open; open are: xs, m`)
	require.EqualError(t, m.OpenTiers([]string{"xs", "xxl"}), `there is no tier "xxl"; this model has: xs, s, m, l`)
}

// planOf is a plan of half of the experts and the rest.
func planOf(t *testing.T, m *model.Model) *tierplan.Plan {
	t.Helper()
	s, err := m.PlanShape()
	require.NoError(t, err)
	p, err := tierplan.Split(s, tierplan.NewUsage(s.Experts), []tierplan.Ask{{Name: "fast", Share: 0.5}, {Name: "rest"}}, nil)
	require.NoError(t, err)
	return p
}

func TestDivide(t *testing.T) {
	m := modeltest.Random(t, synth.Tiny("deepseek2"), "Q8_0", 1).Build(t)
	bound := m.Bound(&m.Sets[0])
	bytes := m.ExpertBytes(&m.Sets[0])
	p := planOf(t, m)
	require.NoError(t, m.Divide(p))
	require.Equal(t, "full", m.DefaultSet)
	full, err := m.Set("")
	require.NoError(t, err)
	require.Equal(t, bound, m.Bound(full))
	require.Equal(t, bytes, m.ExpertBytes(full))
	expert := int64(3 * 64 * 32)
	for i, tier := range m.Tiers {
		require.Equal(t, model.Tier{Name: []string{"fast", "rest"}[i], Groups: 1, Experts: 4, Params: 2 * 4 * expert, ThetaMax: expert}, tier)
	}
	require.Equal(t, -1, m.TierOf(0, 0), "a dense layer")
	require.Equal(t, -1, m.TierOf(1, 8))
	require.Equal(t, -1, m.TierOf(1, -1))
	for i := range int64(8) {
		require.Equal(t, int(p.Table(1, 8)[i]), m.TierOf(1, i))
	}
	list, err := m.Set("tiers=fast,k_expert=1")
	require.NoError(t, err)
	require.Equal(t, bytes/2, m.ExpertBytes(list))
	_, err = m.Set("tiers=fast,rest,k_tier=2")
	require.EqualError(t, err, "tiers=fast,rest,k_tier=2,k_group=1,k_expert=2: this model takes the best experts of all tiers together: k_tier and k_group are 1")
	// One expert of each of the four groups, of which two stay: two are enough
	// for two of a token, and not for three.
	_, err = m.Set("tiers=fast,k_expert=3")
	require.ErrorAs(t, err, new(*hser.KError))
}

// TestDivideRefusesSetsThatLimitedGroupsCannotServe: the plan knows how many
// experts there are, the layer how they are chosen.
func TestDivideRefusesSetsThatLimitedGroupsCannotServe(t *testing.T) {
	m := modeltest.Random(t, synth.Tiny("deepseek2"), "Q8_0", 1).Build(t)
	p := planOf(t, m)
	for i, n := range []int{0, 8, 8} {
		if n > 0 {
			p.Tiers[0].Experts[i], p.Tiers[1].Experts[i] = []int32{0, 1, 2, 4}, []int32{3, 5, 6, 7}
		}
	}
	p.Sets[0].KExpert = 3
	require.NoError(t, p.Validate(shapeOf(t, m)))
	err := m.Divide(p)
	require.ErrorContains(t, err, `layer 1, tier set "fast"`)
	require.ErrorAs(t, err, new(*hser.KError))
}

func shapeOf(t *testing.T, m *model.Model) *tierplan.Shape {
	t.Helper()
	s, err := m.PlanShape()
	require.NoError(t, err)
	return s
}

func TestDivideRefuses(t *testing.T) {
	olmoe := modeltest.Random(t, synth.Tiny("olmoe"), "Q8_0", 1).Build(t)
	p := planOf(t, olmoe)
	for family, want := range map[string]string{
		"llama": "this model has no experts", "lite": "this model has tiers of its own", "qwen2moe": "the tier plan is of another model: its architecture is olmoe",
	} {
		m := modeltest.Random(t, synth.Tiny(family), "Q8_0", 1).Build(t)
		before := len(m.Sets)
		require.ErrorContains(t, m.Divide(p), want)
		require.Len(t, m.Sets, before)
	}
	p.Tiers[0].Budget.Parameters--
	require.ErrorAs(t, olmoe.Divide(p), new(*tierplan.BudgetError))
	p.Tiers[0].Budget.Parameters++
	require.NoError(t, olmoe.Divide(p))
	require.ErrorContains(t, olmoe.Divide(p), "tiers of its own", "once")
	require.True(t, strings.HasPrefix(olmoe.Sets[0].Name, "fast"))
}
