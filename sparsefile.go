package lite

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/sparsify"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// sparseFile writes the model of experts (docs/format/sparse.md): what is not a
// network as it is, and then each layer's experts as they are cut. The file gets its
// name when it is whole.
type sparseFile struct {
	c    *carver
	to   string
	f    *os.File
	buf  *bufio.Writer
	w    *gguf.Writer
	next []gguf.Info // tensors that are not written yet
	row  []float32
	enc  []byte
}

// createSparse begins the file.
func createSparse(m *Model, c *carver, out string) (*sparseFile, error) {
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*")
	if err != nil {
		return nil, fmt.Errorf("creating the model of experts: %w", err)
	}
	s := &sparseFile{c: c, to: out, f: f, buf: bufio.NewWriterSize(f, 1<<20)}
	if err := s.begin(m); err != nil {
		return nil, s.close(err)
	}
	return s, nil
}

// begin writes the header and everything but the networks.
func (s *sparseFile) begin(m *Model) error {
	var kept []weights.Tensor
	for t := range m.w.All() {
		if !isNetwork(t.Name) {
			kept = append(kept, t)
			s.next = append(s.next, gguf.Info{Name: t.Name, Type: t.Type, Dims: t.Dims})
		}
	}
	for i := range m.m.Layers {
		s.next = append(s.next, s.c.infos(i)...)
	}
	var err error
	if s.w, err = gguf.NewWriter(s.buf, s.c.keys(), s.next); err != nil {
		return err
	}
	for _, t := range kept {
		if err := s.copy(m, t); err != nil {
			return err
		}
	}
	return nil
}

// isNetwork says whether a tensor is one that experts replace.
func isNetwork(name string) bool {
	var layer int
	var kind string
	n, err := fmt.Sscanf(name, "blk.%d.%s", &layer, &kind)
	return err == nil && n == 2 && (kind == "ffn_gate.weight" || kind == "ffn_up.weight" || kind == "ffn_down.weight")
}

// keys are the dense model's and those of docs/format/sparse.md.
func (c *carver) keys() []weights.KV {
	var kvs []weights.KV
	for k, v := range c.m.w.Meta.All() {
		if k == "general.architecture" {
			v = model.SparseArch
		}
		kvs = append(kvs, weights.KV{Key: k, Value: v})
	}
	add := func(key string, v any) { kvs = append(kvs, weights.KV{Key: model.SparseArch + "." + key, Value: v}) }
	add("base_architecture", c.m.m.Arch)
	add("expert_feed_forward_length", uint32(c.hidden/c.o.Experts)) //nolint:gosec // smaller than a model's width
	var names []string
	var counts []uint32
	for _, t := range c.tiers() {
		names, counts = append(names, t.name), append(counts, uint32(t.experts)) //nolint:gosec // as above
	}
	add("tier.names", names)
	add("tier.expert_count", counts)
	var sets, tiers []string
	var used []uint32
	for _, set := range c.sets {
		sets, tiers, used = append(sets, set.Name), append(tiers, set.tiers), append(used, uint32(set.Experts)) //nolint:gosec // as above
	}
	add("tier_set.names", sets)
	add("tier_set.tiers", tiers)
	add("tier_set.expert_used_count", used)
	add("tier_set.default", "full")
	return kvs
}

// sparseTier is a tier of the new model.
type sparseTier struct {
	name    string
	experts int
}

func (c *carver) tiers() (tiers []sparseTier) {
	for _, t := range []sparseTier{{"core", c.o.Core}, {"rest", c.o.Experts - c.o.Core}} {
		if t.experts > 0 {
			tiers = append(tiers, t)
		}
	}
	return tiers
}

// infos are the tensors of a layer of experts.
func (c *carver) infos(layer int) []gguf.Info {
	p, dim, hidden := fmt.Sprintf("blk.%d.", layer), c.m.m.Dim, c.hidden/c.o.Experts
	infos := []gguf.Info{
		{Name: p + "ffn_gate_inp.weight", Type: quant.F32, Dims: []int{dim, c.o.Experts}},
		{Name: p + "exp_probs_b.bias", Type: quant.F32, Dims: []int{c.o.Experts}},
	}
	for i, t := range c.tiers() {
		q := fmt.Sprintf("%stier.%d.", p, i)
		infos = append(infos,
			gguf.Info{Name: q + "ffn_gate_exps.weight", Type: c.t, Dims: []int{dim, hidden, t.experts}},
			gguf.Info{Name: q + "ffn_up_exps.weight", Type: c.t, Dims: []int{dim, hidden, t.experts}},
			gguf.Info{Name: q + "ffn_down_exps.weight", Type: c.t, Dims: []int{hidden, dim, t.experts}})
	}
	return infos
}

