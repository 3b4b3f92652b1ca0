package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
)

// builder gives a family its hyper-parameters and tensors. Its first error
// sticks and makes the rest harmless, so that a family reads without a check
// on every line.
type builder struct {
	src  Source
	data Data
	arch string
	m    *Model
	err  error
	seen map[string]bool
	// sparse is nil unless the networks have been cut into experts.
	sparse *sparse
	// What attention shares between layers.
	heads, kvHeads int
	rope           *vec.Rope
}

// Limits on hyper-parameters, far above any model and far below what would
// overflow: a file that claims more is damaged or hostile.
const (
	maxLayers = 1 << 12
	maxDim    = 1 << 24
	maxRope   = 1 << 16 // values of a head that are rotated
)

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *builder) check(err error) {
	if b.err == nil {
		b.err = err
	}
}

// uintOr is an unsigned hyper-parameter of this architecture.
func (b *builder) uintOr(key string, fallback int) int {
	v, ok, err := b.src.Uint(b.arch + "." + key)
	b.check(err)
	if !ok {
		return fallback
	}
	if v > maxDim {
		b.fail("%s.%s is %d, more than the limit of %d", b.arch, key, v, maxDim)
		return 1
	}
	return int(v)
}

// uint is a hyper-parameter that must be there and positive.
func (b *builder) uint(key string) int {
	v := b.uintOr(key, 0)
	if v == 0 {
		b.fail("%s.%s is missing or zero", b.arch, key)
		return 1
	}
	return v
}

func (b *builder) floatOr(key string, fallback float64) float64 {
	v, ok, err := b.src.Float(b.arch + "." + key)
	b.check(err)
	if !ok {
		return fallback
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		b.fail("%s.%s is %v", b.arch, key, v)
	}
	return v
}

func (b *builder) boolOr(key string, fallback bool) bool {
	v, ok, err := b.src.Bool(b.arch + "." + key)
	b.check(err)
	if !ok {
		return fallback
	}
	return v
}

func (b *builder) stringOr(key, fallback string) string {
	v, ok, err := b.src.String(b.arch + "." + key)
	b.check(err)
	if !ok {
		return fallback
	}
	return v
}

// has says whether the file holds a tensor.
func (b *builder) has(name string) bool {
	_, _, ok := b.src.Tensor(name)
	return ok
}

// tensor checks that a tensor has exactly these dimensions (contiguous one
// first) and notes it as trunk. Its bytes are nil when nothing is loaded.
func (b *builder) tensor(name string, widen bool, dims ...int) (quant.Type, []byte) {
	t, have, ok := b.src.Tensor(name)
	if !ok {
		b.fail("tensor %s is missing", name)
		return 0, nil
	}
	for len(have) > len(dims) && have[len(have)-1] == 1 {
		have = have[:len(have)-1]
	}
	if !slices.Equal(have, dims) {
		b.fail("tensor %s has the shape %v, want %v", name, have, dims)
		return 0, nil
	}
	if !t.Supported() {
		b.check(&quant.UnsupportedError{Type: t, Tensor: name})
		return 0, nil
	}
	row, err := t.RowBytes(dims[0])
	if err != nil {
		b.fail("tensor %s: %w", name, err)
		return 0, nil
	}
	rows := 1
	for _, d := range dims[1:] {
		rows *= d
	}
	if !b.seen[name] {
		b.seen[name] = true
		tensor := Tensor{Name: name, Type: t, Bytes: int64(row) * int64(rows)}
		if widen {
			tensor.Widened = 4 * int64(dims[0]) * int64(rows)
		}
		b.m.Trunk = append(b.m.Trunk, tensor)
	}
	if b.data == nil || b.err != nil {
		return t, nil
	}
	return t, b.data(name)
}

// matrix is a weight matrix of rows outputs and cols inputs.
func (b *builder) matrix(name string, cols, rows int) linear.Matrix {
	t, data := b.tensor(name, false, cols, rows)
	return linear.Matrix{Type: t, Rows: rows, Cols: cols, Data: data}
}

// vector is n values, widened to F32; nil after an error: n may be what a
// hostile file says, until a tensor of that length has been found.
func (b *builder) vector(name string, n int) []float32 {
	t, data := b.tensor(name, true, n)
	if b.err != nil {
		return nil // before n, which the file may not hold, is allocated
	}
	v := make([]float32, n)
	if data != nil {
		quant.Dequantize(t, v, data)
	}
	return v
}

// optional is a vector, or nil when the file has none.
func (b *builder) optional(name string, n int) []float32 {
	if !b.has(name) {
		return nil
	}
	return b.vector(name, n)
}

