package metamorphic

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/rung/verified"
	"github.com/lite-llm/lite/internal/vfs"
)

// settings are how a process runs a model.
type settings struct {
	kernels kernel.Impl
	threads int
	rung    string // one of rungs
	cache   string // one of caches
	budget  int    // one of budgets
	seed    uint64 // of routing
	// prefetch is how the experts of the next layer are guessed.
	prefetch prefetch.Kind
}

// The places that experts come from: memory, a file, a file past the page cache, a
// pack of the file, one whose bytes are checked, and one in a bucket that stumbles,
// with nothing before it, with a cache directory, and with one that is damaged.
var rungs = []string{"dram", "nvme", "direct", "pack", "verified", "object", "kept", "damaged"}

// packs are the packs of files that were used before, in shards of few experts.
var packs = map[*modeltest.File]packed{}

type packed struct {
	fs vfs.Mem
	p  *pack.Pack
}

// packOf packs a file once.
func packOf(t testing.TB, f *modeltest.File) packed {
	t.Helper()
	k, ok := packs[f]
	if !ok {
		k.fs, k.p = f.Pack(t, 100_000)
		packs[f] = k
	}
	return k
}

// openRung opens the rung that a process reads experts from, and returns the file that
// says where they are in it.
func openRung(t testing.TB, f *modeltest.File, kind string) (rung.Rung, *modeltest.File) {
	t.Helper()
	if kind == "dram" {
		return dram.New(map[string][]byte{modeltest.Path: f.Bytes}), f
	}
	if kind == "nvme" || kind == "direct" {
		r, err := nvme.Open(f.FS(), f.W.Objects, kind == "direct")
		require.NoError(t, err)
		return r, f
	}
	k := packOf(t, f)
	if kind == "object" || kind == "kept" || kind == "damaged" {
		return openBucket(t, f, k, kind), &modeltest.File{W: k.p.Model}
	}
	r, err := nvme.Open(k.fs, k.p.Model.Objects, true)
	require.NoError(t, err)
	where := &modeltest.File{W: k.p.Model}
	if kind == "verified" {
		return verified.New(r, k.p), where
	}
	return r, where
}

// The states of the cache of experts before a walk: nothing is resident, what
// another request left, all that fits, and a budget of the least that works, so
// that nothing ever stays.
var caches = []string{"cold", "partial", "full", "thrashing"}

// The divisors of the memory of all experts that a store may take.
var budgets = []int{1, 2, 5}

// The ways to guess experts.
var prefetches = []prefetch.Kind{prefetch.Off, prefetch.ByRouter, prefetch.ByTransitions}

// process is a model that runs.
type process struct {
	m     *model.Model
	r     rung.Rung
	store expert.Store
	e     *engine.Engine
	pool  *kv.Pool
	// routed folds the experts and weights of each row of the step into a hash.
	routed map[engine.Row]uint64
}

// start opens a model for sequences of that many positions together.
func start(t testing.TB, f *modeltest.File, m *model.Model, elem attn.Elem, s settings, positions int) *process {
	t.Helper()
	p := &process{m: m, pool: modeltest.Pool(m, elem, positions), routed: map[engine.Row]uint64{}}
	p.r, f = openRung(t, f, s.rung)
	all, _ := m.Layout(f.W.Stack).Slots(p.r.Align())
	budget := all / int64(s.budget)
	if s.cache == "thrashing" {
		budget = 0 // StoreOf raises it to the floor
	}
	p.store = f.StoreOf(t, m, p.r, budget)
	p.e = engine.New(m, p.store, engine.Options{Kernels: s.kernels, Threads: s.threads, RoutingSeed: s.seed, Routed: p.fold, Prefetch: s.prefetch})
	return p
}

func (p *process) stop(t testing.TB) {
	t.Helper()
	p.e.Close()
	require.NoError(t, p.store.Close())
	if p.r != nil {
		require.NoError(t, p.r.Close())
	}
	require.NoError(t, p.pool.Close(memory.Free))
}

// fold notes the experts that a row chose.
func (p *process) fold(layer int, row engine.Row, chosen []hser.Choice) {
	h := p.routed[row]
	for _, c := range chosen {
		for _, v := range []uint64{uint64(layer), uint64(c.Index), uint64(math.Float32bits(c.Weight))} {
			h = (h ^ v) * 1099511628211
		}
	}
	p.routed[row] = h
}

// outcome identifies what was computed of a position: its logits and all of
// its experts with their weights.
type outcome struct{ logits, experts uint64 }

// see is told the outcome of a position.
type see func(job, pos int, got outcome)

// step runs jobs and tells the outcomes of what they want.
func (p *process) step(t testing.TB, jobs []engine.Job, f see) {
	t.Helper()
	clear(p.routed)
	var buf []byte
	require.NoError(t, p.e.Step(context.Background(), jobs, func(job, pos int, logits []float32) error {
		buf = buf[:0]
		for _, v := range logits {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		h := fnv.New64a()
		_, _ = h.Write(buf)
		f(job, pos, outcome{h.Sum64(), p.routed[engine.Row{Job: job, Pos: pos}]})
		return nil
	}))
	for i := range jobs {
		require.NoError(t, jobs[i].Err)
		require.LessOrEqual(t, jobs[i].Active, p.m.Bound(jobs[i].Set).PActive)
		require.LessOrEqual(t, jobs[i].ExpertBytes, p.m.ExpertBytes(jobs[i].Set))
	}
}

// reference computes the outcomes of all requests the plainest way: one thread,
// the reference kernels, every expert in memory, each request at once.
func reference(t testing.TB, f *modeltest.File, m *model.Model, elem attn.Elem) [][]outcome {
	t.Helper()
	p := start(t, f, m, elem, settings{kernels: kernel.Reference, threads: 1, rung: "dram", cache: "full", budget: 1}, 256)
	defer p.stop(t)
	all := requests(m)
	want := make([][]outcome, len(all))
	for i, r := range all {
		seq := p.pool.NewSequence()
		want[i] = make([]outcome, len(r.tokens))
		p.step(t, []engine.Job{{Seq: seq, Set: r.set, Tokens: r.tokens, Want: engine.WantAll}}, func(_, pos int, got outcome) {
			want[i][pos] = got
		})
		seq.Close()
	}
	return want
}
