// Package packing says what of a model goes where in a pack, and holds a pack
// against the model that it describes. It stands between model, which knows no
// files, and pack, which knows no families.
package packing

import (
	"fmt"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/sample"
	"github.com/lite-llm/lite/internal/tierplan"
)

// Of is what the pack of a model says of it, and the names of the tensors that go
// into shards. plan is the one that the model was divided by, or nil.
func Of(m *model.Model, plan *tierplan.Plan) (*pack.Manifest, [][]pack.Names) {
	n := &pack.Manifest{
		Profile: sample.Profile, Name: m.Name, Architecture: m.Arch, Layers: len(m.Layers), Routing: pack.Joint, Stacks: pack.ByLayer,
		RoutingSeed: m.RoutingSeed, DefaultSet: m.DefaultSet, Tiers: []pack.Tier{}, Sets: []pack.Set{},
	}
	for i := range m.Layers {
		if _, nested := m.Layers[i].FFN.(*block.HSER); nested {
			n.Routing = pack.Nested
		}
	}
	names := make([][]pack.Names, len(m.Tiers))
	for t := range m.Tiers {
		tier := &m.Tiers[t]
		b := builder{m: m, index: t, shapes: map[pack.Shape]int{}, tier: pack.Tier{
			Name: tier.Name, Groups: int64(tier.Groups), Experts: int64(tier.Experts),
			Budget: pack.Budget{Parameters: tier.Params}, Shapes: []pack.Shape{}, Layers: []pack.Layer{},
		}}
		if plan != nil {
			p := &plan.Tiers[t]
			b.tier.Budget.Parameters, b.tier.Placement, b.tier.Access = p.Budget.Parameters, p.Placement, p.Access
		}
		for layer := range m.Experts {
			b.layer(layer)
		}
		n.Tiers = append(n.Tiers, b.tier)
		names[t] = b.names
		if b.byTier {
			n.Stacks = pack.ByTier
		}
	}
	for i := range m.Sets {
		s := &m.Sets[i]
		set := pack.Set{Name: s.Name, Tiers: []string{}, KTier: s.KTier, KGroup: s.KGroup, KExpert: s.KExpert}
		for _, t := range s.Tiers {
			set.Tiers = append(set.Tiers, m.Tiers[t].Name)
		}
		n.Sets = append(n.Sets, set)
	}
	return n, names
}

// builder collects what one tier has at every layer.
type builder struct {
	m      *model.Model
	index  int // of the tier
	tier   pack.Tier
	names  []pack.Names
	shapes map[pack.Shape]int
	byTier bool // it has tensors of its own
}

// layer adds a layer, if the tier has experts there.
func (b *builder) layer(layer int) {
	pools := b.m.Experts[layer]
	if len(pools) == 0 {
		return
	}
	listed := b.listed(layer)
	p := &pools[0]
	if len(pools) > 1 {
		p = &pools[b.index]
	}
	count := int64(p.Count)
	if listed != nil {
		if count = int64(len(listed)); count == 0 {
			return
		}
	}
	shape := pack.ShapeOf(count, matrix(&p.Gate), matrix(&p.Up), matrix(&p.Down))
	if p.Groups > 0 {
		shape.GroupHead, shape.ExpertHead = matrix(&p.Heads.Group), matrix(&p.Heads.Expert)
	}
	at, known := b.shapes[shape]
	if !known {
		at = len(b.tier.Shapes)
		b.shapes[shape] = at
		b.tier.Shapes = append(b.tier.Shapes, shape)
	}
	b.tier.Layers = append(b.tier.Layers, pack.Layer{Layer: layer, Shape: at, Experts: listed})
	b.names = append(b.names, pack.Names{
		Gate: p.Slabs[block.PartGate].Name, Up: p.Slabs[block.PartUp].Name, Down: p.Slabs[block.PartDown].Name,
		GroupHead: p.GroupHead.Name, ExpertHead: p.ExpertHead.Name,
	})
	b.byTier = b.byTier || p.Slabs[block.PartGate].Name != fmt.Sprintf("blk.%d.ffn_gate_exps.weight", layer)
}

