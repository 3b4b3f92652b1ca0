package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// liveHeap is the bytes of the Go heap that are in use.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finalised
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestScratchCountsEverything holds what a step keeps of the heap to what the
// plan of memory has for it, for every family, and the plan to what a step
// keeps: no more than twice as much, but for what each worker may pack.
func TestScratchCountsEverything(t *testing.T) {
	const rows = 256
	impl, err := kernel.Default()
	require.NoError(t, err)
	for _, family := range synth.Families() {
		for _, mix := range []string{"Q8_0", "Q4_K_M"} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/%s/workers=%d", family, mix, workers), func(t *testing.T) {
					s := synth.Tiny(family)
					s.Dim, s.FF, s.ExpertFF, s.SharedFF, s.Vocab = 256, 512, 256, 256, 1024
					for i := range s.Tiers {
						s.Tiers[i].FF = 256 << i
					}
					file := modeltest.Random(t, s, mix, 1)
					m := file.Build(t)
					store := file.Store(t, m)
					defer func() { require.NoError(t, store.Close()) }()
					pool := modeltest.Pool(m, attn.F16, rows)
					seq := pool.NewSequence()
					set, err := m.Set("")
					require.NoError(t, err)
					tokens := modeltest.Tokens(m, rows, 1)

					before := liveHeap()
					e := engine.New(m, store, engine.Options{Kernels: impl, Threads: workers})
					defer e.Close()
					jobs := []engine.Job{{Seq: seq, Set: set, Tokens: tokens, Want: engine.WantAll}}
					require.NoError(t, e.Step(context.Background(), jobs, func(int, int, []float32) error { return nil }))
					require.NoError(t, jobs[0].Err)
					kept := liveHeap() - before
					planned := m.Scratch(rows, workers)
					t.Logf("kept %d KiB of %d KiB", kept>>10, planned>>10)
					// These rows are short: what is planned for packing them must
					// not hide what else is missing.
					idle := int64(workers) * (2<<20 - 512<<10)
					require.LessOrEqual(t, kept, planned-idle)
					if impl != kernel.Reference { // which packs nothing, and needs less
						require.Greater(t, 2*kept, planned-idle, "the plan has far more than is needed")
					}

					runtime.KeepAlive(e)
					seq.Close()
					require.NoError(t, pool.Close(memory.Free))
				})
			}
		}
	}
}
