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
	"errors"
	"fmt"
	"sync"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/rung/synth"
	"github.com/lite-llm/lite/internal/rung/verified"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
)

// Model is an open model. Its methods may be called by several goroutines;
// generations take turns: one begins when the loop over another's tokens has
// ended, so a loop over tokens must not generate with the same model.
type Model struct {
	path string
	opt  settled
	w    *weights.Model
	pack *pack.Pack // nil when the model is not a pack
	// remote is where the model is, nil when that is this machine's files, and
	// places say where its tiers may be.
	remote *remote
	places []tierPlace
	shards bool // the tiers are those of the pack, in shards of their own
	tight  bool // the model does not fit the memory that is free
	// synthetic makes the bytes of a synthetic model; nil for any other.
	synthetic *synth.Model
	m         *model.Model
	plan      *Plan
	rung      rung.Rung
	trunk     *trunk
	store     *expert.Cache
	eng       *engine.Engine
	pool      *kv.Pool
	text      *text
	// uncap ends the limit on the Go heap; it may be called again.
	uncap func()

	mu     sync.Mutex // one generation at a time; guards what follows
	closed bool
	routed func(layer int, row engine.Row, chosen []hser.Choice)
}

// Open opens the model at path: a GGUF file (the first one of a split), the
// directory of a pack, "tiny", which is embedded, a model in an object store, such
// as "s3://bucket/model.pack" (see Storage), or a synthetic model such as
// "synth:1e15" (package internal/rung/synth), whose random weights are made as they
// are read. Files are read in place; only the trunk is loaded.
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
	if err = m.capHeap(); err != nil {
		return nil, err
	}
	if err = m.open(path); err != nil {
		if m.remote != nil && m.remote.object != nil {
			err = m.remote.doubt(err)
		}
		return nil, readError(errors.Join(err, m.Close()))
	}
	return m, nil
}

// open reads the description, makes the plan and loads what it says.
func (m *Model) open(path string) error {
	err := m.openRemote(path)
	if err != nil {
		return err
	}
	if err = m.describe(m.name()); err != nil {
		return err
	}
	needs, err := m.build(nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if m.text, err = newText(m.w.Source(), needs.Vocab); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err = m.placeTiers(needs); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err = m.divide(needs); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return m.load(needs)
}

// build builds the model that the description and the options say.
func (m *Model) build(data model.Data) (*model.Model, error) {
	built, err := model.Build(m.w.Source(), data)
	if err == nil && m.opt.Tiers != nil {
		err = built.Divide(m.opt.Tiers)
	}
	if err == nil && len(m.opt.OpenTiers) > 0 {
		err = built.OpenTiers(m.opt.OpenTiers)
	}
	for _, set := range m.opt.TierSets {
		if err == nil {
			err = built.Reserve(set)
		}
	}
	return built, err
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
	open := m.openRung
	if m.remote != nil {
		open = func() (rung.Rung, error) { return m.openObjects(needs) }
	}
	var err error
	if m.rung, err = open(); err != nil {
		return err
	}
	read := func(jobs []readJob) error { return m.readTrunk(jobs, unitOf(needs)) }
	if m.trunk, err = loadTrunk(m.w, needs.Trunk, m.rung, vfs.DirectAlign, read); err != nil {
		return err
	}
	if m.m, err = m.build(func(name string) []byte { return m.trunk.data[name] }); err != nil {
		return err
	}
	if err = m.chooseThreads(); err != nil {
		return err
	}
	if m.plan.Experts < m.plan.AllExperts {
		par.Reserve(m.plan.Threads, m.plan.ReadDepth)
	}
	m.store, err = expert.New(expert.Options{
		Rung: m.rung, Layout: m.m.Layout(m.w.Stack), Budget: base.ByteSize(m.plan.Experts), Depth: m.plan.ReadDepth, Off: m.opt.NoCache,
		Tiers: m.held(), TierOf: m.m.Division(),
	})
	if err != nil {
		return err
	}
	if err = m.loadPinned(); err != nil {
		return err
	}
	m.pool = kv.NewPool(kv.NewLayout(m.opt.elem, m.m.KVShapes()), kv.Pages(m.plan.Context), memory.Alloc)
	seed := m.m.RoutingSeed
	if m.opt.RoutingSeed != nil {
		seed = *m.opt.RoutingSeed
	}
	m.eng = engine.New(m.m, m.store, engine.Options{
		Kernels: m.opt.kernels, Threads: m.plan.Threads, RoutingSeed: seed, Clock: m.opt.clock(), Prefetch: m.prefetch(),
		Routed: func(layer int, row engine.Row, chosen []hser.Choice) {
			if m.routed != nil {
				m.routed(layer, row, chosen)
			}
		},
	})
	return nil
}

// prefetch is how experts are guessed: not at all where they all stay in memory.
func (m *Model) prefetch() prefetch.Kind {
	if m.plan.Experts >= m.plan.AllExperts && !m.bounded() {
		return prefetch.Off
	}
	return m.opt.prefetch
}

func (m *Model) openRung() (rung.Rung, error) {
	if m.synthetic != nil {
		return m.synthetic.Rung(), nil
	}
	if m.path == tiny.Name {
		return dram.New(map[string][]byte{tiny.Name: tiny.GGUF}), nil
	}
	r, err := m.openFiles(m.plan.Direct)
	if _, refused := errors.AsType[*DirectError](err); refused && m.opt.Direct == DirectAuto {
		m.plan.Direct = false
		r, err = m.openFiles(false)
	}
	return r, err
}

// openFiles opens the model's files as a rung, which checks what it reads of a
// pack that is not trusted.
func (m *Model) openFiles(direct bool) (rung.Rung, error) {
	r, err := nvme.Open(m.opt.fs, m.w.Objects, direct)
	if err != nil {
		return nil, err // and not a rung that is nil
	}
	if m.pack != nil && m.opt.verify() {
		return verified.New(r, m.pack), nil
	}
	return r, nil
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
	if m.remote != nil {
		errs = append(errs, m.remote.close())
	}
	if m.uncap != nil {
		m.uncap()
	}
	return errors.Join(errs...)
}

// Plan says how memory was divided.
func (m *Model) Plan() Plan { return *m.plan }
