package synth

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

// Options say what is random and how.
type Options struct {
	Mix  Mix
	Seed uint64
	// Router is the standard deviation of routing scores; 0 means 2.
	Router float64
	// Skew is how unevenly experts are chosen: rows of routing heads are scaled
	// by exp(skew·z), z normal.
	Skew float64
	// Heads is the format of routing heads; 0 is F32.
	Heads quant.Type
}

// defaultRouter is the standard deviation of routing scores.
const defaultRouter = 2

// Model is the description of a file: its keys and its tensors.
type Model struct {
	Shape
	opt    Options
	arch   string
	mix    Mix
	layer  int // the one being described, -1 outside
	kvs    []weights.KV
	infos  []gguf.Info
	byName map[string]*tensor
}

// New describes the model of that shape. Nothing random is made before it is
// written.
func New(s Shape, opt Options) (*Model, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if opt.Router == 0 {
		opt.Router = defaultRouter
	}
	f, mix, seed := families[s.Family], opt.Mix, opt.Seed
	m := &Model{Shape: s, opt: opt, arch: f.arch, mix: mix, layer: -1, byName: map[string]*tensor{}}
	m.set("general.architecture", f.arch)
	m.set("general.type", "model")
	m.set("general.name", fmt.Sprintf("random %s, seed %d", s.Family, seed))
	m.set("general.quantization_version", uint32(2))
	m.set("general.file_type", mix.fileType)
	if f.base != "" {
		m.arch = f.base
	}
	m.common()
	m.arch = f.arch
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

// Keys are the metadata in the order of the file.
func (m *Model) Keys() []weights.KV { return m.kvs }

// Infos are the tensors in the order of the file.
func (m *Model) Infos() []gguf.Info { return m.infos }

// Values are the mean and the standard deviation of the values of a tensor, by
// its name.
func (m *Model) Values(name string) (mean, std float64) {
	t := m.byName[name]
	return t.mean, t.std
}

// embeddingStd is 1, unless the embedding is the output head too: its logits
// are to have a standard deviation of 3.
func (m *Model) embeddingStd() float64 {
	if m.Tied {
		return 3 / math.Sqrt(float64(m.Dim))
	}
	return 1
}

// set adds a key. A leading "%" stands for the architecture's name.
func (m *Model) set(key string, value any) {
	if rest, ok := strings.CutPrefix(key, "%"); ok {
		key = m.arch + rest
	}
	m.kvs = append(m.kvs, weights.KV{Key: key, Value: value})
}

// number adds a count or a size.
func (m *Model) number(key string, n int) { m.set(key, uint32(n)) } //nolint:gosec // sizes are checked by Shape

// float adds a float.
func (m *Model) float(key string, x float64) { m.set(key, float32(x)) }

// common adds the keys that every family has.
func (m *Model) common() {
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
func (m *Model) add(name string, t quant.Type, mean, std float64, dims ...int) *tensor {
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
func (m *Model) matrix(name string, gain float64, dims ...int) {
	t := m.mix.typeOf(name, dims[0], m.layer, &m.Shape)
	m.add(name, t, 0, gain/math.Sqrt(float64(dims[0])), dims...)
}

// norm describes the weights of a norm.
func (m *Model) norm(name string, n int) { m.add(name, quant.F32, 1, 0.1, n) }

// bias describes a bias.
func (m *Model) bias(name string, std float64, n int) { m.add(name, quant.F32, 0, std, n) }

// head describes a routing head over n candidates.
func (m *Model) head(name string, n int) {
	t := fallback(m.opt.Heads, m.Dim)
	m.add(name, t, 0, m.opt.Router/math.Sqrt(float64(m.Dim)), m.Dim, n).skewed = t == quant.F32
}
