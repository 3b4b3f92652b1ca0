// Package block holds the building blocks of a layer: attention (GQA, MLA) and
// feed-forward networks (dense, experts chosen flat, experts chosen through
// tiers and groups). A model family is a composition of them. It stands where
// the two roads cross: a token's row asks for experts here, and their leases
// are multiplied here.
package block

import (
	"context"
	"time"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/par"
)

// Kernels are the arithmetic of a step. All implementations give equal bits.
type Kernels struct {
	Linear *linear.Kernels
	Vec    *vec.Kernels
	Attn   *attn.Kernels
}

// Row is one token of a step: where its keys and values go, and its absolute
// position there.
type Row struct {
	Seq *kv.Sequence
	Pos int
	// Set is the tiers that the row's request may use.
	Set *hser.TierSet
	// Random, if not nil, is the seed of choices that are random instead of
	// learned (hser.Key).
	Random *uint64
}

// Span is a run of rows [Lo, Hi) that belong to one sequence, at consecutive
// positions.
type Span struct{ Lo, Hi int }

// Routed is told which experts a row chose at a layer, in ascending index. It
// is called by one goroutine; the slice is borrowed for the call.
type Routed func(layer, row int, chosen []hser.Choice)

// Step is the working memory of one pass of a batch through the layers, and
// the hands that work on it. Buffers are kept from step to step, so that a
// steady state allocates nothing. It is used by one goroutine, which leads the
// pool's workers.
type Step struct {
	Kernels
	Store       expert.Store
	RoutingSeed uint64
	Routed      Routed // nil when nobody asks
	// Asked is called when a layer has asked the store for its experts, and
	// before any of them is waited for or run; nil when there is nothing to do
	// then. ids, each named once, are borrowed for the call.
	Asked func(layer int, ids []expert.ID)
	// Clock is a monotonic time. With it, Times adds up where the time of layers
	// with experts goes; nil costs nothing. Nothing reads them to decide.
	Clock func() time.Duration
	Times Times

	// The batch, set by Begin.
	Rows  []Row
	Spans []Span

	// Active counts the parameters that each row executed, ExpertBytes the
	// bytes of the leased ones, and Errs holds what failed a row alone:
	// the others of the batch go on.
	Active      []int64
	ExpertBytes []int64
	Errs        []error

	pool     *par.Pool
	task     task
	dispatch func(worker int)
	all      []int // 0, 1, …: the identity map of rows
	angles   map[*vec.Rope]*angles
	workers  []worker
	mul      mulTask
	gqa      gqaTask
	mla      mlaTask
	gate     gateTask
	combine  combineTask
	in, in2  linear.Input // activations of the trunk
	ffn      ffnBuffers
	moe      moeBuffers
	hser     hserBuffers
	router   hser.Router
	q, k, v  []float32
	out      []float32
}

// Times is where the time of layers with experts went: to their choice, the
// reading of leased routing heads included, and to reading, running and adding
// the chosen ones.
type Times struct{ Router, Experts time.Duration }

// now is the time on the clock, if there is one.
func (st *Step) now() time.Duration {
	if st.Clock == nil {
		return 0
	}
	return st.Clock()
}

// timed adds what a layer took: its choice from begin to chosen, and its experts
// from then until now.
func (st *Step) timed(begin, chosen time.Duration) {
	st.Times.Router += chosen - begin
	st.Times.Experts += st.now() - chosen
}

// worker is what one worker needs for itself.
type worker struct {
	linear linear.Scratch
	attn   attn.Scratch
	in     linear.Input
	tmp    []float32
	tmp2   []float32
	lens   []int
	bad    []int // rows whose activations were not finite
}

// task is a region of work that all workers of the pool share.
type task interface{ run(st *Step, worker int) }

// NewStep returns a step that works with the pool's workers.
func NewStep(k Kernels, pool *par.Pool, store expert.Store) *Step {
	st := &Step{Kernels: k, Store: store, pool: pool, workers: make([]worker, pool.Workers())}
	st.router.Arith = k.Vec
	st.dispatch = func(worker int) { st.task.run(st, worker) }
	return st
}

// Begin starts a pass of the given rows. Spans cover them exactly.
func (st *Step) Begin(rows []Row, spans []Span) {
	st.Rows, st.Spans = rows, spans
	st.Active, st.ExpertBytes = grow(st.Active, len(rows)), grow(st.ExpertBytes, len(rows))
	st.Errs = grow(st.Errs, len(rows))
	clear(st.Active)
	clear(st.ExpertBytes)
	clear(st.Errs)
	for i := len(st.all); i < len(rows); i++ {
		st.all = append(st.all, i)
	}
	for _, a := range st.angles {
		a.ready = false
	}
}

// parallel runs a task on all workers and returns when they are done.
func (st *Step) parallel(t task) {
	st.task = t
	st.pool.Run(st.dispatch)
}

// fail notes the first error of a row.
func (st *Step) fail(row int, err error) {
	if st.Errs[row] == nil {
		st.Errs[row] = err
	}
}

// Count says that each of the rows executed n more parameters.
func (st *Step) Count(rows []int, n int) {
	for _, r := range rows {
		st.Active[r] += int64(n)
	}
}

// grow returns s with length n, keeping its memory when it is large enough.
// The content is unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Attention mixes the positions of each sequence.
type Attention interface {
	// Forward writes the attention output of every row of x (rows × dim,
	// normed) to dst, and appends the rows' keys and values to their
	// sequences at this layer.
	Forward(st *Step, layer int, dst, x []float32)
	// Shape is what the layer stores per position.
	Shape() kv.Shape
	// Params is the number of parameters that every row executes.
	Params() int
	// Scratch is the number of bytes of the buffers of a step of that many
	// rows, by that many workers.
	Scratch(rows, workers int) int
}

// FeedForward transforms each row alone.
type FeedForward interface {
	// Forward writes the output for every row of x (rows × dim, normed) to
	// dst. An error ends the whole step (bytes that could not be read);
	// what concerns one row alone is noted in st.Errs.
	Forward(ctx context.Context, st *Step, layer int, dst, x []float32) error
	// Params is the number of parameters, experts apart, that a row executes
	// at most under a tier set.
	Params(set *hser.TierSet) int
	// Scratch is the number of bytes of a step's buffers per row, for k
	// experts of a row.
	Scratch(k int) int
}

// Router is a feed-forward network of experts whose routing is trunk: it can be
// asked without leasing anything.
type Router interface {
	FeedForward
	// Route chooses the experts of every row of x (rows × dim, normed); then
	// Step.Chosen has them. What concerns one row alone is noted in st.Errs,
	// and it has none.
	Route(st *Step, layer int, x []float32)
}

// Chosen is the experts that Route chose for a row, ascending by index. It is
// borrowed until the next Route.
func (st *Step) Chosen(row int) []hser.Choice { return st.moe.row(row) }

// CountAll says that every row executed n more parameters.
func (st *Step) CountAll(n int) {
	for r := range st.Active {
		st.Active[r] += int64(n)
	}
}
