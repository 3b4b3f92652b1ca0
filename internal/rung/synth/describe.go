package synth

import (
	"fmt"
	"strings"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
	wsynth "github.com/lite-llm/lite/internal/weights/synth"
)

// Model is a synthetic model: its description, and what makes its bytes.
type Model struct {
	Spec    Spec
	W       *weights.Model
	objects map[string]*object
}

// object is the trunk, or what is leased of one layer.
type object struct {
	base.Object
	key      uint64 // of its bytes, with the seed
	sections []section
}

// section is a tensor: records of equal length, one after the other, each of
// which is leased by itself and has a digest of its own.
type section struct {
	off, record, count int64
	blocks             *wsynth.Blocks
}

// end is where the section ends in its object.
func (s *section) end() int64 { return s.off + s.record*s.count }

// New describes a synthetic model. No weight is made before it is read, and
// nothing here grows with the number of experts: there are a few tensors for each
// tier of each layer.
func New(s Spec) (*Model, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	tiers, groups, experts := s.sizes()
	shape := wsynth.Shape{
		Family: "lite", Layers: s.Layers, Dim: s.Dim, Heads: s.Dim / headDim, KVHeads: s.Dim / headDim, HeadDim: headDim, FF: s.FF,
		Vocab: vocabulary, Context: positions, RopeBase: 10000, Eps: 1e-5, Tied: true, ExpertsUsed: kExpert,
	}
	for t := range tiers {
		shape.Tiers = append(shape.Tiers, wsynth.Tier{Name: fmt.Sprintf("t%d", t), FF: s.FF, Groups: groups, Experts: experts})
	}
	mix, err := wsynth.ParseMix("Q4_K")
	if err != nil {
		return nil, err
	}
	d, err := wsynth.New(shape, wsynth.Options{Mix: mix, Seed: s.Seed, Heads: quant.Q8_0})
	if err != nil {
		return nil, err
	}
	m := &Model{Spec: s, objects: map[string]*object{}}
	tensors, err := m.layOut(d, int64(groups), int64(tiers)*int64(groups)*int64(experts))
	if err != nil {
		return nil, err
	}
	meta, err := weights.NewMeta(keys(s, d, &shape))
	if err != nil {
		return nil, err
	}
	var objects []base.Object
	for i := range s.Layers + 1 {
		objects = append(objects, m.objects[objectName(i-1)].Object)
	}
	for i := range tensors { // their objects have all of their size now
		tensors[i].Range.Object = m.objects[tensors[i].Range.Object.Name].Object
	}
	m.W, err = weights.New(meta, objects, tensors)
	return m, err
}

// objectName is the object of what is leased of a layer; layer -1 is the trunk.
func objectName(layer int) string {
	if layer < 0 {
		return "synthetic/trunk"
	}
	return fmt.Sprintf("synthetic/L%03d", layer)
}

// keys are the metadata: the name says what the model is, and there is one set of
// all tiers.
func keys(s Spec, d *wsynth.Model, shape *wsynth.Shape) []weights.KV {
	var kvs []weights.KV
	for _, kv := range d.Keys() {
		if !strings.HasPrefix(kv.Key, "lite.tier_set.") && kv.Key != "general.name" {
			kvs = append(kvs, kv)
		}
	}
	names := make([]string, len(shape.Tiers))
	for i := range names {
		names[i] = shape.Tiers[i].Name
	}
	one := func(key string, value any) { kvs = append(kvs, weights.KV{Key: key, Value: value}) }
	one("general.name", fmt.Sprintf("synthetic, %g parameters, seed %d", s.Params, s.Seed))
	one("lite.tier_set.names", []string{"full"})
	one("lite.tier_set.tiers", []string{strings.Join(names, ",")})
	one("lite.tier_set.tier_used_count", []uint32{kTier})
	one("lite.tier_set.group_used_count", []uint32{kGroup})
	one("lite.tier_set.expert_used_count", []uint32{kExpert})
	return kvs
}

// layOut gives every tensor its place in an object.
func (m *Model) layOut(d *wsynth.Model, groups, experts int64) ([]weights.Tensor, error) {
	kinds := map[kind]*wsynth.Blocks{}
	var tensors []weights.Tensor
	for _, info := range d.Infos() {
		size, err := info.Bytes()
		if err != nil {
			return nil, err
		}
		layer, records := place(info, groups, experts/int64(len(d.Tiers)))
		name := objectName(layer)
		o := m.objects[name]
		if o == nil {
			o = &object{Object: base.Object{Name: name}, key: uint64(layer + 1)} //nolint:gosec // from 0
			m.objects[name] = o
		}
		mean, std := d.Values(info.Name)
		k := kind{info.Type, mean, std}
		if kinds[k] == nil {
			kinds[k] = wsynth.NewBlocks(info.Type, mean, std, m.Spec.Seed)
		}
		at := (o.Size + 63) &^ 63
		o.sections = append(o.sections, section{off: at, record: size / records, count: records, blocks: kinds[k]})
		o.Size = at + size
		tensors = append(tensors, weights.Tensor{
			Name: info.Name, Type: info.Type, Dims: info.Dims,
			Range: base.Range{Object: base.Object{Name: name}, Off: at, Len: size},
		})
	}
	return tensors, nil
}

// kind is what tensors that are alike have in common.
type kind struct {
	t         quant.Type
	mean, std float64
}

// place is the object of a tensor, by layer, and the records that it has there.
func place(info gguf.Info, groups, experts int64) (layer int, records int64) {
	var tier int
	var rest string
	if n, _ := fmt.Sscanf(info.Name, "blk.%d.tier.%d.%s", &layer, &tier, &rest); n < 3 {
		return -1, 1
	}
	switch rest {
	case "ffn_group_inp.weight":
		return layer, 1
	case "ffn_expert_inp.weight":
		return layer, groups
	}
	return layer, experts
}

// DescriptionBytes is the size of the model's description as a file has it: the
// header of a GGUF file with its keys and tensors, and none of their bytes.
func (m *Model) DescriptionBytes() (int64, error) {
	var kvs []weights.KV
	for key, value := range m.W.Meta.All() {
		kvs = append(kvs, weights.KV{Key: key, Value: value})
	}
	var infos []gguf.Info
	for t := range m.W.All() {
		infos = append(infos, gguf.Info{Name: t.Name, Type: t.Type, Dims: t.Dims})
	}
	var n counter
	if _, err := gguf.NewWriter(&n, kvs, infos); err != nil {
		return 0, err
	}
	return int64(n), nil
}

// Sizes are the tiers of the model, the groups of each, and the experts of each
// group.
func (m *Model) Sizes() (tiers, groups, experts int) { return m.Spec.sizes() }

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
