package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/tierplan"
	"github.com/lite-llm/lite/internal/weights/synth"
)

var kinds = []prefetch.Kind{prefetch.Off, prefetch.ByRouter, prefetch.ByTransitions}

// hints is a store that notes what it is hinted at.
type hints struct {
	expert.Store
	all   []expert.ID
	calls int
}

func (h *hints) Hint(ids []expert.ID) {
	h.all = append(h.all, ids...)
	h.calls++
	h.Store.Hint(ids)
}

// openFile is an engine whose experts are read from a file, a third of which fit.
func openFile(t *testing.T, f *modeltest.File, kind prefetch.Kind, threads int) (*bench, *hints) {
	t.Helper()
	m := f.Build(t)
	r, err := nvme.Open(f.FS(), f.W.Objects, false)
	require.NoError(t, err)
	all, _ := m.Layout(f.W.Stack).Slots(r.Align())
	store := &hints{Store: f.StoreOf(t, m, r, all/3)}
	b := &bench{
		m: m, pool: modeltest.Pool(m, attn.F16, 16*128),
		e: engine.New(m, store, engine.Options{Kernels: kernel.Reference, Threads: threads, Prefetch: kind}),
	}
	t.Cleanup(func() {
		b.e.Close()
		for _, s := range b.open {
			s.Close()
		}
		require.NoError(t, store.Close())
		require.NoError(t, r.Close())
		require.NoError(t, b.pool.Close(memory.Free))
	})
	return b, store
}

// TestPrefetchIsNotSeen decodes with and without: the logits and the parameters
// that were counted are the same, and what was predicted is often right.
func TestPrefetchIsNotSeen(t *testing.T) {
	for _, family := range []string{"olmoe", "qwen2moe", "deepseek2", "lite"} {
		f := modeltest.Random(t, synth.Tiny(family), "Q8_0", 3)
		var want []logits
		var active []int64
		for _, kind := range kinds {
			b, store := openFile(t, f, kind, 2)
			jobs := []engine.Job{b.job(t, engine.WantAll), b.job(t, engine.WantLast)}
			prompt := modeltest.Tokens(b.m, 40, 5)
			for i, at := range []int{0, 20, 21, 22, 23, 24, 25, 26, 27, 28} {
				to := max(20, at+1)
				jobs[0].Tokens, jobs[1].Tokens = prompt[at:to], prompt[at+1:to+1]
				got := b.step(t, jobs)
				if kind == prefetch.Off {
					want, active = append(want, got), append(active, jobs[0].Active, jobs[1].Active)
					continue
				}
				for at, row := range want[i] {
					requireBits(t, row, got[at], "%s %v, step %d, %v", family, kind, i, at)
				}
				require.Equal(t, active[2*i], jobs[0].Active)
				require.Equal(t, active[2*i+1], jobs[1].Active)
				if i == 0 {
					require.Empty(t, store.all, "a prompt asks for nearly everything")
				}
			}
			predicted, right := b.e.Accuracy()
			if kind == prefetch.Off {
				require.Zero(t, store.calls)
				require.Zero(t, predicted)
				continue
			}
			require.Positive(t, store.calls)
			if family == "lite" && kind == prefetch.ByRouter {
				require.Zero(t, predicted, "the heads of the next layer are leased")
				continue
			}
			require.Positive(t, predicted)
			require.LessOrEqual(t, right, predicted)
			if kind == prefetch.ByRouter {
				require.Greater(t, 3*right, predicted, "%s: worse than a router that is asked early", family)
			}
		}
	}
}

// TestPrefetchKeepsToTheTierSet: what a request may not use is not named for it,
// whatever others chose before.
func TestPrefetchKeepsToTheTierSet(t *testing.T) {
	for _, family := range []string{"lite", "olmoe"} {
		for _, kind := range kinds[1:] {
			t.Run(fmt.Sprint(family, kind), func(t *testing.T) { keepsToTheTierSet(t, family, kind) })
		}
	}
}