// linear is a matrix with its bias, if the file has one: NAME.weight and
// NAME.bias.
func (b *builder) linear(name string, cols, rows int) block.Linear {
	return block.Linear{W: b.matrix(name+".weight", cols, rows), Bias: b.optional(name+".bias", rows)}
}

// common reads what all families have.
func (b *builder) common() {
	m := b.m
	layers := b.uint("block_count")
	if layers > maxLayers {
		b.fail("%s.block_count is %d, more than the limit of %d", b.arch, layers, maxLayers)
		return
	}
	m.Dim, m.Context = b.uint("embedding_length"), b.uint("context_length")
	eps := b.floatOr("attention.layer_norm_rms_epsilon", 1e-5)
	if eps < 0 || eps > 1 {
		b.fail("%s.attention.layer_norm_rms_epsilon is %v: want 0 to 1", b.arch, eps)
	}
	m.Eps = float32(eps)
	_, dims, ok := b.src.Tensor("token_embd.weight")
	if !ok || len(dims) != 2 {
		b.fail("tensor token_embd.weight is missing or not a matrix")
		return
	}
	m.Vocab = dims[1]
	m.Embed = b.matrix("token_embd.weight", m.Dim, m.Vocab)
	m.Norm = b.vector("output_norm.weight", m.Dim)
	m.Output = m.Embed // tied, unless the file has a head of its own
	if b.has("output.weight") {
		m.Output = b.matrix("output.weight", m.Dim, m.Vocab)
	}
	if b.err != nil {
		return
	}
	m.Layers = make([]Layer, layers)
	m.Experts = make([][]ExpertPool, layers)
	b.heads = b.uint("attention.head_count")
	b.kvHeads = b.uintOr("attention.head_count_kv", b.heads)
	if b.kvHeads == 0 || b.heads%b.kvHeads != 0 {
		b.fail("%d query heads cannot share %d key heads", b.heads, b.kvHeads)
	}
}

// layers calls f for each layer, with the prefix of its tensors' names.
func (b *builder) layers(f func(l *Layer, i int, p string)) {
	for i := range b.m.Layers {
		if b.err != nil {
			return
		}
		f(&b.m.Layers[i], i, fmt.Sprintf("blk.%d.", i))
	}
}

// rotary sets the rotation that all layers share: dims values of each head, in
// interleaved pairs or in halves.
func (b *builder) rotary(dims int, interleaved bool) vec.RopeConfig {
	c := vec.RopeConfig{Dims: dims, Base: b.floatOr("rope.freq_base", 10000), Interleaved: interleaved}
	if dims%2 != 0 || dims == 0 || dims > maxRope {
		b.fail("rope over %d values: want an even number of at most %d", dims, maxRope)
		return c
	}
	switch kind := b.stringOr("rope.scaling.type", "none"); kind {
	case "none", "":
	case "linear":
		c.Scaling, c.Factor = vec.RopeLinear, b.floatOr("rope.scaling.factor", 1)
	case "yarn":
		c.Scaling, c.Factor = vec.RopeYaRN, b.floatOr("rope.scaling.factor", 1)
		c.OriginalContext = b.uintOr("rope.scaling.original_context_length", b.m.Context)
		c.BetaFast = b.floatOr("rope.scaling.yarn_beta_fast", 32)
		c.BetaSlow = b.floatOr("rope.scaling.yarn_beta_slow", 1)
		c.AttnFactor = b.floatOr("rope.scaling.attn_factor", 1)
	default:
		b.fail("rope scaling %q is not supported (supported: none, linear, yarn)", kind)
	}
	factors := b.optional("rope_freqs.weight", dims/2)
	if b.data != nil { // they are zeros before anything is loaded
		c.FreqFactors = factors
	}
	return c
}

func (b *builder) setRope(c vec.RopeConfig) {
	if b.err != nil {
		return
	}
	rope, err := vec.NewRope(c)
	b.check(err)
	b.rope = rope
}

// gqa is the grouped-query attention of a layer.
func (b *builder) gqa(p string) *block.GQA {
	m := b.m
	if b.heads == 0 || b.err != nil {
		return &block.GQA{}
	}
	dk := b.uintOr("attention.key_length", m.Dim/b.heads)
	dv := b.uintOr("attention.value_length", dk)
	if dk == 0 || dv == 0 {
		b.fail("attention heads of %d and %d values: want at least 1", dk, dv)
		return &block.GQA{}
	}
	if b.rope.Dims() > dk {
		b.fail("rope over %d values of heads that have %d", b.rope.Dims(), dk)
	}
	a := &block.GQA{
		Heads: b.heads, KVHeads: b.kvHeads, DK: dk, DV: dv,
		Q: b.linear(p+"attn_q", m.Dim, b.heads*dk), K: b.linear(p+"attn_k", m.Dim, b.kvHeads*dk),
		V: b.linear(p+"attn_v", m.Dim, b.kvHeads*dv), O: b.linear(p+"attn_output", b.heads*dv, m.Dim),
		Eps: m.Eps, Rope: b.rope, Scale: inverseRoot(dk),
	}
	return a
}

