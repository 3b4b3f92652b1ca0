package hser

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSetsThatDoNotFit(t *testing.T) {
	c, set := native()
	require.NoError(t, set.Validate(c))
	for _, bad := range []struct {
		set  TierSet
		want error
	}{
		{TierSet{Name: "x", KTier: 1, KGroup: 1, KExpert: 1}, &SetError{What: `"x" has no tiers`}},
		{TierSet{Name: "x", Tiers: []int{1, 0}, KTier: 1, KGroup: 1, KExpert: 1}, &SetError{What: `"x": tiers must ascend, each once; 0 follows 1`}},
		{TierSet{Name: "x", Tiers: []int{0, 0}, KTier: 1, KGroup: 1, KExpert: 1}, &SetError{What: `"x": tiers must ascend, each once; 0 follows 0`}},
		{TierSet{Name: "x", Tiers: []int{3}, KTier: 1, KGroup: 1, KExpert: 1}, &SetError{What: `"x" names tier 3 of 3`}},
		{TierSet{Name: "x", Tiers: []int{-1}, KTier: 1, KGroup: 1, KExpert: 1}, &SetError{What: `"x" names tier -1 of 3`}},
		{TierSet{Tiers: []int{0}, KTier: 2, KGroup: 1, KExpert: 1}, &KError{Level: LevelTier, K: 2, Allowed: 1}},
		{TierSet{Tiers: []int{0}, KGroup: 1, KExpert: 1}, &KError{Level: LevelTier, Allowed: 1}},
		{TierSet{Tiers: []int{0, 1}, KTier: 1, KGroup: 3, KExpert: 1}, &KError{Level: LevelGroup, K: 3, Allowed: 2}},
		{TierSet{Tiers: []int{0}, KTier: 1, KExpert: 1}, &KError{Level: LevelGroup, Allowed: 2}},
		{TierSet{Tiers: []int{1, 2}, KTier: 1, KGroup: 1, KExpert: 4}, &KError{Level: LevelExpert, K: 4, Allowed: 3}},
		{TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: -1}, &KError{Level: LevelExpert, K: -1, Allowed: 4}},
	} {
		require.Equal(t, bad.want, bad.set.Validate(c), "%+v", bad.set)
	}
}

func TestJointSetsThatDoNotFit(t *testing.T) {
	c, set := flat(8, 9)
	require.Equal(t, &KError{Level: LevelExpert, K: 9, Allowed: 8}, set.Validate(c))
	set = &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1 << 32, KExpert: 1 << 32}
	require.Equal(t, &KError{Level: LevelExpert, K: math.MaxInt, Allowed: 8}, set.Validate(c), "the product must not wrap to 0")
	c.LimitGroups, c.LimitUsed = 4, 2
	set = &TierSet{Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: 5}
	require.Equal(t, &KError{Level: LevelExpert, K: 5, Allowed: 4}, set.Validate(c))
	// Of the tier's five experts, the limit may leave the one in the third
	// group and two of another.
	c.Tiers = []Tier{{Groups: 1, Experts: 5}, {Groups: 1, Experts: 3, First: 5}}
	set.KExpert = 4
	require.Equal(t, &KError{Level: LevelExpert, K: 4, Allowed: 3}, set.Validate(c))
	set.KExpert = 3
	require.NoError(t, set.Validate(c))
	c.LimitUsed = 3
	set.Tiers = []int{1}
	require.Equal(t, &KError{Level: LevelGroup, K: 3, Allowed: 2}, set.Validate(c))
}

func TestConfigsThatContradictThemselves(t *testing.T) {
	for what, c := range map[string]Config{
		"no tiers":        {},
		"no groups":       {Tiers: []Tier{{Experts: 1}}},
		"no experts":      {Tiers: []Tier{{Groups: 1}}},
		"too many":        {Tiers: []Tier{{Groups: 1 << 31, Experts: 1}}},
		"too many joint":  {Mode: Joint, Tiers: []Tier{{Groups: 1 << 20, Experts: 1 << 20}}},
		"wraps":           {Tiers: []Tier{{Groups: 1, Experts: 2, First: math.MaxInt}}},
		"negative":        {Tiers: []Tier{{Groups: 1, Experts: 2, First: -1}}},
		"overlap":         {Tiers: []Tier{{Groups: 1, Experts: 2}, {Groups: 1, Experts: 2, First: 1}}},
		"scale":           {Scale: nan, Tiers: []Tier{{Groups: 1, Experts: 2}}},
		"infinite scale":  {Scale: -inf, Tiers: []Tier{{Groups: 1, Experts: 2}}},
		"limit of nested": {LimitGroups: 2, LimitUsed: 1, Tiers: []Tier{{Groups: 1, Experts: 2}}},
		"unequal groups":  {Mode: Joint, LimitGroups: 2, LimitUsed: 1, Tiers: []Tier{{Groups: 1, Experts: 3}}},
		"more groups":     {Mode: Joint, LimitGroups: 4, LimitUsed: 1, Tiers: []Tier{{Groups: 1, Experts: 2}}},
		"none used":       {Mode: Joint, LimitGroups: 2, Tiers: []Tier{{Groups: 1, Experts: 2}}},
	} {
		var bad *ConfigError
		require.ErrorAs(t, c.Validate(), &bad, what)
		require.ErrorAs(t, (&TierSet{}).Validate(&c), &bad, what)
	}
}

