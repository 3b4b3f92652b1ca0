package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// bench is an engine on a small model, with room for some sequences.
type bench struct {
	m    *model.Model
	e    *engine.Engine
	pool *kv.Pool
	open []*kv.Sequence
}

func newBench(t *testing.T, f *modeltest.File) *bench {
	t.Helper()
	return newBenchOf(t, f, 2)
}

func newBenchOf(t *testing.T, f *modeltest.File, threads int) *bench {
	t.Helper()
	m := f.Build(t)
	store := f.Store(t, m)
	b := &bench{m: m, e: engine.New(m, store, engine.Options{Kernels: kernel.Reference, Threads: threads}), pool: modeltest.Pool(m, attn.F16, 16*128)}
	t.Cleanup(func() {
		b.e.Close()
		for _, s := range b.open {
			s.Close()
		}
		require.NoError(t, store.Close())
		require.NoError(t, b.pool.Close(memory.Free))
	})
	return b
}

// job is one of the default tier set on an empty sequence.
func (b *bench) job(t *testing.T, want engine.Want, tokens ...int32) engine.Job {
	t.Helper()
	set, err := b.m.Set("")
	require.NoError(t, err)
	s := b.pool.NewSequence()
	b.open = append(b.open, s)
	return engine.Job{Seq: s, Set: set, Tokens: tokens, Want: want}
}

// logits of a step, by job and position.
type logits map[[2]int][]float32

// step runs jobs and returns the logits.
func (b *bench) step(t *testing.T, jobs []engine.Job) logits {
	t.Helper()
	got := logits{}
	last := [2]int{-1, -1}
	require.NoError(t, b.e.Step(context.Background(), jobs, func(job, pos int, row []float32) error {
		at := [2]int{job, pos}
		require.Positive(t, slices.Compare(at[:], last[:]), "ascending by job and position")
		last = at
		require.Len(t, row, b.m.Vocab)
		got[at] = slices.Clone(row)
		return nil
	}))
	return got
}

func requireBits(t *testing.T, want, got []float32, msg string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want), append([]any{msg}, args...)...)
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			require.Failf(t, "other bits", msg, args...)
		}
	}
}

// small are models of both kinds of routing and both kinds of attention.
func small(t *testing.T) map[string]*modeltest.File {
	t.Helper()
	return map[string]*modeltest.File{
		"qwen2": modeltest.Random(t, synth.Tiny("qwen2"), "F32", 1), "olmoe": modeltest.Random(t, synth.Tiny("olmoe"), "Q8_0", 1),
		"deepseek2": modeltest.Random(t, synth.Tiny("deepseek2"), "Q5_0", 1), "lite": modeltest.Random(t, synth.Tiny("lite"), "Q4_1", 1),
	}
}

// TestBatch runs several sequences together: each gives the bits that it gives
// alone, token by token.
func TestBatch(t *testing.T) {
	for name, f := range small(t) {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, f)
			lengths := []int{1, 7, 40, 2}
			jobs, alone := make([]engine.Job, len(lengths)), make([]logits, len(lengths))
			for i, n := range lengths {
				tokens := modeltest.Tokens(b.m, n, uint64(i))
				jobs[i] = b.job(t, engine.WantAll, tokens...)
				one := b.job(t, engine.WantAll, tokens[0])
				alone[i] = logits{}
				for pos := range tokens {
					one.Tokens = tokens[pos : pos+1]
					single := []engine.Job{one}
					alone[i][[2]int{i, pos}] = b.step(t, single)[[2]int{0, pos}]
				}
			}
			together := b.step(t, jobs)
			require.Len(t, together, 1+7+40+2)
			for i, n := range lengths {
				require.Equal(t, n, jobs[i].Seq.Len())
				for pos := range n {
					requireBits(t, alone[i][[2]int{i, pos}], together[[2]int{i, pos}], "job %d, position %d", i, pos)
				}
			}
		})
	}
}

