// Package engine runs steps: rows of several sequences go through the layers
// together, and logits come out. It stands on the token's road between whoever
// decides which tokens go next and the model's blocks.
package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/quant"
)

// Options configure an Engine. None of them changes a result but RoutingSeed.
type Options struct {
	Kernels kernel.Impl
	Threads int // workers, the caller included; at least 1
	// RoutingSeed orders equal routing scores; it belongs to the model.
	RoutingSeed uint64
	// Routed is told the experts of every row; nil when nobody asks.
	Routed func(layer int, row Row, chosen []hser.Choice)
	// Prefetch is how the experts of the next layer are guessed.
	Prefetch prefetch.Kind
	// Clock is a monotonic time, for Times; nil measures nothing.
	Clock func() time.Duration
}

// Row identifies a row to Options.Routed: a job's index in the step, and the
// token's position.
type Row struct{ Job, Pos int }

// Engine runs steps of one model. It is led by one goroutine.
type Engine struct {
	m    *model.Model
	opt  Options
	pool *par.Pool
	st   *block.Step
	// store and most make a new st: see renew.
	store expert.Store
	most  int    // rows of the largest step so far
	ahead *ahead // nil when nothing is predicted

	rows  []block.Row
	spans []block.Span
	jobOf []int // the job of each row

	x, normed, delta []float32 // rows × dim
	head             linear.Input
	picked           []float32 // rows that want logits, gathered
	pickedRows       []int
	logits           []float32
	scratch          []linear.Scratch
	headDispatch     func(worker int)
}

// New returns an engine whose experts come from store.
func New(m *model.Model, store expert.Store, opt Options) *Engine {
	e := &Engine{m: m, opt: opt, pool: par.New(opt.Threads), store: store}
	e.ahead = newAhead(e, opt.Prefetch)
	e.resetStep()
	e.scratch = make([]linear.Scratch, e.pool.Workers())
	e.headDispatch = e.headWorker
	return e
}

// newStep returns working memory of the blocks, which is empty.
func (e *Engine) newStep(store expert.Store) *block.Step {
	st := block.NewStep(block.Kernels{
		Linear: linear.For(e.opt.Kernels), Vec: vec.For(e.opt.Kernels), Attn: attn.For(e.opt.Kernels),
	}, e.pool, store)
	st.RoutingSeed = e.opt.RoutingSeed
	return st
}

// resetStep makes the step's working memory anew.
func (e *Engine) resetStep() {
	var times block.Times
	if e.st != nil {
		times = e.st.Times
	}
	e.st = e.newStep(e.store)
	e.st.Clock, e.st.Times = e.opt.Clock, times
	if e.opt.Routed != nil {
		e.st.Routed = func(layer, row int, chosen []hser.Choice) {
			e.opt.Routed(layer, Row{Job: e.jobOf[row], Pos: e.rows[row].Pos}, chosen)
		}
	}
	if e.ahead != nil {
		e.st.Asked = e.ahead.asked
	}
}

// Times is where the time of layers with experts went since the engine was made;
// zero without Options.Clock.
func (e *Engine) Times() block.Times { return e.st.Times }

// Accuracy counts how many experts were predicted, and how many of them were
// asked for.
func (e *Engine) Accuracy() (predicted, right uint64) {
	if e.ahead == nil {
		return 0, 0
	}
	return e.ahead.accuracy.Predicted, e.ahead.accuracy.Right
}

// renew makes room for a step of more rows than any before. Buffers that are
// too small would each be garbage beside its larger successor, until the
// collector looks: as much memory again as was planned. So they go first. There
// are few such steps, because each is a record.
func (e *Engine) renew(rows int) {
	if rows <= e.most {
		return
	}
	if e.most > 0 {
		e.x, e.normed, e.delta = nil, nil, nil
		e.resetStep()
		runtime.GC()
	}
	e.most = rows
}

// Close ends the engine's workers.
func (e *Engine) Close() { e.pool.Close() }

// Want says for which of a job's tokens logits are computed.
type Want uint8

// What a job may want.
const (
	WantNone Want = iota
	WantLast
	WantAll
)

// Job is what one sequence does in a step: these tokens follow those that it
// holds already.
type Job struct {
	Seq    *kv.Sequence
	Set    *hser.TierSet
	Tokens []int32
	Want   Want
	// Random, if not nil, replaces every choice of the routing heads by a
	// random one of this seed: the control of an evaluation, never of an
	// answer. It is a field of a job so that no other job can see it.
	Random *uint64

	// Err is set by Step when this job failed alone: its activations or
	// scores were not finite. Its sequence is left as it was before the step.
	Err error
	// Active is the most parameters that one of its tokens executed.
	Active int64
	// ExpertBytes is the most bytes of experts, and of leased routing heads, that
	// one of its tokens executed.
	ExpertBytes int64
}

// TokenError says that a token is not in the vocabulary.
type TokenError struct {
	Token int32
	Vocab int
}

// Error implements error.
func (e *TokenError) Error() string {
	return fmt.Sprintf("token %d is outside the vocabulary of %d", e.Token, e.Vocab)
}

// Emit receives the logits (vocabulary many, borrowed for the call) of one
// token of a job, ascending by job and position.
type Emit func(job, pos int, logits []float32) error

