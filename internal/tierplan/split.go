package tierplan

import (
	"slices"
	"strings"
)

// Split divides a model's experts into tiers by a measured usage. The first
// tier is the best there is: it gets the experts with the largest parts of
// their layer's weight mass that fit its budget, after those without which no
// token could take its experts from it alone. The next tier gets the best of
// what is left, and so on. A tier without a budget takes all that is left.
//
// The sets are cumulative: the first tier, the first two, and so on to "full",
// the default. k has the experts of a token by set; a set that is not in it
// takes as many as the model does.
//
// It returns a *BudgetError for a tier whose budget is too small, a *RestError
// when experts are left over, or an *Error.
func Split(s *Shape, u Usage, asks []Ask, k map[string]int) (*Plan, error) {
	if err := u.fits(s); err != nil {
		return nil, err
	}
	if len(asks) == 0 || len(asks) > MaxTiers {
		return nil, errorf("%d tiers are asked for: want 1 to %d", len(asks), MaxTiers)
	}
	p := &Plan{Version: Version, Model: s.Model()}
	if err := p.addSets(s, asks, k); err != nil {
		return nil, err
	}
	left := u.order(s, p.Sets[0].KExpert)
	for i := range asks {
		t, rest, err := s.fill(&asks[i], left, i == 0, p.Sets[0].KExpert)
		if err != nil {
			return nil, err
		}
		p.Tiers, left = append(p.Tiers, t), rest
	}
	if len(left) > 0 {
		return nil, s.leftOver(p, left)
	}
	return p, p.Validate(s)
}

// addSets makes the cumulative sets.
func (p *Plan) addSets(s *Shape, asks []Ask, k map[string]int) error {
	var names []string
	used := 0
	for i := range asks {
		names = append(names, asks[i].Name)
		set := Set{Name: strings.Join(names, "+"), Tiers: slices.Clone(names), KExpert: s.Used}
		if i == len(asks)-1 {
			set.Name = "full"
		}
		if n, ok := k[set.Name]; ok {
			set.KExpert = n
			used++
		}
		p.Sets = append(p.Sets, set)
	}
	p.Default = "full"
	if used < len(k) {
		var have []string
		for i := range p.Sets {
			have = append(have, p.Sets[i].Name)
		}
		return errorf("a number of experts is given for a set that there will not be; there will be: %s", strings.Join(have, ", "))
	}
	return nil
}

// order is all experts in the order in which tiers take them: first those that
// the first tier must have for k experts of a token, then the rest, each part by
// what the experts are worth.
func (u *Usage) order(s *Shape, k int) []place {
	var first, rest []place
	type group struct{ layer, group int }
	taken := map[group]int{}
	for _, p := range u.ranked() {
		need, at := k, group{layer: p.layer}
		if s.limited() {
			// Any LimitUsed of the groups may be the ones that stay, so each of
			// them has enough for its part.
			need, at.group = (k+s.LimitUsed-1)/s.LimitUsed, int(p.index)/(s.Experts[p.layer]/s.LimitGroups)
		}
		if taken[at] < need {
			taken[at]++
			p.must = true
			first = append(first, p)
		} else {
			rest = append(rest, p)
		}
	}
	return append(first, rest...)
}

// fill takes the experts of one tier from those that are left, and returns the
// others.
func (s *Shape) fill(a *Ask, left []place, first bool, k int) (t Tier, rest []place, err error) {
	t = Tier{Name: a.Name, Budget: Budget{Parameters: a.of(s.Total())}, Experts: make(Layers, len(s.Experts))}
	for i := range t.Experts {
		t.Experts[i] = []int32{}
	}
	budget, used, must := t.Budget.Parameters, int64(0), int64(0)
	for _, p := range left {
		n := s.Params[p.layer]
		if p.must && first {
			must += n
		}
		if budget > 0 && n > budget-used {
			rest = append(rest, p)
			continue
		}
		used += n
		t.Experts[p.layer] = append(t.Experts[p.layer], p.index)
	}
	if budget > 0 && must > budget {
		return t, nil, &BudgetError{Tier: a.Name, Needs: must, Budget: budget, Least: true, Experts: s.least(k)}
	}
	if used == 0 {
		if len(left) == 0 {
			return t, nil, errorf("tier %q gets no expert: the tiers before it have them all", a.Name)
		}
		return t, nil, &BudgetError{Tier: a.Name, Needs: s.Params[left[0].layer], Budget: budget, Least: true, Experts: 1}
	}
	for _, experts := range t.Experts {
		slices.Sort(experts)
	}
	return t, rest, nil
}

// least is how many experts of a layer the first tier must have.
func (s *Shape) least(k int) int {
	if s.limited() {
		return (k + s.LimitUsed - 1) / s.LimitUsed * s.LimitGroups
	}
	return k
}

func (s *Shape) leftOver(p *Plan, left []place) error {
	e := &RestError{Experts: len(left), Needed: s.Total()}
	for _, x := range left {
		e.Parameters += s.Params[x.layer]
	}
	for i := range p.Tiers {
		e.Budgets += p.Tiers[i].Budget.Parameters
	}
	return e
}
