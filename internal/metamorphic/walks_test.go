package metamorphic

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
)

// walksEach is how many walks each subject takes.
const walksEach, walksShort = 18, 4

// TestWalks computes requests in many ways: chunks, batches, caches, threads,
// kernels, rungs, budgets, restarts. Every position of every request has one
// outcome, that of the plainest way.
func TestWalks(t *testing.T) {
	each := walksEach
	if testing.Short() {
		each = walksShort
	}
	walked, subjectsWalked := pairs{}, 0
	for i := range subjects {
		s := &subjects[i]
		t.Run(s.name, func(t *testing.T) {
			subjectsWalked++
			r := rand.New(rand.NewPCG(1, uint64(i)))
			f := s.file(t)
			m := f.Build(t)
			want := reference(t, f, m, s.elem)
			requireDistinct(t, want)
			tiered := plannedModel(t, f)
			for range each {
				setup := walked.draw(r)
				w := &walk{t: t, s: s, f: f, m: m, want: want, all: requests(m), setup: setup, r: r, how: fmt.Sprintf("%s: %v", s.name, setup)}
				if setup.planned() && tiered != nil {
					w.m, w.all = tiered, inFull(tiered, w.all)
				}
				w.run()
			}
		})
	}
	if !testing.Short() && subjectsWalked == len(subjects) {
		require.Zero(t, walked.missing(), "pairs of values that no walk had")
	}
}

// requireDistinct holds that different positions have different outcomes: a
// model whose logits do not depend on its input would pass everything else.
func requireDistinct(t *testing.T, want [][]outcome) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, positions := range want {
		for _, o := range positions {
			seen[o.logits] = true
		}
	}
	n := 0
	for _, k := range lengths {
		n += k
	}
	require.Greater(t, len(seen), n*9/10)
}

// walk computes one request, sometimes beside many others.
type walk struct {
	t     *testing.T
	s     *subject
	f     *modeltest.File
	m     *model.Model
	all   []request
	want  [][]outcome
	setup setup
	how   string
	r     *rand.Rand

	p     *process
	seq   *kv.Sequence
	crowd []companion
	left  int // steps that are still crowded
	jumps bool
	next  int // request of the next companion
}

// companion is another sequence of the same steps.
type companion struct {
	request int
	seq     *kv.Sequence
}

// crowdedRows is about how many rows of companions a walk computes, in rows of
// the smallest models.
const crowdedRows = 200

func (w *walk) run() {
	w.open(w.setup.settings())
	defer w.close()
	batch := w.setup.batch()
	w.left = min(6, max(1, crowdedRows/(batch*max(1, w.s.weight))))
	w.jumps = w.r.IntN(4) > 0
	main := w.r.IntN(2)
	tokens := w.all[main].tokens
	restart, at := w.setup.restart(), w.r.IntN(len(tokens))
	for w.seq.Len() < len(tokens) {
		pos := w.seq.Len()
		if restart != "no" && pos > at {
			w.again(restart, pos)
			restart = "no"
			continue
		}
		n := w.chunk(len(tokens) - pos)
		w.step(main, tokens[pos:pos+n], batch)
	}
}

// jump is where most walks that take one token at a time begin to: what is
// before it they take at once, for the block of keys that ends at 128 is what
// single tokens are to cross.
const jump = 100

// chunk is how many of the tokens that are left the next step takes.
func (w *walk) chunk(left int) int {
	n := w.setup.chunk()
	switch {
	case n == 0:
		return left
	case n == 1 && w.seq.Len() < jump && w.jumps:
		return min(jump-w.seq.Len(), left)
	}
	return min(n, left)
}

// again forgets a part of the sequence, or all of the process.
func (w *walk) again(how string, pos int) {
	if how == "truncate" {
		w.seq.Truncate(w.r.IntN(pos + 1))
		return
	}
	w.close()
	other := w.setup.settings()
	other.threads, other.rung, other.cache = 1+w.r.IntN(3), rungs[w.r.IntN(len(rungs))], caches[w.r.IntN(4)]
	other.prefetch = prefetches[w.r.IntN(3)]
	available := kernel.Available()
	other.kernels = available[w.r.IntN(len(available))]
	w.open(other)
}

// open starts the process and brings its cache into its state.
func (w *walk) open(s settings) {
	w.p = start(w.t, w.f, w.m, w.s.elem, s, 300*128)
	warm := -1
	switch s.cache {
	case "partial":
		warm = len(w.all) - 3
	case "full":
		warm = 2
	}
	if warm >= 0 {
		seq := w.p.pool.NewSequence()
		job := engine.Job{Seq: seq, Set: w.all[warm].set, Tokens: w.all[warm].tokens}
		w.p.step(w.t, []engine.Job{job}, nil)
		seq.Close()
	}
	w.seq = w.p.pool.NewSequence()
}

// close ends the process and all of its sequences.
func (w *walk) close() {
	for _, c := range w.crowd {
		c.seq.Close()
	}
	w.crowd = w.crowd[:0]
	w.seq.Close()
	w.p.stop(w.t)
}

// step passes tokens of the request, and some of the companions', through the
// model and compares every outcome.
func (w *walk) step(main int, tokens []int32, batch int) {
	jobs := []engine.Job{{Seq: w.seq, Set: w.all[main].set, Tokens: tokens, Want: engine.WantAll}}
	which := []int{main}
	if w.left > 0 && w.r.IntN(3) > 0 || w.seq.Len() == 0 {
		w.left--
		w.gather(batch - 1)
		for i, c := range w.crowd {
			r := w.all[c.request]
			n := 1
			if i%8 == 5 {
				n = 1 + w.r.IntN(6)
			}
			n = min(n, len(r.tokens)-c.seq.Len())
			want := engine.WantAll
			if i%4 == 3 {
				want = engine.WantLast
			}
			jobs = append(jobs, engine.Job{Seq: c.seq, Set: r.set, Tokens: r.tokens[c.seq.Len() : c.seq.Len()+n], Want: want})
			which = append(which, c.request)
		}
		// The request stands among the others, not always first.
		at := w.r.IntN(len(jobs))
		jobs[0], jobs[at], which[0], which[at] = jobs[at], jobs[0], which[at], which[0]
	}
	w.p.step(w.t, jobs, func(job, pos int, got outcome) {
		if want := w.want[which[job]][pos]; want != got {
			require.Failf(w.t, "another outcome", "%s: request %d, position %d: %x, want %x", w.how, which[job], pos, got, want)
		}
	})
}

// gather makes the companions n many, in the place of those that have ended.
func (w *walk) gather(n int) {
	kept := w.crowd[:0]
	for _, c := range w.crowd {
		if c.seq.Len() < len(w.all[c.request].tokens) && len(kept) < n {
			kept = append(kept, c)
		} else {
			c.seq.Close()
		}
	}
	w.crowd = kept
	for len(w.crowd) < n {
		w.next++
		w.crowd = append(w.crowd, companion{1 + w.next%(len(w.all)-1), w.p.pool.NewSequence()})
	}
}
