package tierplan

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shape is two layers of four experts of 10 parameters around a dense one.
func shape() *Shape {
	return &Shape{Name: "m", Architecture: "olmoe", Dim: 8, Vocab: 9, Experts: []int{4, 0, 4}, Params: []int64{10, 0, 10}, Used: 1}
}

// usage is one in which the experts' parts of the mass are, from the best:
// L2/E3 0.5, L0/E1 0.4, L0/E0 and L0/E2 0.25, L2/E0 and L2/E1 0.2, L0/E3 and
// L2/E2 0.1.
func usage() Usage {
	return Usage{
		Chosen: [][]uint64{{5, 8, 5, 2}, nil, {4, 4, 2, 10}},
		Mass:   [][]float64{{2.5, 4, 2.5, 1}, nil, {40, 40, 20, 100}},
	}
}

func asks(t *testing.T, texts ...string) (out []Ask) {
	t.Helper()
	for _, text := range texts {
		a, err := ParseAsk(text)
		require.NoError(t, err)
		out = append(out, a)
	}
	return out
}

// plan is the plan of usage in a tier of three experts, one of two, and the rest.
func plan(t *testing.T) *Plan {
	t.Helper()
	p, err := Split(shape(), usage(), asks(t, "fast=30", "mid=25%", "rest"), map[string]int{"fast+mid": 2})
	require.NoError(t, err)
	return p
}

func TestSplitTakesTheBest(t *testing.T) {
	p := plan(t)
	require.Equal(t, Layers{{0, 1}, {}, {3}}, p.Tiers[0].Experts, "the best of each layer, and then the best")
	require.Equal(t, Layers{{2}, {}, {0}}, p.Tiers[1].Experts)
	require.Equal(t, Layers{{3}, {}, {1, 2}}, p.Tiers[2].Experts)
	require.Equal(t, []int64{30, 20, 0}, []int64{p.Tiers[0].Budget.Parameters, p.Tiers[1].Budget.Parameters, p.Tiers[2].Budget.Parameters})
	require.Equal(t, Sets{{"fast", Names{"fast"}, 1}, {"fast+mid", Names{"fast", "mid"}, 2}, {"full", Names{"fast", "mid", "rest"}, 1}}, p.Sets)
	require.Equal(t, "full", p.Default)
	require.Equal(t, []uint8{0, 0, 1, 2}, p.Table(0, 4))
	require.Nil(t, p.Table(1, 0))
}

// TestSplitKeepsWhatATokenNeeds: a layer whose best experts are worth less than
// every other's still gets as many as a token takes there.
func TestSplitKeepsWhatATokenNeeds(t *testing.T) {
	s := shape()
	s.Used = 2
	u := usage()
	u.Mass[0] = []float64{1, 1, 1, 1}
	u.Mass[2] = []float64{30, 30, 30, 10}
	p, err := Split(s, u, asks(t, "fast=40", "rest"), nil)
	require.NoError(t, err)
	require.Equal(t, Layers{{0, 1}, {}, {0, 1}}, p.Tiers[0].Experts)
	tooSmall := &BudgetError{}
	_, err = Split(s, u, asks(t, "fast=39", "rest"), nil)
	require.ErrorAs(t, err, &tooSmall)
	require.EqualError(t, err, `tier "fast" needs at least 40 parameters, for 2 experts at each layer, and its budget is 39`)
	_, err = Split(s, u, asks(t, "fast=20", "rest"), map[string]int{"fast": 1})
	require.NoError(t, err, "one expert of a token fits")
}

// TestSplitOfLimitedGroups: every group gets enough that any of them may be the
// ones that stay.
func TestSplitOfLimitedGroups(t *testing.T) {
	s := &Shape{Architecture: "deepseek2", Experts: []int{8}, Params: []int64{1}, Used: 4, LimitGroups: 4, LimitUsed: 2}
	u := NewUsage(s.Experts)
	for i := range u.Mass[0] {
		u.Mass[0][i] = float64(8 - i)
	}
	_, err := Split(s, u, asks(t, "fast=7", "rest"), nil)
	require.EqualError(t, err, `tier "fast" needs at least 8 parameters, for 8 experts at each layer, and its budget is 7`)
	p, err := Split(s, u, asks(t, "fast=5", "rest"), map[string]int{"fast": 2})
	require.NoError(t, err)
	require.Equal(t, Layers{{0, 1, 2, 4, 6}}, p.Tiers[0].Experts)
}