// TestWant emits what each job wants and nothing else, and counts the same.
func TestWant(t *testing.T) {
	b := newBench(t, modeltest.Random(t, synth.Tiny("olmoe"), "Q8_0", 1))
	tokens := modeltest.Tokens(b.m, 40, 9)
	jobs := []engine.Job{
		b.job(t, engine.WantAll, tokens...), b.job(t, engine.WantNone, tokens...), b.job(t, engine.WantLast, tokens...),
		b.job(t, engine.WantAll), b.job(t, engine.WantLast),
	}
	got := b.step(t, jobs)
	require.Len(t, got, 41)
	requireBits(t, got[[2]int{0, 39}], got[[2]int{2, 39}], "the last")
	bound := b.m.Bound(&b.m.Sets[0]).PActive
	require.Equal(t, bound, jobs[0].Active)
	require.Equal(t, bound, jobs[2].Active)
	require.Equal(t, bound-int64(b.m.Dim)-int64(b.m.Dim*b.m.Vocab), jobs[1].Active, "without norm and head")
	require.Zero(t, jobs[3].Active)
	require.Equal(t, []int{40, 40, 40, 0, 0}, []int{jobs[0].Seq.Len(), jobs[1].Seq.Len(), jobs[2].Seq.Len(), jobs[3].Seq.Len(), jobs[4].Seq.Len()})
	require.Empty(t, b.step(t, nil))
	require.Empty(t, b.step(t, []engine.Job{b.job(t, engine.WantLast)}))
}

// poison makes a token's embedding infinite.
func poison(t *testing.T, f *modeltest.File, token int) {
	t.Helper()
	x, ok := f.W.Tensor("token_embd.weight")
	require.True(t, ok)
	row := f.Tensor(t, x.Name)[int64(token)*x.Range.Len/512:]
	switch x.Type.String() {
	case "F32":
		binary.LittleEndian.PutUint32(row, math.Float32bits(float32(math.NaN())))
	default: // a block begins with its scale
		binary.LittleEndian.PutUint16(row, 0x7c00)
	}
}

// TestFailingRow has a job one of whose tokens is not finite: it fails alone,
// the bits of the others stay, and its sequence is as it was and goes on.
func TestFailingRow(t *testing.T) {
	for name, f := range small(t) {
		if name == "qwen2" {
			continue // float weights and no router: nothing looks, but the sampler
		}
		t.Run(name, func(t *testing.T) {
			const bad = 77
			poison(t, f, bad)
			b := newBench(t, f)
			a, c := modeltest.Tokens(b.m, 20, 1), modeltest.Tokens(b.m, 30, 2)
			require.NotContains(t, append(slices.Clone(a), c...), int32(bad))
			clean := b.step(t, []engine.Job{b.job(t, engine.WantAll, a...), b.job(t, engine.WantAll, c...)})

			failing := b.job(t, engine.WantAll, c[:10]...)
			b.step(t, []engine.Job{failing})
			failing.Tokens = append(slices.Clone(c[10:15]), bad, 3, 4)
			jobs := []engine.Job{b.job(t, engine.WantAll, a...), failing, b.job(t, engine.WantAll, c...)}
			got := b.step(t, jobs)
			require.NoError(t, jobs[0].Err)
			require.NoError(t, jobs[2].Err)
			var infinite *linear.NonFiniteError
			var nan *hser.NaNError
			require.True(t, errors.As(jobs[1].Err, &infinite) || errors.As(jobs[1].Err, &nan), "%v", jobs[1].Err)
			require.Len(t, got, len(a)+len(c), "the failed job emits nothing")
			for pos := range a {
				requireBits(t, clean[[2]int{0, pos}], got[[2]int{0, pos}], "before it, position %d", pos)
			}
			for pos := range c {
				requireBits(t, clean[[2]int{1, pos}], got[[2]int{2, pos}], "after it, position %d", pos)
			}
			require.Equal(t, 10, jobs[1].Seq.Len())
			again := []engine.Job{jobs[1]}
			again[0].Tokens = c[10:]
			got = b.step(t, again)
			require.NoError(t, again[0].Err)
			for pos := 10; pos < 30; pos++ {
				requireBits(t, clean[[2]int{1, pos}], got[[2]int{0, pos}], "itself, position %d", pos)
			}
		})
	}
}

