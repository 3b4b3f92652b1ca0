// Package model turns a checkpoint's description into a composition of blocks
// that runs. One file per family reads like the paper; builder.go is what they
// share. It stands on the token's road between the engine and the blocks.
package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
)

// Model is a decoder: an embedding, layers, a norm and an output head.
type Model struct {
	Arch, Name          string
	Dim, Vocab, Context int
	Embed               linear.Matrix // Vocab × Dim
	Layers              []Layer
	Norm                []float32
	Eps                 float32
	Output              linear.Matrix // Vocab × Dim

	// Tiers are the named pools of experts, in canonical order; none for a
	// dense model.
	Tiers []Tier
	// Sets are the named tier sets of the model, DefaultSet one of them.
	Sets       []hser.TierSet
	DefaultSet string
	reserved   []hser.TierSet // see Reserve
	// RoutingSeed orders equal scores; it belongs to the model.
	RoutingSeed uint64

	// Trunk lists the tensors that every token may use, in the order in
	// which the family asked for them.
	Trunk []Tensor
	// Experts says where the experts of each layer are; nil for a layer
	// without.
	Experts [][]ExpertPool
}

// Layer is attention and a feed-forward network, each on the normed residual
// stream and added to it.
type Layer struct {
	AttnNorm []float32
	Attn     block.Attention
	FFNNorm  []float32
	FFN      block.FeedForward
}

// Tier is a named pool of experts of a model.
type Tier struct {
	Name    string
	Groups  int
	Experts int // per group
	// Params is the number of parameters of all its experts in all layers.
	Params int64
	// RouterParams is that of the routing heads within the tier.
	RouterParams int64
	// ThetaMax is the number of parameters of its largest expert.
	ThetaMax int64
	// Closed says that no request may use the tier.
	Closed bool
}

// Tensor is one tensor of the trunk.
type Tensor struct {
	Name  string
	Type  quant.Type
	Bytes int64
	// Widened is the memory that the tensor takes beyond Bytes, because it is
	// decoded to F32 at load.
	Widened int64
}

// ExpertPool is the experts of one tier at one layer: where the projections
// stand in the files. Expert i of the pool is at i times the slab's size.
type ExpertPool struct {
	block.Pool
	Slabs [block.Parts]SlabTensor
	// The leased heads of a nested model: that of the tier's groups, and those
	// of the experts of each group. Groups is 0 where there are none.
	Groups                int
	Heads                 block.Heads
	GroupHead, ExpertHead SlabTensor
}

// SlabTensor is the tensor that holds one projection of all experts of a pool,
// or the heads of all of its groups.
type SlabTensor struct {
	Name string
	Size int64 // bytes of one expert, or of one head
}

// KVShapes is what each layer stores per position.
func (m *Model) KVShapes() []kv.Shape {
	shapes := make([]kv.Shape, len(m.Layers))
	for i, l := range m.Layers {
		shapes[i] = l.Attn.Shape()
	}
	return shapes
}

// Bound is what a token may execute under a tier set.
func (m *Model) Bound(set *hser.TierSet) hser.Bound {
	always := int64(m.Dim) + int64(m.Vocab)*int64(m.Dim) + int64(m.Dim) // embedding row, head, last norm
	experts, theta := 0, int64(0)
	for i := range m.Layers {
		l := &m.Layers[i]
		always += int64(len(l.AttnNorm)+len(l.FFNNorm)) + int64(l.Attn.Params()) + int64(l.FFN.Params(set))
		if len(m.Experts[i]) > 0 {
			experts++
		}
	}
	for _, t := range set.Tiers {
		theta = max(theta, m.Tiers[t].ThetaMax)
	}
	return hser.NewBound(len(m.Layers), experts, always, set.K(), theta)
}

// Scratch is the bytes of working memory of a step of that many rows, by that
// many workers.
func (m *Model) Scratch(rows, workers int) int64 {
	k := m.Room()
	// Layers share buffers, each of which is as large as the layer with the
	// largest needs it: dense layers and layers of experts have different ones.
	attention, dense, experts := 0, 0, 0
	for i, l := range m.Layers {
		attention = max(attention, l.Attn.Scratch(rows, workers))
		if m.Experts[i] == nil {
			dense = max(dense, l.FFN.Scratch(k))
		} else {
			experts = max(experts, l.FFN.Scratch(k))
		}
	}
	row := dense + experts + 12*m.Dim + rowNotes
	head := min(rows, HeadRows) * (4*m.Vocab + 7*m.Dim)
	answer := answerLogits * 4 * m.Vocab
	return int64(attention) + int64(rows)*int64(row) + int64(head) + int64(answer) + int64(workers)*packing
}

// HeadRows is how many rows' logits are computed at a time: a prompt's logits
// of a large vocabulary do not fit memory together.
const HeadRows = 32

// What Scratch counts beside the buffers of the blocks.
const (
	// rowNotes is the bytes that a step notes about a row.
	rowNotes = 160
	// answerLogits is how many times the length of the logits an answer needs
	// to choose a token: a copy, candidates, probabilities and counts, two of
	// which are copied while they grow.
	answerLogits = 16
	// packing is the bytes that a worker unpacks weights in: panels of 16 rows,
	// up to 1.3 MiB for rows of 53,248 values.
	packing = 2 << 20
)

// SetError says that a model has no tier set of that name.
type SetError struct {
	Name string
	Have []string
}

// Error implements error.
func (e *SetError) Error() string {
	return fmt.Sprintf("there is no tier set %q; this model has: %s", e.Name, strings.Join(e.Have, ", "))
}

// families are the builders by general.architecture.
var families = map[string]func(b *builder){
	"llama":     llama,
	"olmoe":     olmoe,
	"qwen2":     qwen2,
	"qwen2moe":  qwen2moe,
	"qwen3":     qwen3,
	"qwen3moe":  qwen3moe,
	"deepseek2": deepseek2,
	"lite":      native,
}

// Families lists the architectures that Lite runs.
func Families() []string {
	var names []string
	for name := range families {
		names = append(names, name)
	}
	names = append(names, SparseArch)
	slices.Sort(names)
	return names
}

// FamilyError says that a file's architecture is not one that Lite runs.
type FamilyError struct{ Arch string }

// Error implements error.
func (e *FamilyError) Error() string {
	return fmt.Sprintf("architecture %q is not supported; supported: %s", e.Arch, strings.Join(Families(), ", "))
}

// Build composes the model that src describes. Without data the result says
// what the model needs and cannot run; with data its matrices stand on the
// returned bytes. It returns a *FamilyError, or an error that names the first
// key or tensor that is missing or has the wrong shape or type.
func Build(src Source, data Data) (*Model, error) {
	arch, ok, err := src.String("general.architecture")
	if err != nil {
		return nil, err
	}
	b := &builder{src: src, data: data, arch: arch, m: &Model{Arch: arch}, seen: map[string]bool{}}
	if arch == SparseArch {
		b.base()
	}
	family := families[b.arch]
	if !ok || family == nil && b.err == nil {
		return nil, &FamilyError{Arch: arch}
	}
	b.m.Name, _, _ = src.String("general.name")
	if b.err == nil {
		b.common()
	}
	if b.err == nil {
		family(b)
	}
	if b.err == nil {
		b.finish()
	}
	if b.err != nil {
		return nil, fmt.Errorf("%s: %w", arch, b.err)
	}
	return b.m, nil
}