func TestSplitRefuses(t *testing.T) {
	for want, a := range map[string][]string{
		`1 experts of 10 parameters fit no tier: the budgets are 75 together and the experts of the model have 80; add a tier without a budget`: {"a=35", "b=40"},
		`tier "b" needs at least 10 parameters, for 1 experts at each layer, and its budget is 9`:                                               {"a=20", "b=9", "c"},
		`tier plan: tier "b" gets no expert: the tiers before it have them all`:                                                                 {"a", "b"},
		`tier plan: there are two tiers "a"`:             {"a=20", "a"},
		`tier plan: there are two tier sets "full"`:      {"full=20", "rest"},
		`tier plan: 0 tiers are asked for: want 1 to 64`: nil,
	} {
		_, err := Split(shape(), usage(), asks(t, a...), nil)
		require.EqualError(t, err, want)
	}
	_, err := Split(shape(), usage(), asks(t, "a=20", "b"), map[string]int{"slow": 1})
	require.EqualError(t, err, "tier plan: a number of experts is given for a set that there will not be; there will be: a, full")
	_, err = Split(shape(), usage(), asks(t, "a=20", "b"), map[string]int{"a": 2})
	require.ErrorAs(t, err, new(*BudgetError))
	_, err = Split(shape(), usage(), asks(t, "a"), map[string]int{"full": 5})
	require.EqualError(t, err, `tier plan: tier set "full" takes 5 experts of the 4 that its tiers have at layer 0`)
	_, err = Split(shape(), NewUsage([]int{4, 4}), asks(t, "a"), nil)
	require.EqualError(t, err, "tier plan: the trace has 2 layers, and the model has 3")
	_, err = Split(shape(), NewUsage([]int{4, 1, 4}), asks(t, "a"), nil)
	require.EqualError(t, err, "tier plan: the trace has 1 experts at layer 1, and the model has 0")
}

func TestReport(t *testing.T) {
	p := plan(t)
	r, err := p.Report(shape(), usage())
	require.NoError(t, err)
	require.Equal(t, Coverage{Mass: (0.4 + 0.25 + 0.5) / 2, Hits: 23.0 / 40}, r.Tiers[0].Coverage)
	require.Equal(t, []any{int64(30), int64(30), 3, 1, 2}, []any{r.Tiers[0].Budget, r.Tiers[0].Parameters, r.Tiers[0].Experts, r.Tiers[0].Least, r.Tiers[0].Most})
	require.InDelta(t, 0.8, r.Sets[1].Mass, 1e-12)
	require.Equal(t, int64(50), r.Sets[1].Parameters)
	require.InDelta(t, 1, r.Sets[2].Mass, 1e-12)
	require.InDelta(t, 1, r.Sets[2].Hits, 1e-12)
	require.Len(t, r.Curve, 9)
	require.Equal(t, Point{}, r.Curve[0])
	for i := range r.Curve[1:] {
		require.Equal(t, int64(10*(i+1)), r.Curve[i+1].Parameters)
		require.Greater(t, r.Curve[i+1].Mass, r.Curve[i].Mass)
	}
	require.InDelta(t, (0.4+0.5)/2, r.Curve[2].Mass, 1e-12)
	require.InDelta(t, 1, r.Curve[8].Hits, 1e-12)
	_, err = p.Report(shape(), NewUsage([]int{1}))
	require.Error(t, err)
}

// TestCurveOfManyExperts has few points, and the last is everything.
func TestCurveOfManyExperts(t *testing.T) {
	s := &Shape{Architecture: "a", Experts: []int{999}, Params: []int64{3}, Used: 1}
	u := NewUsage(s.Experts)
	u.Mass[0][7], u.Chosen[0][7] = 1, 1
	p, err := Split(s, u, asks(t, "fast=1%", "rest"), nil)
	require.NoError(t, err)
	r, err := p.Report(s, u)
	require.NoError(t, err)
	require.LessOrEqual(t, len(r.Curve), maxPoints+2)
	require.Equal(t, Point{Parameters: 2997, Experts: 999, Coverage: Coverage{1, 1}}, r.Curve[len(r.Curve)-1])
}

