// Package lite runs sparse-expert language models that are larger than the
// memory they are given.
//
//	m, err := lite.Open("model.gguf", lite.Options{Memory: 3 << 30})
//	if err != nil { … }
//	defer m.Close()
//	g := m.Generate(ctx, lite.Request{Prompt: "In the beginning"})
//	for token := range g.Tokens() {
//		fmt.Print(token.Text)
//	}
//	err = g.Err()
//
// The same request gives the same bits whatever the options: memory, threads,
// chunks and kernels change time only (docs/format/numerics.md).
package lite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// Model is an open model. Its methods may be called by several goroutines;
// generations take turns: one begins when the loop over another's tokens has
// ended, so a loop over tokens must not generate with the same model.
type Model struct {
	path  string
	opt   settled
	w     *weights.Model
	m     *model.Model
	plan  *Plan
	rung  rung.Rung
	trunk *trunk
	store *expert.Cache
	eng   *engine.Engine
	pool  *kv.Pool
	text  *text

	mu     sync.Mutex // one generation at a time; guards what follows
	closed bool
	routed func(layer int, row engine.Row, chosen []hser.Choice)
}

// Open opens the model at path: a GGUF file (the first one of a split), or
// "tiny", which is embedded. Files are read in place; only the trunk is loaded.
// The error is of the system for a path that cannot be read, a *FormatError,
// *FamilyError or another that names the path for a file that cannot be run, a
// *MemoryError when it does not fit, and an *OptionError for bad options.
func Open(path string, o Options) (*Model, error) {
	opt, err := o.settle()
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, opt: opt}
	if path == tiny.Name {
		m.opt.fs = vfs.Mem{tiny.Name: tiny.GGUF}
	}
	if m.w, err = gguf.Open(m.opt.fs, path); err != nil {
		return nil, err
	}
	needs, err := model.Build(m.w.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.text, err = newText(m.w.Source(), needs.Vocab); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err = m.divide(needs); err != nil {
		return nil, err
	}
	if err = m.load(needs); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// overhead is what the program may take beyond what it has resident when the
// plan is made: the collector's slack, stacks, buffers.
const overhead = 24 << 20

// divide makes the plan.
func (m *Model) divide(needs *model.Model) error {
	limit, source := m.opt.Memory, sourceOption
	available, err := memory.Available()
	if limit == 0 {
		if err != nil {
			return &OptionError{What: err.Error()}
		}
		// What is available must also hold what others start next.
		limit, source = available.Bytes-available.Bytes/10+memory.RSS(), available.Source
	}
	debug.FreeOSMemory()
	layout := needs.Layout(m.w.Where)
	align := vfs.DirectAlign
	all, largest := layout.Slots(align)
	d := demand{
		process: memory.RSS() + overhead, page: int64(kv.NewLayout(m.opt.elem, needs.KVShapes()).PageBytes()),
		scratch: func(rows int) int64 { return needs.Scratch(rows, m.opt.Threads) },
		all:     all, largest: largest, token: int64(tokenExperts(needs)) * largest,
		trunk: trunkBytes(needs.Trunk, align),
	}
	for _, t := range needs.Trunk {
		d.trunk += t.Widened
	}
	if m.path == tiny.Name { // its bytes are part of the program
		d.all, d.largest, d.token, d.trunk = 0, 0, 0, 0
	}
	m.plan, err = plan(d, limit, source, m.opt.Context, needs.Context, m.opt.Chunk, m.opt.Threads)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	m.plan.Direct = m.opt.Direct == DirectAlways ||
		m.opt.Direct == DirectAuto && m.fileBytes()+m.plan.Needs() > available.Bytes
	return nil
}

// tokenExperts is the most experts that one token runs.
func tokenExperts(m *model.Model) (n int) {
	k := 0
	for i := range m.Sets {
		k = max(k, m.Sets[i].K())
	}
	for _, pools := range m.Experts {
		if len(pools) > 0 {
			n += k
		}
	}
	return n
}

// fileBytes is the size of the model's files.
func (m *Model) fileBytes() (n int64) {
	for _, o := range m.w.Objects {
		n += o.Size
	}
	return n
}

// load reads the trunk and readies the engine.
func (m *Model) load(needs *model.Model) error {
	var err error
	if m.rung, err = m.openRung(); err != nil {
		return err
	}
	if m.trunk, err = loadTrunk(context.Background(), m.w, needs.Trunk, m.rung); err != nil {
		return err
	}
	if m.m, err = model.Build(m.w.Source(), func(name string) []byte { return m.trunk.data[name] }); err != nil {
		return err
	}
	m.store, err = expert.New(expert.Options{Rung: m.rung, Layout: m.m.Layout(m.w.Where), Budget: base.ByteSize(m.plan.Experts)})
	if err != nil {
		return err
	}
	m.pool = kv.NewPool(kv.NewLayout(m.opt.elem, m.m.KVShapes()), kv.Pages(m.plan.Context), memory.Alloc)
	seed := m.m.RoutingSeed
	if m.opt.RoutingSeed != nil {
		seed = *m.opt.RoutingSeed
	}
	m.eng = engine.New(m.m, m.store, engine.Options{
		Kernels: m.opt.kernels, Threads: m.opt.Threads, RoutingSeed: seed,
		Routed: func(layer int, row engine.Row, chosen []hser.Choice) {
			if m.routed != nil {
				m.routed(layer, row, chosen)
			}
		},
	})
	return nil
}

func (m *Model) openRung() (rung.Rung, error) {
	if m.path == tiny.Name {
		return dram.New(map[string][]byte{tiny.Name: tiny.GGUF}), nil
	}
	r, err := nvme.Open(m.opt.fs, m.w.Objects, m.plan.Direct)
	var refused *vfs.DirectError
	if m.opt.Direct == DirectAuto && errors.As(err, &refused) {
		m.plan.Direct = false
		return nvme.Open(m.opt.fs, m.w.Objects, false)
	}
	return r, err
}

// Close gives back memory and files, once no generation is running any more;
// sessions are closed before. What is asked of a closed model gives ErrClosed,
// and closing it again does nothing.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	if m.eng != nil {
		m.eng.Close()
	}
	if m.store != nil {
		errs = append(errs, m.store.Close())
	}
	if m.pool != nil {
		errs = append(errs, m.pool.Close(memory.Free))
	}
	if m.trunk != nil {
		errs = append(errs, m.trunk.close())
	}
	if m.rung != nil {
		errs = append(errs, m.rung.Close())
	}
	return errors.Join(errs...)
}

// Plan says how memory was divided.
func (m *Model) Plan() Plan { return *m.plan }
