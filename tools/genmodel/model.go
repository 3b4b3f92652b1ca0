package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// tensor is one tensor to generate.
type tensor struct {
	gguf.Info
	mean, std float64 // of its values
	skewed    bool    // a routing head
}

// model collects the keys and the tensors of a file.
type model struct {
	Shape
	arch   string
	mix    Mix
	router float64 // standard deviation of routing scores
	skew   float64
	layer  int // the one being described, -1 outside
	kvs    []weights.KV
	infos  []gguf.Info
	byName map[string]*tensor
}

// newModel describes the model of that shape.
func newModel(s Shape, mix Mix, seed uint64, router, skew float64) (*model, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	f := families[s.Family]
	m := &model{Shape: s, arch: f.arch, mix: mix, router: router, skew: skew, layer: -1, byName: map[string]*tensor{}}
	m.set("general.architecture", f.arch)
	m.set("general.type", "model")
	m.set("general.name", fmt.Sprintf("random %s, seed %d", s.Family, seed))
	m.set("general.quantization_version", uint32(2))
	m.set("general.file_type", mix.fileType)
	m.common()
	f.keys(m)
	if err := m.tokenizer(f.tokenizer, f.pre); err != nil {
		return nil, err
	}
	m.matrix("token_embd.weight", m.embeddingStd()*math.Sqrt(float64(m.Dim)), m.Dim, m.Vocab)
	m.norm("output_norm.weight", m.Dim)
	if !m.Tied {
		m.matrix("output.weight", 3, m.Dim, m.Vocab)
	}
	for m.layer = range m.Layers {
		f.layer(m)
	}
	return m, nil
}

// embeddingStd is 1, unless the embedding is the output head too: its logits
// are to have a standard deviation of 3.
func (m *model) embeddingStd() float64 {
	if m.Tied {
		return 3 / math.Sqrt(float64(m.Dim))
	}
	return 1
}

// set adds a key. A leading "%" stands for the architecture's name.
func (m *model) set(key string, value any) {
	if rest, ok := strings.CutPrefix(key, "%"); ok {
		key = m.arch + rest
	}
	m.kvs = append(m.kvs, weights.KV{Key: key, Value: value})
}

// number adds a count or a size.
func (m *model) number(key string, n int) { m.set(key, uint32(n)) } //nolint:gosec // sizes are checked by Shape

// float adds a float.
func (m *model) float(key string, x float64) { m.set(key, float32(x)) }

// common adds the keys that every family has.
func (m *model) common() {
	m.number("%.block_count", m.Layers)
	m.number("%.context_length", m.Context)
	m.number("%.embedding_length", m.Dim)
	m.number("%.feed_forward_length", m.FF)
	m.number("%.attention.head_count", m.Heads)
	m.float("%.attention.layer_norm_rms_epsilon", m.Eps)
	m.float("%.rope.freq_base", m.RopeBase)
	m.number("%.vocab_size", m.Vocab)
}

// add describes a tensor. Inside the layers the name gets their prefix.
func (m *model) add(name string, t quant.Type, mean, std float64, dims ...int) *tensor {
	if m.layer >= 0 {
		name = fmt.Sprintf("blk.%d.%s", m.layer, name)
	}
	one := &tensor{Info: gguf.Info{Name: name, Type: t, Dims: dims}, mean: mean, std: std}
	m.infos = append(m.infos, one.Info)
	m.byName[name] = one
	return one
}

// matrix describes weights over rows of dims[0] values, so that a product with
// normed values has the standard deviation gain.
func (m *model) matrix(name string, gain float64, dims ...int) {
	t := m.mix.typeOf(name, dims[0], m.layer, &m.Shape)
	m.add(name, t, 0, gain/math.Sqrt(float64(dims[0])), dims...)
}

// norm describes the weights of a norm.
func (m *model) norm(name string, n int) { m.add(name, quant.F32, 1, 0.1, n) }

// bias describes a bias.
func (m *model) bias(name string, std float64, n int) { m.add(name, quant.F32, 0, std, n) }

// head describes a routing head over n candidates.
func (m *model) head(name string, n int) {
	m.add(name, quant.F32, 0, m.router/math.Sqrt(float64(m.Dim)), m.Dim, n).skewed = true
}
