package tierplan

import (
	"slices"
	"strings"
)

// Validate says whether the plan is one for a model of that shape: every expert
// in exactly one tier, budgets kept, names that can be spelled, sets that every
// layer can serve. It returns a *ModelError, a *BudgetError or an *Error.
func (p *Plan) Validate(s *Shape) error {
	if len(p.Tiers) == 0 || len(p.Tiers) > MaxTiers || len(p.Sets) == 0 || len(p.Sets) > MaxSets {
		return errorf("there are %d tiers and %d tier sets: want 1 to %d tiers and 1 to %d sets", len(p.Tiers), len(p.Sets), MaxTiers, MaxSets)
	}
	if err := s.Check("tier plan", p.Model); err != nil {
		return err
	}
	if err := p.validateTiers(s); err != nil {
		return err
	}
	return p.validateSets(s)
}

// validateTiers checks names, membership and budgets.
func (p *Plan) validateTiers(s *Shape) error {
	for i := range p.Tiers {
		t := &p.Tiers[i]
		if err := checkName("tier", t.Name, MaxName, ""); err != nil {
			return err
		}
		if p.Index(t.Name) != i {
			return errorf("there are two tiers %q", t.Name)
		}
		if len(t.Experts) != len(s.Experts) {
			return errorf("tier %q has lists for %d layers, and the model has %d layers", t.Name, len(t.Experts), len(s.Experts))
		}
	}
	for layer, n := range s.Experts {
		if err := p.validateLayer(layer, n); err != nil {
			return err
		}
	}
	for i := range p.Tiers {
		t := &p.Tiers[i]
		n := t.Parameters(s.Params)
		switch {
		case t.Budget.Parameters < 0:
			return errorf("tier %q has a budget of %d parameters: want a number from 0", t.Name, t.Budget.Parameters)
		case t.Budget.Parameters > 0 && n > t.Budget.Parameters:
			return &BudgetError{Tier: t.Name, Needs: n, Budget: t.Budget.Parameters}
		case n == 0:
			return errorf("tier %q has no experts", t.Name)
		}
	}
	return nil
}

// validateLayer holds that each of a layer's n experts is in one tier.
func (p *Plan) validateLayer(layer, n int) error {
	in := make([]int, n) // 1 + the tier
	placed := 0
	for t := range p.Tiers {
		last := int32(-1)
		for _, e := range p.Tiers[t].Experts[layer] {
			switch {
			case e < 0 || int(e) >= n:
				return errorf("tier %q names the expert %d of layer %d, which has %d experts", p.Tiers[t].Name, e, layer, n)
			case e <= last:
				return errorf("tier %q, layer %d: experts must ascend, each once; %d follows %d", p.Tiers[t].Name, layer, e, last)
			case in[e] != 0:
				return errorf("expert %d of layer %d is in the tiers %q and %q: want one", e, layer, p.Tiers[in[e]-1].Name, p.Tiers[t].Name)
			}
			in[e], last = t+1, e
			placed++
		}
	}
	if placed < n {
		return errorf("expert %d of layer %d is in no tier", slices.Index(in, 0), layer)
	}
	return nil
}

// validateSets checks names, tiers and numbers of the sets.
func (p *Plan) validateSets(s *Shape) error {
	for i := range p.Sets {
		set := &p.Sets[i]
		if err := checkName("tier set", set.Name, MaxTiers*(MaxName+1), "+"); err != nil {
			return err
		}
		if p.set(set.Name) != i {
			return errorf("there are two tier sets %q", set.Name)
		}
		tiers, err := p.SetTiers(set)
		if err != nil {
			return err
		}
		for layer, n := range s.Experts {
			if n == 0 {
				continue
			}
			have := 0
			for _, t := range tiers {
				have += len(p.Tiers[t].Experts[layer])
			}
			if set.KExpert < 1 || set.KExpert > have {
				return errorf("tier set %q takes %d experts of the %d that its tiers have at layer %d", set.Name, set.KExpert, have, layer)
			}
		}
	}
	if p.set(p.Default) < 0 {
		return errorf("the default tier set %q is none of the sets", p.Default)
	}
	return nil
}

func (p *Plan) set(name string) int {
	return slices.IndexFunc(p.Sets, func(s Set) bool { return s.Name == name })
}

// SetTiers is the indices of a set's tiers, ascending. A tier that is not there
// or is named twice is an *Error.
func (p *Plan) SetTiers(set *Set) ([]int, error) {
	if len(set.Tiers) == 0 {
		return nil, errorf("tier set %q has no tiers", set.Name)
	}
	var tiers []int
	for _, name := range set.Tiers {
		t := p.Index(name)
		if t < 0 {
			return nil, errorf("tier set %q names the tier %q, which does not exist", set.Name, name)
		}
		if slices.Contains(tiers, t) {
			return nil, errorf("tier set %q names the tier %q twice", set.Name, name)
		}
		tiers = append(tiers, t)
	}
	slices.Sort(tiers)
	return tiers, nil
}

// checkName holds names to what a command line, a list and a directory can
// spell.
func checkName(what, name string, longest int, also string) error {
	for _, r := range name {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-."+also, r)
		if !plain {
			return errorf("%q is no name of a %s: want letters, digits, '_', '-' and '.'", name, what)
		}
	}
	if name == "" || name[0] == '.' || name[0] == '-' || len(name) > longest {
		return errorf("%q is no name of a %s: want 1 to %d bytes, of which the first is no '.' or '-'", name, what, longest)
	}
	return nil
}