// broken are changes to a plan's JSON, with what is said of them.
var broken = []struct{ old, new, want string }{
	{`"version":1`, `"version":2`, "tier plan: version 2; this program reads version 1"},
	{`"version":1`, `"version":1,"version":1`, "duplicate object member name"},
	{`"version":1`, `"version":1,"Version":1`, "unknown object member name"},
	{`"version":1`, `"version":1,"more":1`, "unknown object member name"},
	{`"k_expert":2`, `"k_expert":2,"k_tier":1`, "unknown object member name"},
	{`"tiers":[{`, `"tiers":{"a":[{`, "tiers are not an array"},
	{`[[0,1],[],[3]]`, `[[0,1],[],3]`, "experts of a layer are not an array"},
	{`[[0,1],[],[3]]`, `[[0,1],[],[3000000000]]`, "out of range"},
	{`[[0,1],[],[3]]`, `[[0,1],[],[1.5]]`, "JSON number 1.5"},
	{`[[0,1],[],[3]]`, `[[0,1],[],[` + strings.Repeat("0,", MaxExperts) + `0]]`, "more than 65536 experts of a layer"},
	{`[[0,1],[],[3]]`, `[` + strings.Repeat("[],", MaxLayers) + `[]]`, "more than 4096 layers"},
	{`"tiers":["fast"]`, `"tiers":[` + strings.Repeat(`"a",`, MaxTiers) + `"a"]`, "more than 64 tiers of a set"},
	{`"sets":[`, `"sets":[` + strings.Repeat(`{},`, MaxSets), "more than 64 tier sets"},
	{`"tiers":[{`, `"tiers":[` + strings.Repeat(`{},`, MaxTiers) + `{`, "more than 64 tiers"},
	{`[[0,1],[],[3]]`, `[[0,1],[3]]`, `tier plan: tier "fast" has lists for 2 layers, and the model has 3 layers`},
	{`[[0,1],[],[3]]`, `[[0,1],[0],[3]]`, `tier plan: tier "fast" names the expert 0 of layer 1, which has 0 experts`},
	{`[[0,1],[],[3]]`, `[[0,4],[],[3]]`, `tier plan: tier "fast" names the expert 4 of layer 0, which has 4 experts`},
	{`[[0,1],[],[3]]`, `[[-1,1],[],[3]]`, `tier plan: tier "fast" names the expert -1 of layer 0, which has 4 experts`},
	{`[[0,1],[],[3]]`, `[[1,0],[],[3]]`, `tier plan: tier "fast", layer 0: experts must ascend, each once; 0 follows 1`},
	{`[[0,1],[],[3]]`, `[[1,1],[],[3]]`, `tier plan: tier "fast", layer 0: experts must ascend, each once; 1 follows 1`},
	{`[[0,1],[],[3]]`, `[[0],[],[3]]`, `tier plan: expert 1 of layer 0 is in no tier`},
	{`[[2],[],[0]]`, `[[0,2],[],[0]]`, `tier plan: expert 0 of layer 0 is in the tiers "fast" and "mid": want one`},
	{`"parameters":30`, `"parameters":29`, `tier "fast" has experts of 30 parameters, and its budget is 29`},
	{`"parameters":30`, `"parameters":-1`, `tier plan: tier "fast" has a budget of -1 parameters: want a number from 0`},
	{`"name":"mid"`, `"name":"m,d"`, `tier plan: "m,d" is no name of a tier: want letters, digits, '_', '-' and '.'`},
	{`"name":"mid"`, `"name":"../mid"`, `tier plan: "../mid" is no name of a tier: want letters, digits, '_', '-' and '.'`},
	{`"name":"mid"`, `"name":".."`, `tier plan: ".." is no name of a tier: want 1 to 64 bytes, of which the first is no '.' or '-'`},
	{`"name":"mid"`, `"name":"fast"`, `tier plan: there are two tiers "fast"`},
	{`"name":"fast+mid"`, `"name":"fast"`, `tier plan: there are two tier sets "fast"`},
	{`"name":"fast+mid"`, `"name":"a=b"`, `tier plan: "a=b" is no name of a tier set: want letters, digits, '_', '-' and '.'`},
	{`["fast","mid"]`, `["fast","slow"]`, `tier plan: tier set "fast+mid" names the tier "slow", which does not exist`},
	{`["fast","mid"]`, `["mid","mid"]`, `tier plan: tier set "fast+mid" names the tier "mid" twice`},
	{`["fast","mid"]`, `[]`, `tier plan: tier set "fast+mid" has no tiers`},
	{`"k_expert":2`, `"k_expert":3`, `tier plan: tier set "fast+mid" takes 3 experts of the 2 that its tiers have at layer 2`},
	{`"k_expert":2`, `"k_expert":0`, `tier plan: tier set "fast+mid" takes 0 experts of the 3 that its tiers have at layer 0`},
	{`"default":"full"`, `"default":"fool"`, `tier plan: the default tier set "fool" is none of the sets`},
	{`"architecture":"olmoe"`, `"architecture":"llama"`, `the tier plan is of another model: its architecture is llama, and this model's is olmoe`},
	{`"layers":3`, `"layers":4`, `the tier plan is of another model: its layers is 4, and this model's is 3`},
	{`"experts":4`, `"experts":5`, `the tier plan is of another model: its experts of a layer is 5, and this model's is 4`},
	{`"shape_sha256":"`, `"shape_sha256":"0`, `the tier plan is of another model: its shape is 0`},
}