// Step passes the tokens of all jobs through the model and emits the logits
// that they want. An error is of the whole step: no sequence has advanced.
func (e *Engine) Step(ctx context.Context, jobs []Job, emit Emit) error {
	if err := e.begin(jobs); err != nil {
		return err
	}
	if err := e.layers(ctx); err != nil {
		return err
	}
	e.note(jobs)
	if err := e.emit(jobs, emit); err != nil {
		return err
	}
	for i := range jobs {
		if j := &jobs[i]; j.Err == nil {
			j.Seq.Advance(j.Seq.Len() + len(j.Tokens))
		}
	}
	return nil
}

// begin lays out the rows and embeds their tokens.
func (e *Engine) begin(jobs []Job) error {
	e.rows, e.spans, e.jobOf = e.rows[:0], e.spans[:0], e.jobOf[:0]
	for i := range jobs {
		j := &jobs[i]
		j.Err, j.Active, j.ExpertBytes = nil, 0, 0
		at := j.Seq.Len()
		if err := j.Seq.Reserve(at + len(j.Tokens)); err != nil {
			return err
		}
		e.spans = append(e.spans, block.Span{Lo: len(e.rows), Hi: len(e.rows) + len(j.Tokens)})
		for k, t := range j.Tokens {
			if t < 0 || int(t) >= e.m.Vocab {
				return &TokenError{Token: t, Vocab: e.m.Vocab}
			}
			e.rows = append(e.rows, block.Row{Seq: j.Seq, Pos: at + k, Set: j.Set, Random: j.Random})
			e.jobOf = append(e.jobOf, i)
		}
	}
	n, dim := len(e.rows), e.m.Dim
	e.renew(n)
	e.x, e.normed, e.delta = grow(e.x, n*dim), grow(e.normed, n*dim), grow(e.delta, n*dim)
	r := 0
	for i := range jobs {
		for _, t := range jobs[i].Tokens {
			quant.Dequantize(e.m.Embed.Type, e.x[r*dim:(r+1)*dim], e.m.Embed.Row(int(t)))
			r++
		}
	}
	e.st.Begin(e.rows, e.spans)
	e.st.CountAll(dim)
	return nil
}

// layers passes the residual stream through every layer.
func (e *Engine) layers(ctx context.Context) error {
	for i := range e.m.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := &e.m.Layers[i]
		e.norm(l.AttnNorm)
		l.Attn.Forward(e.st, i, e.delta, e.normed)
		e.st.Vec.Add(e.x, e.x, e.delta)
		e.norm(l.FFNNorm)
		if err := l.FFN.Forward(ctx, e.st, i, e.delta, e.normed); err != nil {
			return err
		}
		e.st.Vec.Add(e.x, e.x, e.delta)
	}
	return nil
}

// norm writes the normed residual stream to e.normed.
func (e *Engine) norm(weight []float32) {
	dim := e.m.Dim
	for r := range e.rows {
		e.st.Vec.RMSNorm(e.normed[r*dim:(r+1)*dim], e.x[r*dim:(r+1)*dim], weight, e.m.Eps)
	}
	e.st.CountAll(len(weight))
}

// note hands each job what its rows counted and whether one of them failed.
func (e *Engine) note(jobs []Job) {
	for r, i := range e.jobOf {
		j := &jobs[i]
		if j.Err == nil {
			j.Err = e.st.Errs[r]
		}
		j.Active = max(j.Active, e.st.Active[r])
		j.ExpertBytes = max(j.ExpertBytes, e.st.ExpertBytes[r])
	}
}

// emit computes and hands out the logits that jobs want.
func (e *Engine) emit(jobs []Job, emit Emit) error {
	e.pickedRows = e.pickedRows[:0]
	for i, span := range e.spans {
		lo := span.Hi
		switch {
		case jobs[i].Err != nil || span.Lo == span.Hi:
		case jobs[i].Want == WantAll:
			lo = span.Lo
		case jobs[i].Want == WantLast:
			lo = span.Hi - 1
		}
		for r := lo; r < span.Hi; r++ {
			e.pickedRows = append(e.pickedRows, r)
		}
	}
	for rows := e.pickedRows; len(rows) > 0; {
		n := min(model.HeadRows, len(rows))
		if err := e.emitTile(jobs, rows[:n], emit); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (e *Engine) emitTile(jobs []Job, rows []int, emit Emit) error {
	dim, vocab := e.m.Dim, e.m.Vocab
	e.picked = grow(e.picked, len(rows)*dim)
	for i, r := range rows {
		e.st.Vec.RMSNorm(e.picked[i*dim:(i+1)*dim], e.x[r*dim:(r+1)*dim], e.m.Norm, e.m.Eps)
	}
	e.logits = grow(e.logits, len(rows)*vocab)
	e.head.Set(e.picked, len(rows), dim)
	if err := e.st.Linear.Prepare(&e.head, e.m.Output.Type); err != nil {
		if bad, ok := errors.AsType[*linear.NonFiniteError](err); ok {
			for _, i := range bad.Rows {
				jobs[e.jobOf[rows[i]]].Err = err
			}
		}
	}
	e.pool.Run(e.headDispatch)
	for i, r := range rows {
		j := &jobs[e.jobOf[r]]
		if j.Err != nil {
			continue
		}
		j.Active = max(j.Active, e.st.Active[r]+int64(dim)+int64(vocab)*int64(dim))
		if err := emit(e.jobOf[r], e.rows[r].Pos, e.logits[i*vocab:(i+1)*vocab]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) headWorker(w int) {
	lo, hi := par.Split(e.m.Vocab, e.pool.Workers(), w, linear.RowAlign)
	e.st.Linear.Mul(e.logits, e.m.Vocab, e.m.Output, &e.head, lo, hi, &e.scratch[w])
}

// grow returns s with length n, keeping its memory when it is large enough.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