// TestStepErrors end a step as a whole: no sequence advances, and the same step
// gives the same bits afterwards.
func TestStepErrors(t *testing.T) {
	b := newBench(t, modeltest.Random(t, synth.Tiny("lite"), "Q8_0", 1))
	tokens := modeltest.Tokens(b.m, 30, 4)
	want := b.step(t, []engine.Job{b.job(t, engine.WantAll, tokens...)})
	jobs := []engine.Job{b.job(t, engine.WantAll, tokens...), b.job(t, engine.WantAll, 1, 2, 3)}
	none := func(int, int, []float32) error { return nil }

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, b.e.Step(cancelled, jobs, none), context.Canceled)

	broken := errors.New("the reader is gone")
	emitted := 0
	require.ErrorIs(t, b.e.Step(context.Background(), jobs, func(int, int, []float32) error {
		emitted++
		return broken
	}), broken)
	require.Equal(t, 1, emitted)

	for _, token := range []int32{-1, 512, math.MaxInt32} {
		jobs[1].Tokens = []int32{1, token}
		var outside *engine.TokenError
		require.ErrorAs(t, b.e.Step(context.Background(), jobs, none), &outside)
		require.Equal(t, engine.TokenError{Token: token, Vocab: 512}, *outside)
	}

	jobs[1].Tokens = make([]int32, 16*128)
	var full *kv.FullError
	require.ErrorAs(t, b.e.Step(context.Background(), jobs, none), &full)

	require.Zero(t, jobs[0].Seq.Len())
	require.Zero(t, jobs[1].Seq.Len())
	jobs[1].Seq.Close()
	got := b.step(t, jobs[:1])
	for pos := range tokens {
		requireBits(t, want[[2]int{0, pos}], got[[2]int{0, pos}], "position %d", pos)
	}
}

// TestCancelBetweenLayers cancels a step while it runs.
func TestCancelBetweenLayers(t *testing.T) {
	f := modeltest.Random(t, synth.Tiny("olmoe"), "Q8_0", 1)
	m := f.Build(t)
	ctx, cancel := context.WithCancel(context.Background())
	last := -1
	e := engine.New(m, f.Store(t, m), engine.Options{Kernels: kernel.Reference, Threads: 1, Routed: func(layer int, _ engine.Row, _ []hser.Choice) {
		last = layer
		cancel()
	}})
	defer e.Close()
	seq := modeltest.Pool(m, attn.F16, 128).NewSequence()
	jobs := []engine.Job{{Seq: seq, Set: &m.Sets[0], Tokens: []int32{5}, Want: engine.WantLast}}
	require.ErrorIs(t, e.Step(ctx, jobs, func(int, int, []float32) error { return nil }), context.Canceled)
	require.Zero(t, last, "the second layer was not routed")
	require.Zero(t, seq.Len())
}

// TestReadError has a disk that fails at each read in turn: the step ends with
// a typed error, and the next one gives the same bits.
func TestReadError(t *testing.T) {
	f := modeltest.Random(t, synth.Tiny("lite"), "Q8_0", 2)
	m := f.Build(t)
	set, err := m.Set("")
	require.NoError(t, err)
	tokens := modeltest.Tokens(m, 3, 8)
	run := func(fails int64) (got []float32, failures int) {
		disk := errorfs.New(f.FS(), errorfs.Nth(fails).Fail(syscall.EIO))
		r, err := nvme.Open(disk, f.W.Objects, false)
		require.NoError(t, err)
		store := f.StoreOf(t, m, r, 0)
		e := engine.New(m, store, engine.Options{Kernels: kernel.Reference, Threads: 1})
		pool := modeltest.Pool(m, attn.F16, 128)
		seq := pool.NewSequence()
		for {
			jobs := []engine.Job{{Seq: seq, Set: set, Tokens: tokens, Want: engine.WantLast}}
			err := e.Step(context.Background(), jobs, func(_, _ int, row []float32) error {
				got = append(got, row...)
				return nil
			})
			if err == nil {
				require.NoError(t, jobs[0].Err)
				break
			}
			var failed *rung.ReadError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, syscall.EIO)
			require.Zero(t, seq.Len())
			failures++
		}
		e.Close()
		seq.Close()
		require.NoError(t, pool.Close(memory.Free))
		require.NoError(t, store.Close())
		require.NoError(t, r.Close())
		return got, failures
	}
	want, failures := run(math.MaxInt64)
	require.Zero(t, failures)
	for i := range int64(12) {
		got, failures := run(i)
		require.Equal(t, 1, failures, "read %d", i)
		requireBits(t, want, got, "read %d", i)
	}
}

// TestSteadyState allocates nothing once a step like it has run. It has one
// worker, since AllocsPerRun leaves the process one processor; that a region of
// several allocates nothing is tested in par.
func TestSteadyState(t *testing.T) {
	for name, f := range small(t) {
		b := newBenchOf(t, f, 1)
		jobs := []engine.Job{b.job(t, engine.WantLast, 1), b.job(t, engine.WantLast, 2)}
		emit := func(int, int, []float32) error { return nil }
		run := func() {
			if err := b.e.Step(context.Background(), jobs, emit); err != nil {
				t.Error(err)
			}
		}
		for range 8 {
			run()
		}
		require.LessOrEqual(t, testing.AllocsPerRun(20, run), 0.0, name)
	}
}
