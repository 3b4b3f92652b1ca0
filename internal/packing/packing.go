// Package packing says what of a model goes where in a pack, and holds a pack
// against the model that it describes. It stands between model, which knows no
// files, and pack, which knows no families.
package packing

import (
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/sample"
)

// Match holds a pack's manifest against the model that its trunk describes: both
// come from one writer, or somebody changed one of them.
func Match(p *pack.Pack, m *model.Model, path string) error {
	if p == nil {
		return nil
	}
	want, _ := Of(m)
	bad := func(what string) error {
		return &pack.ManifestError{Path: path, What: "has a manifest that does not fit its trunk: other " + what}
	}
	have := p.Manifest
	switch {
	case have.Architecture != want.Architecture || have.Layers != want.Layers || have.Routing != want.Routing:
		return bad("architecture, layers or routing")
	case have.RoutingSeed != want.RoutingSeed:
		return bad("routing seed")
	case have.Routing == pack.Nested && len(have.Tiers) != len(want.Tiers):
		return bad("tiers")
	}
	for i := range have.Tiers {
		if have.Routing == pack.Nested && (have.Tiers[i].Name != want.Tiers[i].Name || have.Tiers[i].Groups != want.Tiers[i].Groups || have.Tiers[i].Experts != want.Tiers[i].Experts) {
			return bad("tiers")
		}
	}
	return nil
}

// Of is what a model's pack says of it, and the names of the tensors that go
// into shards.
func Of(m *model.Model) (*pack.Manifest, [][]pack.Names) {
	n := &pack.Manifest{
		Profile: sample.Profile, Name: m.Name, Architecture: m.Arch, Layers: len(m.Layers), Routing: pack.Joint,
		RoutingSeed: m.RoutingSeed, DefaultSet: m.DefaultSet, Tiers: []pack.Tier{}, Sets: []pack.Set{},
	}
	for i := range m.Layers {
		if _, nested := m.Layers[i].FFN.(*block.HSER); nested {
			n.Routing = pack.Nested
		}
	}
	names := make([][]pack.Names, len(m.Tiers))
	for t, tier := range m.Tiers {
		one := pack.Tier{
			Name: tier.Name, Groups: int64(tier.Groups), Experts: int64(tier.Experts),
			Budget: pack.Budget{Parameters: tier.Params}, Shapes: []pack.Shape{}, Layers: []pack.Layer{},
		}
		shapes := map[pack.Shape]int{}
		for layer, pools := range m.Experts {
			if t >= len(pools) {
				continue
			}
			p := &pools[t]
			shape := pack.ShapeOf(int64(p.Count), matrix(&p.Gate), matrix(&p.Up), matrix(&p.Down))
			if p.Groups > 0 {
				shape.GroupHead, shape.ExpertHead = matrix(&p.Heads.Group), matrix(&p.Heads.Expert)
			}
			at, known := shapes[shape]
			if !known {
				at = len(one.Shapes)
				shapes[shape] = at
				one.Shapes = append(one.Shapes, shape)
			}
			one.Layers = append(one.Layers, pack.Layer{Layer: layer, Shape: at})
			names[t] = append(names[t], pack.Names{
				Gate: p.Slabs[block.PartGate].Name, Up: p.Slabs[block.PartUp].Name, Down: p.Slabs[block.PartDown].Name,
				GroupHead: p.GroupHead.Name, ExpertHead: p.ExpertHead.Name,
			})
		}
		n.Tiers = append(n.Tiers, one)
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

func matrix(s *block.Slab) pack.Matrix { return pack.MatrixOf(s.Type, s.Cols, s.Rows) }