func text(t testing.TB, p *Plan) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.String()
}

func TestPlansAreStrict(t *testing.T) {
	p := plan(t)
	good := text(t, p)
	again, err := Read(strings.NewReader(good))
	require.NoError(t, err)
	require.NoError(t, again.Validate(shape()))
	require.Equal(t, good, text(t, again))
	for _, b := range broken {
		require.Equal(t, 1, min(1, strings.Count(good, b.old)), b.old)
		p, err := Parse([]byte(strings.Replace(good, b.old, b.new, 1)))
		if err == nil {
			err = p.Validate(shape())
		} else {
			require.ErrorAs(t, err, new(*FormatError))
		}
		require.ErrorContains(t, err, b.want, b.old)
	}
	for _, text := range []string{"", "[]", "null1", good + good, strings.Repeat(" ", MaxFile+1)} {
		_, err := Parse([]byte(text))
		require.ErrorAs(t, err, new(*FormatError))
	}
	p, err = Parse([]byte(`{"version":1}`))
	require.NoError(t, err)
	require.ErrorContains(t, p.Validate(shape()), "there are 0 tiers and 0 tier sets")
	other := shape()
	other.Name = "the same under another name"
	require.NoError(t, plan(t).Validate(other))
}

// TestPlansKeepWhatOthersSay: placement and access are not this package's.
func TestPlansKeepWhatOthersSay(t *testing.T) {
	with := strings.Replace(text(t, plan(t)), `[[0,1],[],[3]]`, `[[0,1],[],[3]],"placement":{"rungs":["dram"],"pin":true},"access":"secret"`, 1)
	p, err := Parse([]byte(with))
	require.NoError(t, err)
	require.JSONEq(t, `{"rungs":["dram"],"pin":true}`, string(p.Tiers[0].Placement))
	require.Equal(t, with, text(t, p))
}

func TestParseAsk(t *testing.T) {
	for text, want := range map[string]Ask{
		"fast=2e9": {Name: "fast", Parameters: 2e9}, "fast=300M": {Name: "fast", Parameters: 3e8}, "a=1.5B": {Name: "a", Parameters: 15e8},
		"a=9007199254740993": {Name: "a", Parameters: 9007199254740993}, "a=25%": {Name: "a", Share: 0.25}, "rest": {Name: "rest"}, "a=2k": {Name: "a", Parameters: 2000},
	} {
		require.Equal(t, want, asks(t, text)[0], text)
	}
	for _, text := range []string{"", "=1", "a=", "a=0", "a=-1", "a=NaN", "a=Inf", "a=1e40", "a=0.5", "a=M", "a=101%", "a=0%", "a=%", "a=NaN%", "a b=1", "a=1MM", "a=0x1p3M%"} {
		_, err := ParseAsk(text)
		require.ErrorAs(t, err, new(*Error), text)
	}
}

// FuzzPlan: whatever is read is refused or divides the model exactly.
func FuzzPlan(f *testing.F) {
	p, err := Split(shape(), usage(), []Ask{{Name: "fast", Parameters: 30}, {Name: "rest"}}, nil)
	require.NoError(f, err)
	good := text(f, p)
	f.Add([]byte(good))
	for _, b := range broken {
		if bad := strings.Replace(good, b.old, b.new, 1); len(bad) < 4096 {
			f.Add([]byte(bad))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(raw)
		if err != nil || p.Validate(shape()) != nil {
			return
		}
		for layer, n := range shape().Experts {
			sum := 0
			for i := range p.Tiers {
				sum += len(p.Tiers[i].Experts[layer])
				for _, e := range p.Tiers[i].Experts[layer] {
					require.EqualValues(t, i, p.Table(layer, n)[e])
				}
			}
			require.Equal(t, n, sum)
		}
		require.True(t, slices.ContainsFunc(p.Sets, func(s Set) bool { return s.Name == p.Default }))
		again, err := Parse([]byte(text(t, p)))
		require.NoError(t, err)
		require.NoError(t, again.Validate(shape()))
	})
}