// listed are the experts of the tier at a layer whose tensors hold those of
// several, empty when it has none; nil when they hold only its own.
func (b *builder) listed(layer int) []int32 {
	moe, ok := b.m.Layers[layer].FFN.(*block.MoE)
	if !ok || moe.Config.Of == nil {
		return nil
	}
	all := []int32{}
	for i, t := range moe.Config.Of {
		if int(t) == b.index {
			all = append(all, int32(i))
		}
	}
	return all
}

func matrix(s *block.Slab) pack.Matrix { return pack.MatrixOf(s.Type, s.Cols, s.Rows) }

// Plan is the tier plan that a pack was made by, for the flat model that its trunk
// describes; nil when it was made by none.
func Plan(p *pack.Pack, m *model.Model) (*tierplan.Plan, error) {
	listed := false
	for i := range p.Manifest.Tiers {
		for k := range p.Manifest.Tiers[i].Layers {
			listed = listed || p.Manifest.Tiers[i].Layers[k].Experts != nil
		}
	}
	if !listed {
		return nil, nil //nolint:nilnil // most packs have none
	}
	shape, err := m.PlanShape()
	if err != nil {
		return nil, err
	}
	plan := &tierplan.Plan{Version: tierplan.Version, Model: shape.Model(), Default: p.Manifest.DefaultSet}
	for i := range p.Manifest.Tiers {
		t := &p.Manifest.Tiers[i]
		one := tierplan.Tier{
			Name: t.Name, Budget: tierplan.Budget{Parameters: t.Budget.Parameters},
			Experts: make(tierplan.Layers, len(m.Layers)), Placement: t.Placement, Access: t.Access,
		}
		for k := range t.Layers {
			one.Experts[t.Layers[k].Layer] = t.Layers[k].Experts
		}
		plan.Tiers = append(plan.Tiers, one)
	}
	for i := range p.Manifest.Sets {
		s := &p.Manifest.Sets[i]
		plan.Sets = append(plan.Sets, tierplan.Set{Name: s.Name, Tiers: s.Tiers, KExpert: s.KExpert})
	}
	return plan, nil
}

// Match holds a pack's manifest against the model that its trunk describes,
// divided by the pack's plan: both come from one writer, or somebody changed one
// of them. The error is a *pack.ManifestError. No pack fits.
func Match(p *pack.Pack, m *model.Model, path string) error {
	if p == nil {
		return nil
	}
	want, _ := Of(m, nil)
	bad := func(what string) error {
		return &pack.ManifestError{Path: path, What: "has a manifest that does not fit its trunk: other " + what}
	}
	have := p.Manifest
	switch {
	case have.Architecture != want.Architecture || have.Layers != want.Layers:
		return bad("architecture or layers")
	case have.Routing != want.Routing || have.Stacks != want.Stacks || have.RoutingSeed != want.RoutingSeed:
		return bad("routing")
	case have.DefaultSet != want.DefaultSet || len(have.Sets) != len(want.Sets):
		return bad("tier sets")
	case len(have.Tiers) != len(want.Tiers):
		return bad("tiers")
	}
	for i := range have.Tiers {
		a, b := &have.Tiers[i], &want.Tiers[i]
		if a.Name != b.Name || a.Groups != b.Groups || a.Experts != b.Experts || len(a.Layers) != len(b.Layers) {
			return bad("tiers")
		}
		if n := m.Tiers[i].Params; a.Budget.Parameters > 0 && n > a.Budget.Parameters {
			return &pack.ManifestError{Path: path, What: fmt.Sprintf("has the tier %q with a budget of %d parameters, and its experts have %d", a.Name, a.Budget.Parameters, n)}
		}
	}
	return nil
}
