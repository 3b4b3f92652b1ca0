package lite

import (
	"context"
	"errors"
	"fmt"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/sparsify"
	"github.com/lite-llm/lite/internal/tokenizer"
)

// SparsifyOptions say how a dense model becomes one of experts.
type SparsifyOptions struct {
	// Experts is the number of equal parts of each layer's network; 0 is such that
	// each has 32 neurons.
	Experts int
	// Core is how many of them hold the neurons that are strongest whatever the
	// token: the tier "core". 0 is an eighth; they need no router to be chosen.
	Core int
	// Type is what experts are stored as: "F32" (the default), with which all
	// experts together are the dense network but for the order of additions, "F16",
	// "BF16" or "Q8_0".
	Type string
	// Text is what the routers learn from, and which neurons belong together: such
	// text as the model will see, and not what it is measured on.
	Text string
	// Tokens is how many tokens of the text are used at most; 0 is 4,096.
	Tokens int
	// Progress, if not nil, is told how many layers of how many are done.
	Progress func(done, all int)
}

// Defaults of SparsifyOptions.
const (
	sparseNeurons = 32
	sparseCore    = 8 // the core is one expert of so many
	sparseTokens  = 4096
	sparseWindow  = 256 // tokens of a context
)

// SparseModel is what was written.
type SparseModel struct {
	Path    string `json:"path"`
	Experts int    `json:"experts"` // of each layer
	Neurons int    `json:"neurons"` // of each expert
	Tokens  int    `json:"tokens"`  // that it was learned from
	Type    string `json:"type"`
	// Sets are the tier sets of the new model.
	Sets []SparseSet `json:"tier_sets"`
}

// SparseSet is a tier set of a model made by Sparsify. Kept and Ideal are of all
// that experts contribute, in squares, on the text that was learned from: the share
// that the set's choice keeps, and that the best choice of so many would; the mean
// of the layers.
type SparseSet struct {
	Name    string  `json:"name"`
	Experts int     `json:"experts"` // of a token at each layer
	Kept    float64 `json:"kept"`
	Ideal   float64 `json:"ideal"`

	tiers string
	core  bool
}

// DenseError says that a model cannot be cut into experts.
type DenseError struct{ What string }

// Error implements error.
func (e *DenseError) Error() string { return "only dense models can be cut into experts: " + e.What }

// Sparsify cuts the networks of the dense model at path into experts under named
// tiers, and writes the result to the file out, whole or not at all. No weight is
// changed (but for Type): the set "full" runs all experts with weight one, and is the
// dense model. The error is Open's, a *DenseError, or an *OptionError.
func Sparsify(ctx context.Context, path, out string, o SparsifyOptions) (s *SparseModel, err error) {
	if o.Tokens == 0 {
		o.Tokens = sparseTokens
	}
	if o.Tokens < sparseWindow || o.Tokens > maxContext {
		return nil, &OptionError{What: fmt.Sprintf("%d tokens to learn from: want at least %d", o.Tokens, sparseWindow)}
	}
	m, err := Open(path, Options{Context: o.Tokens, Chunk: o.Tokens})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	c, err := newCarver(m, &o)
	if err != nil {
		return nil, err
	}
	windows, err := c.windows(o.Text)
	if err != nil {
		return nil, err
	}
	if c.file, err = createSparse(m, c, out); err != nil {
		return nil, err
	}
	if err = c.file.close(c.run(ctx, windows)); err != nil {
		return nil, err
	}
	return c.result(out, windows), nil
}

// carver stands in the place of each layer's network while a text goes through the
// model, all of it in one step, and cuts the network when it has run.
type carver struct {
	m      *Model
	o      *SparsifyOptions
	t      quant.Type
	hidden int // neurons of a layer
	sets   []SparseSet
	file   *sparseFile
}

func newCarver(m *Model, o *SparsifyOptions) (*carver, error) {
	c := &carver{m: m, o: o, t: quant.F32}
	if !model.CanBeCut(m.m.Arch) {
		return nil, &DenseError{What: fmt.Sprintf("%s is of the architecture %s", m.path, m.m.Arch)}
	}
	for i := range m.m.Layers {
		f, ok := m.m.Layers[i].FFN.(*block.FFN)
		switch {
		case !ok:
			return nil, &DenseError{What: fmt.Sprintf("layer %d of %s has experts already", i, m.path)}
		case f.Gate.Bias != nil || f.Up.Bias != nil || f.Down.Bias != nil:
			return nil, &DenseError{What: fmt.Sprintf("the network of layer %d has biases, which belong to no neuron", i)}
		}
		c.hidden = f.Gate.W.Rows // one key says it for all layers
	}
	if o.Experts == 0 {
		o.Experts = max(1, c.hidden/sparseNeurons)
	}
	if o.Core == 0 {
		o.Core = o.Experts / sparseCore
	}
	if err := c.options().Check(c.hidden); err != nil {
		return nil, &OptionError{What: err.Error()}
	}
	if o.Type != "" {
		var err error
		if c.t, err = quant.ParseType(o.Type); err != nil {
			return nil, &OptionError{What: err.Error()}
		}
	}
	if _, err := quant.Encode(nil, c.t, make([]float32, c.hidden/o.Experts)); err != nil {
		return nil, &OptionError{What: fmt.Sprintf("experts of %d neurons cannot be stored as %s: %v", c.hidden/o.Experts, c.t, err)}
	}
	c.sets = sparseSets(o.Experts, o.Core)
	return c, nil
}