// keepsToTheTierSet runs a model of that family, a flat one under a tier plan.
func keepsToTheTierSet(t *testing.T, family string, kind prefetch.Kind) {
	f := modeltest.Random(t, synth.Tiny(family), "Q8_0", 3)
	b, store := openFile(t, f, kind, 1)
	if s, err := b.m.PlanShape(); err == nil {
		p, err := tierplan.Split(s, tierplan.NewUsage(s.Experts), []tierplan.Ask{{Name: "fast", Share: 0.5}, {Name: "rest"}}, nil)
		require.NoError(t, err)
		require.NoError(t, b.m.Divide(p))
	}
	step := func(sets ...*hser.TierSet) (tiers []int) {
		store.all = store.all[:0]
		var jobs []engine.Job
		for _, set := range sets {
			j := b.job(t, engine.WantLast)
			j.Set = set
			jobs = append(jobs, j)
		}
		for token := range int32(8) {
			for i := range jobs {
				jobs[i].Tokens = []int32{17*token + int32(i)}
			}
			b.step(t, jobs)
		}
		for _, id := range store.all {
			tiers = append(tiers, b.m.TierOf(int(id.Layer), id.Index))
		}
		slices.Sort(tiers)
		return slices.Compact(tiers)
	}
	all, one := &b.m.Sets[len(b.m.Sets)-1], &b.m.Sets[0]
	require.Greater(t, len(all.Tiers), len(one.Tiers))
	require.Subset(t, all.Tiers, step(all))
	for _, last := range [][]*hser.TierSet{{one}, {one, one}} {
		got := step(last...)
		if kind == prefetch.ByTransitions {
			require.NotEmpty(t, got)
		}
		require.Subset(t, one.Tiers, got, kind)
	}
}

// TestPrefetchSteadyState allocates nothing either.
func TestPrefetchSteadyState(t *testing.T) {
	for _, family := range []string{"olmoe", "lite"} {
		for _, kind := range kinds[1:] {
			b, store := openFile(t, modeltest.Random(t, synth.Tiny(family), "Q8_0", 3), kind, 1)
			store.all = make([]expert.ID, 0, 1<<16)
			jobs := []engine.Job{b.job(t, engine.WantLast, 1), b.job(t, engine.WantLast, 2)}
			emit := func(int, int, []float32) error { return nil }
			run := func() {
				if err := b.e.Step(context.Background(), jobs, emit); err != nil {
					t.Error(err)
				}
			}
			for range 40 {
				run()
			}
			require.LessOrEqual(t, testing.AllocsPerRun(20, run), 0.0, fmt.Sprint(family, kind))
		}
	}
}

// TestAheadScratch holds what predicting keeps of the heap to what is planned for
// it.
func TestAheadScratch(t *testing.T) {
	for _, family := range []string{"olmoe", "deepseek2", "lite"} {
		s := synth.Tiny(family)
		s.Dim, s.FF, s.ExpertFF, s.SharedFF = 256, 512, 256, 256
		f := modeltest.Random(t, s, "Q4_K_M", 3)
		kept := map[prefetch.Kind]int64{}
		for _, kind := range kinds {
			before := liveHeap()
			b, store := openFile(t, f, kind, 1)
			var jobs []engine.Job
			for range 8 {
				jobs = append(jobs, b.job(t, engine.WantLast))
			}
			for token := range int32(8) {
				for i := range jobs {
					jobs[i].Tokens = []int32{token, 7 + int32(i)}[token%2:][:1]
				}
				b.step(t, jobs)
			}
			store.all = nil
			kept[kind] = liveHeap() - before
		}
		for _, kind := range kinds[1:] {
			planned := engine.AheadScratch(f.Build(t), kind)
			more := kept[kind] - kept[prefetch.Off]
			t.Logf("%s %v: %d KiB of %d KiB", family, kind, more>>10, planned>>10)
			// What the allocator rounds up, and what else of the process moves.
			require.LessOrEqual(t, more, planned+64<<10, "%s %v", family, kind)
		}
	}
}