// inverseRoot is 1/sqrt(n), rounded once.
func inverseRoot(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }

// headDim is the length of a rotated head.
func (b *builder) headDim() int { return b.uintOr("attention.key_length", b.m.Dim/max(b.heads, 1)) }

// ffn is a dense network: NAME is "ffn_%s" or "ffn_%s_shexp".
func (b *builder) ffn(p, name string, hidden int) *block.FFN {
	dim := b.m.Dim
	return &block.FFN{
		Gate: b.linear(p+fmt.Sprintf(name, "gate"), dim, hidden),
		Up:   b.linear(p+fmt.Sprintf(name, "up"), dim, hidden),
		Down: b.linear(p+fmt.Sprintf(name, "down"), hidden, dim),
	}
}

// pool notes the experts of one tier at a layer: count experts of that hidden
// size, the first with canonical index first.
func (b *builder) pool(layer int, p string, first, count, hidden int) block.Pool {
	slab := func(kind string, cols, rows int) (block.Slab, SlabTensor) {
		name := p + "ffn_" + kind + "_exps.weight"
		t, row := b.shaped(name, cols, rows, count)
		return block.Slab{Type: t, Rows: rows, Cols: cols}, SlabTensor{Name: name, Size: row * int64(rows)}
	}
	e := ExpertPool{Pool: block.Pool{First: first, Count: count}}
	e.Gate, e.Slabs[block.PartGate] = slab("gate", b.m.Dim, hidden)
	e.Up, e.Slabs[block.PartUp] = slab("up", b.m.Dim, hidden)
	e.Down, e.Slabs[block.PartDown] = slab("down", hidden, b.m.Dim)
	b.m.Experts[layer] = append(b.m.Experts[layer], e)
	return e.Pool
}

// shaped checks that a tensor which is not trunk has exactly these dimensions
// (contiguous one first), and returns its type and the bytes of one row.
func (b *builder) shaped(name string, want ...int) (quant.Type, int64) {
	t, dims, ok := b.src.Tensor(name)
	switch {
	case !ok:
		b.fail("tensor %s is missing", name)
	case !slices.Equal(dims, want):
		b.fail("tensor %s has the shape %v, want %v", name, dims, want)
	case !t.Supported():
		b.check(&quant.UnsupportedError{Type: t, Tensor: name})
	}
	row, err := t.RowBytes(want[0])
	if err != nil {
		b.fail("tensor %s: %w", name, err)
	}
	return t, int64(row)
}

// flat describes a model with one routing head per layer: one tier of one
// group, whose only set runs used experts.
func (b *builder) flat(experts, used int) hser.Config {
	if used < 1 || used > experts {
		b.fail("%d experts of %d cannot be chosen", used, experts)
	}
	b.m.Tiers = []Tier{{Name: "experts", Groups: 1, Experts: experts}}
	b.m.Sets = []hser.TierSet{{Name: "full", Tiers: []int{0}, KTier: 1, KGroup: 1, KExpert: used}}
	return hser.Config{
		Mode: hser.Joint, Score: hser.Softmax,
		Tiers: []hser.Tier{{Name: "experts", Groups: 1, Experts: experts}},
	}
}

// finish computes what follows from the rest.
func (b *builder) finish() {
	m := b.m
	if len(m.Sets) == 0 {
		m.Sets = []hser.TierSet{{Name: "full"}}
	}
	if m.DefaultSet == "" {
		m.DefaultSet = m.Sets[0].Name
	}
	b.checkSets()
	for _, pools := range m.Experts {
		for t := range pools {
			p := &pools[t]
			m.Tiers[t].Params += int64(p.Count) * int64(p.Params())
			if p.Groups > 0 {
				m.Tiers[t].RouterParams += int64(m.Dim) * int64(p.Groups+p.Count)
			}
			m.Tiers[t].ThetaMax = max(m.Tiers[t].ThetaMax, int64(p.Params()))
		}
	}
}

// checkSets holds that every layer of experts can serve every tier set, so that
// no token finds out.
func (b *builder) checkSets() {
	for i := range b.m.Layers {
		moe, ok := b.m.Layers[i].FFN.(*block.MoE)
		for s := range b.m.Sets {
			if ok && b.err == nil {
				b.check(b.m.Sets[s].Validate(&moe.Config))
			}
		}
	}
}

// row is a matrix of one output, stored as a vector.
func (b *builder) row(name string, cols int) linear.Matrix {
	t, data := b.tensor(name, false, cols)
	return linear.Matrix{Type: t, Rows: 1, Cols: cols, Data: data}
}