// TestStepsRefuseWhatDoesNotFit: the steps do not rely on Validate.
func TestStepsRefuseWhatDoesNotFit(t *testing.T) {
	c, _ := native()
	var r Router
	for _, k := range []int{-1, 0, 4, math.MaxInt} {
		set := &TierSet{Tiers: []int{0, 1, 2}, KTier: k, KGroup: k, KExpert: k}
		_, err := r.Tiers(c, nil, make([]float32, 3), set, Key{})
		require.Equal(t, &KError{Level: LevelTier, K: k, Allowed: 3}, err)
		_, err = r.Groups(c, nil, TierChoice{Tier: 1}, make([]float32, 3), set, Key{})
		require.Equal(t, &KError{Level: LevelGroup, K: k, Allowed: 3}, err)
		_, err = r.Experts(c, nil, GroupChoice{Tier: 2}, make([]float32, 3), set, Key{})
		require.Equal(t, &KError{Level: LevelExpert, K: k, Allowed: 3}, err)
	}
	_, err := r.Tiers(c, nil, make([]float32, 2), &TierSet{}, Key{})
	require.Equal(t, &ScoresError{Level: LevelTier, Have: 2, Want: 3}, err)
	_, err = r.Groups(c, nil, TierChoice{Tier: 1}, make([]float32, 2), &TierSet{}, Key{})
	require.Equal(t, &ScoresError{Level: LevelGroup, Have: 2, Want: 3}, err)
	_, err = r.Experts(c, nil, GroupChoice{Tier: 1}, make([]float32, 4), &TierSet{}, Key{})
	require.Equal(t, &ScoresError{Level: LevelExpert, Have: 4, Want: 5}, err)
	_, err = r.Joint(c, nil, make([]float32, 30), nil, &TierSet{}, Key{})
	require.Equal(t, &ScoresError{Level: LevelExpert, Have: 30, Want: 29}, err)
	_, err = r.Joint(c, nil, make([]float32, 29), make([]float32, 3), &TierSet{}, Key{})
	require.Equal(t, &ScoresError{Level: LevelExpert, Have: 3, Want: 29}, err)
	_, err = r.Joint(c, nil, make([]float32, 29), nil, &TierSet{Tiers: []int{0}, KTier: 3, KGroup: 1, KExpert: 3}, Key{})
	require.Equal(t, &KError{Level: LevelExpert, K: 9, Allowed: 8}, err)
}

func TestNaNNamesItsPlace(t *testing.T) {
	c, set := native()
	var r Router
	key := Key{Position: 4, Layer: 2}
	want := func(l Level) error { return &NaNError{Level: l, Position: 4, Layer: 2} }
	_, err := r.Tiers(c, nil, []float32{0, nan, 0}, set, key)
	require.Equal(t, want(LevelTier), err)
	_, err = r.Groups(c, nil, TierChoice{}, []float32{0, nan}, set, key)
	require.Equal(t, want(LevelGroup), err)
	_, err = r.Experts(c, nil, GroupChoice{}, []float32{0, nan, 0, 0}, set, key)
	require.Equal(t, want(LevelExpert), err)
	j, all := flat(4, 1)
	_, err = r.Joint(j, nil, []float32{0, 0, 0, nan}, nil, all, key)
	require.Equal(t, want(LevelExpert), err)
	_, err = r.Joint(j, nil, []float32{0, 0, 0, 0}, []float32{0, nan, 0, 0}, all, key)
	require.Equal(t, want(LevelExpert), err)
	j.Score, j.LimitGroups, j.LimitUsed = Sigmoid, 2, 1
	_, err = r.Joint(j, nil, []float32{0, 0, 0, 0}, []float32{inf, -inf, 0, 0}, all, key)
	require.Equal(t, want(LevelGroup), err)
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for want, err := range map[string]error{
		"9 experts are to be chosen of the 8 that are allowed":                     &KError{Level: LevelExpert, K: 9, Allowed: 8},
		"0 groups are to be chosen: choose at least one of the 2 that are allowed": &KError{Level: LevelGroup, Allowed: 2},
		"3 tier scores were given, want 4":                                         &ScoresError{Level: LevelTier, Have: 3, Want: 4},
		"layer 2, position 4: a routing score of the level group is not a number":  &NaNError{Level: LevelGroup, Position: 4, Layer: 2},
		"routing: there are no tiers":                                              (&Config{}).Validate(),
		`tier set: "x" has no tiers`:                                               &SetError{What: `"x" has no tiers`},
		`routing: tier "b" begins at expert 1, inside the tier before it`:          (&Config{Tiers: []Tier{{Groups: 1, Experts: 2}, {Name: "b", Groups: 1, Experts: 1, First: 1}}}).Validate(),
		`routing: tier "" has 0 groups of 1 experts from index 0: out of range`:    (&Config{Tiers: []Tier{{Experts: 1}}}).Validate(),
		"routing: 3 experts do not form 2 equal groups":                            (&Config{Mode: Joint, LimitGroups: 2, LimitUsed: 1, Tiers: []Tier{{Groups: 1, Experts: 3}}}).Validate(),
	} {
		require.EqualError(t, err, want)
	}
}
