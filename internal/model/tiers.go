package model

import (
	"fmt"
	"sort"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/tierplan"
)

// PlanError says that a model's experts cannot be divided by a tier plan.
type PlanError struct{ What string }

// Error implements error.
func (e *PlanError) Error() string { return e.What }

// PlanShape is what a tier plan must know of the model. It returns a *PlanError
// for a model without experts, and for one that has tiers of its own.
func (m *Model) PlanShape() (*tierplan.Shape, error) {
	s, err := m.Shape()
	if err != nil {
		return nil, err
	}
	for i := range m.Layers {
		if c := m.config(i); c != nil && (c.Mode != hser.Joint || len(c.Tiers) != 1 || c.Of != nil) {
			return nil, &PlanError{What: "this model has tiers of its own; a tier plan divides the experts of a model that has one tier"}
		}
	}
	return s, nil
}

// Shape is the model's experts, of whatever tiers. It returns a *PlanError for a
// model without experts, and for one of so many that nobody can list them.
func (m *Model) Shape() (*tierplan.Shape, error) {
	s := &tierplan.Shape{
		Name: m.Name, Architecture: m.Arch, Dim: m.Dim, Vocab: m.Vocab,
		Experts: make([]int, len(m.Layers)), Params: make([]int64, len(m.Layers)),
	}
	if len(m.Tiers) == 0 {
		return nil, &PlanError{What: "this model has no experts: there is nothing to divide into tiers"}
	}
	for i := range m.Layers {
		c := m.config(i)
		if c == nil {
			continue
		}
		n := int64(0)
		for t := range c.Tiers {
			n += m.TierSize(i, t)
		}
		if n > tierplan.MaxExperts {
			return nil, &PlanError{What: fmt.Sprintf("layer %d has %d experts, more than the %d that are counted one by one", i, n, tierplan.MaxExperts)}
		}
		s.Experts[i], s.Params[i] = int(n), int64(m.Experts[i][0].Params())
		s.LimitGroups, s.LimitUsed = c.LimitGroups, c.LimitUsed
		for t := range m.Experts[i] {
			s.Params[i] = max(s.Params[i], int64(m.Experts[i][t].Params()))
		}
	}
	for i := range m.Sets {
		if m.Sets[i].Name == m.DefaultSet {
			s.Used = m.Sets[i].K()
		}
	}
	return s, nil
}

// Divide names the experts of a flat model by the plan's tiers. The experts
// stay where they are, and with all tiers every result is the same to the bit.
// It returns a *PlanError, or what Plan.Validate does.
func (m *Model) Divide(p *tierplan.Plan) error {
	s, err := m.PlanShape()
	if err != nil {
		return err
	}
	if err := p.Validate(s); err != nil {
		return err
	}
	m.DefaultSet, m.Sets, m.Tiers = p.Default, nil, nil
	for i := range p.Sets {
		tiers, err := p.SetTiers(&p.Sets[i])
		if err != nil {
			return err
		}
		m.Sets = append(m.Sets, hser.TierSet{Name: p.Sets[i].Name, Tiers: tiers, KTier: 1, KGroup: 1, KExpert: p.Sets[i].KExpert})
	}
	for i := range p.Tiers {
		m.Tiers = append(m.Tiers, m.planned(&p.Tiers[i], s))
	}
	for i, n := range s.Experts {
		if n == 0 {
			continue
		}
		moe := m.Layers[i].FFN.(*block.MoE)
		moe.Config.Of, moe.Config.Tiers = p.Table(i, n), nil
		for t := range p.Tiers {
			moe.Config.Tiers = append(moe.Config.Tiers, hser.Tier{Name: p.Tiers[t].Name, Groups: 1, Experts: len(p.Tiers[t].Experts[i])})
		}
		for k := range m.Sets {
			if err := m.Sets[k].Validate(&moe.Config); err != nil {
				return fmt.Errorf("layer %d, tier set %q: %w", i, m.Sets[k].Name, err)
			}
		}
	}
	return nil
}

// planned is the tier of a plan. Experts is that of the layer with the most.
func (m *Model) planned(t *tierplan.Tier, s *tierplan.Shape) Tier {
	tier := Tier{Name: t.Name, Groups: 1, Params: t.Parameters(s.Params)}
	for i, experts := range t.Experts {
		if len(experts) > 0 {
			tier.Experts = max(tier.Experts, len(experts))
			tier.ThetaMax = max(tier.ThetaMax, s.Params[i])
		}
	}
	return tier
}

// TierOf is the tier of an expert of a layer, -1 when there is no such expert.
func (m *Model) TierOf(layer int, index int64) int {
	c := m.config(layer)
	switch {
	case c == nil || index < 0:
		return -1
	case c.Of != nil && index < int64(len(c.Of)):
		return int(c.Of[index])
	case c.Of != nil:
		return -1
	}
	t := sort.Search(len(c.Tiers), func(t int) bool { return int64(c.Tiers[t].First) > index }) - 1
	if t < 0 || index-int64(c.Tiers[t].First) >= m.TierSize(layer, t) {
		return -1
	}
	return t
}

// TierSize is the number of experts of a tier at a layer.
func (m *Model) TierSize(layer, tier int) int64 {
	c := m.config(layer)
	if c == nil {
		return 0
	}
	return int64(c.Tiers[tier].Groups) * int64(c.Tiers[tier].Experts)
}

// Division says which tier an expert belongs to where a plan divided those of one
// pool; nil where the pools are the tiers'.
func (m *Model) Division() expert.TierOf {
	for i := range m.Layers {
		if c := m.config(i); c != nil && c.Of != nil {
			return func(id expert.ID) int { return m.TierOf(int(id.Layer), id.Index) }
		}
	}
	return nil
}

// config is the routing of a layer, nil for a dense one.
func (m *Model) config(layer int) *hser.Config {
	switch f := m.Layers[layer].FFN.(type) {
	case *block.MoE:
		return &f.Config
	case *block.HSER:
		return f.Config
	}
	return nil
}
