package engine_test

import (
	"context"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// TestRandomRoutingStaysInItsJob runs a job that routes randomly beside one
// that does not: each gives what it gives alone.
func TestRandomRoutingStaysInItsJob(t *testing.T) {
	for _, family := range []string{"lite", "deepseek2"} {
		f := modeltest.Random(t, synth.Tiny(family), "F32", 1)
		m := f.Build(t)
		set, err := m.Set("")
		require.NoError(t, err)
		experts := map[int][][]int64{} // by job
		e := engine.New(m, f.Store(t, m), engine.Options{
			Kernels: kernel.Reference, Threads: 1,
			Routed: func(_ int, row engine.Row, chosen []hser.Choice) {
				var ids []int64
				for _, c := range chosen {
					ids = append(ids, c.Index)
				}
				experts[row.Job] = append(experts[row.Job], ids)
			},
		})
		pool := modeltest.Pool(m, attn.F32, 256)
		seed := uint64(5)
		// step returns the experts and the logits of each job.
		step := func(random ...*uint64) (map[int][][]int64, [][]float32) {
			clear(experts)
			jobs := make([]engine.Job, len(random))
			for i := range jobs {
				jobs[i] = engine.Job{Seq: pool.NewSequence(), Set: set, Tokens: modeltest.Tokens(m, 9, 3), Want: engine.WantAll, Random: random[i]}
				defer jobs[i].Seq.Close()
			}
			logits := make([][]float32, len(jobs))
			require.NoError(t, e.Step(context.Background(), jobs, func(job, _ int, row []float32) error {
				logits[job] = append(logits[job], row...)
				return nil
			}))
			return maps.Clone(experts), logits
		}
		both, logits := step(&seed, nil)
		learnedExperts, learned := step(nil)
		randomExperts, random := step(&seed)
		require.Equal(t, learned[0], logits[1], family)
		require.Equal(t, random[0], logits[0], family)
		require.Equal(t, learnedExperts[0], both[1], family)
		require.Equal(t, randomExperts[0], both[0], family)
		require.NotEqual(t, both[0], both[1], family)
		require.NotEqual(t, logits[0], logits[1], family)
		other := uint64(6)
		another, _ := step(&other)
		require.NotEqual(t, randomExperts[0], another[0], family)
		e.Close()
	}
}