func (c *carver) options() sparsify.Options {
	return sparsify.Options{Experts: c.o.Experts, Core: c.o.Core}
}

// sparseSets are the tier sets of a model of so many experts a layer.
func sparseSets(experts, core int) (sets []SparseSet) {
	all := "core, rest"
	switch core {
	case 0:
		all = "rest"
	case experts:
		all = "core"
	}
	for _, s := range []SparseSet{
		{Name: "core", Experts: core, tiers: "core", core: true},
		{Name: "fast", Experts: experts / 4, tiers: all},
		{Name: "balanced", Experts: experts / 2, tiers: all},
		{Name: "high", Experts: experts * 3 / 4, tiers: all},
	} {
		if s.Experts > 0 && s.Experts < experts {
			sets = append(sets, s)
		}
	}
	return append(sets, SparseSet{Name: "full", Experts: experts, tiers: all})
}

// windows cuts the text to learn from.
func (c *carver) windows(text string) ([][]int32, error) {
	tokens := c.m.text.tok.Encode(nil, text, tokenizer.Options{AddSpecial: true})
	window := min(sparseWindow, c.m.m.Context)
	n := min(len(tokens), c.o.Tokens) / window
	if n == 0 {
		return nil, &OptionError{What: fmt.Sprintf("the text to learn from has %d tokens: want at least %d, and better thousands", len(tokens), window)}
	}
	windows := make([][]int32, n)
	for i := range windows { // spread over the text
		at := (len(tokens) - window) * i / max(1, n-1)
		windows[i] = tokens[at : at+window]
	}
	return windows, nil
}

// run passes the text through the model once, and cuts each layer on the way.
func (c *carver) run(ctx context.Context, windows [][]int32) error {
	m := c.m
	for i := range m.m.Layers {
		l := &m.m.Layers[i]
		dense := l.FFN
		l.FFN = &carving{FFN: dense.(*block.FFN), c: c} //nolint:forcetypeassert // newCarver looked
		defer func() { l.FFN = dense }()
	}
	set, err := m.m.Set("")
	if err != nil {
		return err
	}
	jobs := make([]engine.Job, len(windows))
	for i, tokens := range windows {
		jobs[i] = engine.Job{Seq: m.pool.NewSequence(), Set: set, Tokens: tokens}
	}
	defer func() {
		for i := range jobs {
			jobs[i].Seq.Close()
		}
	}()
	if err := m.step(ctx, jobs, func(int, int, []float32) error { return nil }); err != nil {
		return err
	}
	for i := range jobs {
		if jobs[i].Err != nil {
			return jobs[i].Err
		}
	}
	return nil
}

// carving is a network that is cut after it has run.
type carving struct {
	*block.FFN
	c *carver
}

// Forward implements block.FeedForward.
func (f *carving) Forward(ctx context.Context, st *block.Step, layer int, dst, x []float32) error {
	if err := f.FFN.Forward(ctx, st, layer, dst, x); err != nil {
		return err
	}
	rows, dim := len(st.Rows), f.Gate.W.Cols
	l := &sparsify.Layer{
		Tokens: rows, Dim: dim, Neurons: f.Gate.W.Rows,
		X: x[:rows*dim], H: st.Hidden()[:rows*f.Gate.W.Rows],
	}
	down := decoded(f.Down.W)
	l.Down = columnLengths(down, f.Down.W.Cols)
	cut, err := sparsify.Carve(l, f.c.options())
	if err != nil {
		return err
	}
	f.c.note(cut)
	err = f.c.file.layer(cut, f.FFN, down)
	if f.c.o.Progress != nil {
		f.c.o.Progress(layer+1, len(f.c.m.m.Layers))
	}
	return err
}

// note adds a layer to the sets' means.
func (c *carver) note(cut *sparsify.Cut) {
	layers := float64(len(c.m.m.Layers))
	for i := range c.sets {
		s := &c.sets[i]
		s.Ideal += cut.Ideal[s.Experts-1] / layers
		if s.core {
			s.Kept += cut.CoreKept / layers
		} else {
			s.Kept += cut.Kept[s.Experts-1] / layers
		}
	}
}

// result describes what was written.
func (c *carver) result(out string, windows [][]int32) *SparseModel {
	return &SparseModel{
		Path: out, Experts: c.o.Experts, Neurons: c.hidden / c.o.Experts, Tokens: len(windows) * len(windows[0]),
		Type: c.t.String(), Sets: c.sets,
	}
}