// copy writes a tensor as it is.
func (s *sparseFile) copy(m *Model, t weights.Tensor) error {
	return s.tensor(func(out io.Writer) error {
		f, err := m.opt.fs.Open(t.Range.Object.Name)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, io.NewSectionReader(f, t.Range.Off, t.Range.Len))
		return errors.Join(err, f.Close())
	})
}

// tensor writes the next tensor.
func (s *sparseFile) tensor(data func(out io.Writer) error) error {
	name := s.next[0].Name
	s.next = s.next[1:]
	return s.w.Tensor(name, data)
}

// layer writes the router and the experts of a layer; down is its decoded
// projection.
func (s *sparseFile) layer(cut *sparsify.Cut, f *block.FFN, down []float32) error {
	write := func(t quant.Type, values []float32) func(io.Writer) error {
		return func(out io.Writer) error { return s.encode(out, t, values) }
	}
	if err := s.tensor(write(quant.F32, cut.Router)); err != nil {
		return err
	}
	if err := s.tensor(write(quant.F32, cut.Bias)); err != nil {
		return err
	}
	experts := cut.Experts
	for _, t := range s.c.tiers() {
		for _, w := range []linear.Matrix{f.Gate.W, f.Up.W} {
			if err := s.tensor(func(out io.Writer) error { return s.rows(out, w, experts[:t.experts]) }); err != nil {
				return err
			}
		}
		columns := func(out io.Writer) error { return s.columns(out, down, s.c.hidden, experts[:t.experts]) }
		if err := s.tensor(columns); err != nil {
			return err
		}
		experts = experts[t.experts:]
	}
	return nil
}

// rows writes the experts' rows of a matrix.
func (s *sparseFile) rows(out io.Writer, w linear.Matrix, experts [][]int) error {
	row := make([]float32, w.Cols)
	for _, neurons := range experts {
		for _, i := range neurons {
			quant.Dequantize(w.Type, row, w.Row(i))
			if err := s.encode(out, s.c.t, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// columns writes the experts' columns of a decoded matrix that has cols of them.
func (s *sparseFile) columns(out io.Writer, w []float32, cols int, experts [][]int) error {
	for _, neurons := range experts {
		for ; len(s.row) < len(neurons); s.row = append(s.row, 0) {
		}
		for r := 0; r < len(w); r += cols {
			for k, i := range neurons {
				s.row[k] = w[r+i]
			}
			if err := s.encode(out, s.c.t, s.row[:len(neurons)]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sparseFile) encode(out io.Writer, t quant.Type, values []float32) (err error) {
	if s.enc, err = quant.Encode(s.enc[:0], t, values); err != nil {
		return err
	}
	_, err = out.Write(s.enc)
	return err
}

// close ends the file: under its name, durably, or, after an error, not at all.
func (s *sparseFile) close(err error) error {
	if err == nil {
		err = s.w.Close()
	}
	if err == nil {
		err = s.buf.Flush()
	}
	if err == nil {
		err = s.f.Chmod(0o644) // a temporary file is for its owner only
	}
	if err == nil {
		err = s.f.Sync()
	}
	err = errors.Join(err, s.f.Close())
	if err == nil {
		err = os.Rename(s.f.Name(), s.to)
	}
	if err != nil {
		_ = os.Remove(s.f.Name()) // the error that is reported came first
		return fmt.Errorf("writing %s: %w", s.to, err)
	}
	return nil
}

// decoded is a matrix as floats.
func decoded(w linear.Matrix) []float32 {
	values := make([]float32, w.Rows*w.Cols)
	for r := range w.Rows {
		quant.Dequantize(w.Type, values[r*w.Cols:(r+1)*w.Cols], w.Row(r))
	}
	return values
}

// columnLengths is the length of each column.
func columnLengths(w []float32, cols int) []float32 {
	squares := make([]float64, cols)
	for i, v := range w {
		squares[i%cols] += float64(float64(v) * float64(v))
	}
	lengths := make([]float32, cols)
	for i, s := range squares {
		lengths[i] = float32(math.Sqrt(s))
	}
	return lengths
}
