package lite

import (
	"context"
	"iter"
	"time"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/kernel/attn"
)

// Batch is several answers that are computed together: a step reads each expert
// once for all of them. It is used by one goroutine.
type Batch struct {
	m     *Model
	ctx   context.Context //nolint:containedctx // as in Generation
	gens  []*Generation
	used  bool
	stats Stats

	jobs []engine.Job
	of   []*Generation // the owner of each job
}

// GenerateBatch answers requests together. Each answer is, to the bit, the one
// that Generate gives; one that fails leaves the others alone. The model's
// context is divided: each answer may take an equal part of its positions, and
// ends with StopContext where that is full. What an answer needs to choose a
// token, some twelve bytes for each token of the vocabulary, is planned for one
// answer, and each further one takes it from what the plan leaves to the collector.
// Nothing is computed before Tokens is ranged over.
func (m *Model) GenerateBatch(ctx context.Context, requests []Request) *Batch {
	b := &Batch{m: m, ctx: ctx}
	room := m.plan.Context
	if n := len(requests); n > 1 {
		room = min(room, m.pool.Positions()/attn.BlockLen/n*attn.BlockLen)
	}
	for _, r := range requests {
		b.gens = append(b.gens, m.NewSession().generate(ctx, r, room))
	}
	return b
}

// Generations are the answers, in the order of the requests. Their Stats hold
// what concerns one answer alone; the batch's hold the rest.
func (b *Batch) Generations() []*Generation { return b.gens }

// Stats are the measurements of the whole batch: tokens and rates are those of
// all answers together, and the first token is that of the last answer to begin.
func (b *Batch) Stats() Stats { return b.stats }

// Tokens computes the answers and yields their tokens as they come, with the
// number of the request. Breaking off ends all answers. It can be ranged over
// once.
func (b *Batch) Tokens() iter.Seq2[int, Token] {
	return func(yield func(int, Token) bool) {
		if b.used {
			return
		}
		b.used = true
		b.m.mu.Lock()
		defer b.m.mu.Unlock()
		if b.m.closed {
			for _, g := range b.gens {
				g.fail(ErrClosed)
			}
			return
		}
		before := b.m.counts()
		b.run(yield)
		b.stats.since(before, b.m.counts())
		b.stats.Residency = b.m.Rungs()
		for _, g := range b.gens {
			g.used = true
			b.add(g)
			g.s.Close()
		}
	}
}

// add adds an answer's numbers to the batch's.
func (b *Batch) add(g *Generation) {
	if g.set == nil {
		return
	}
	g.stats.GeneratedTokens = len(g.tokens)
	g.stats.bound(b.m.m, g.set)
	st := &b.stats
	st.PromptTokens += g.stats.PromptTokens
	st.GeneratedTokens += g.stats.GeneratedTokens
	st.ActiveParamsMax = max(st.ActiveParamsMax, g.stats.ActiveParamsMax)
	st.ActiveParamsBound = max(st.ActiveParamsBound, g.stats.ActiveParamsBound)
	st.ExpertBytesMax = max(st.ExpertBytesMax, g.stats.ExpertBytesMax)
	st.ExpertBytesBound = max(st.ExpertBytesBound, g.stats.ExpertBytesBound)
}

// run computes all prompts and then a token of each answer at a time.
func (b *Batch) run(yield func(int, Token) bool) {
	begin := time.Now()
	prompts := b.prefill()
	first := time.Now()
	b.stats.TTFTMilliseconds = milliseconds(first.Sub(begin))
	b.stats.PrefillTokensPerSec = rate(prompts, first.Sub(begin))
	more, steps := true, 0
	out := func(i int) func(Token) bool {
		return func(t Token) bool {
			more = more && yield(i, t)
			return more
		}
	}
	for {
		b.jobs, b.of = b.jobs[:0], b.of[:0]
		for i, g := range b.gens {
			if g.live() && more {
				b.decode(g, out(i))
			}
		}
		if len(b.jobs) == 0 || !more {
			return
		}
		steps += len(b.jobs)
		b.step()
		b.stats.DecodeTokensPerSec = rate(steps, time.Since(first))
	}
}

// live says whether an answer goes on.
func (g *Generation) live() bool { return g.err == nil && !g.used }

// decode draws an answer's next token and plans the step that follows it.
func (b *Batch) decode(g *Generation, yield func(Token) bool) {
	id, err := g.choose()
	if err != nil {
		g.fail(err)
		return
	}
	if !g.take(id, yield) {
		g.used = true
		return
	}
	b.plan(g, g.tokens[len(g.tokens)-1:], engine.WantLast)
}

// plan adds tokens of an answer to the next step.
func (b *Batch) plan(g *Generation, tokens []int32, want engine.Want) {
	b.jobs = append(b.jobs, engine.Job{Seq: g.s.seq, Set: g.set, Tokens: tokens, Want: want})
	b.of = append(b.of, g)
}

// prefill computes the prompts, chunks that may hold several of them, and
// returns how many tokens these were.
func (b *Batch) prefill() (tokens int) {
	rest := make([][]int32, len(b.gens))
	for i, g := range b.gens {
		if g.live() {
			rest[i] = g.reuse()
			tokens += len(rest[i])
		}
	}
	for {
		b.jobs, b.of = b.jobs[:0], b.of[:0]
		left := b.m.plan.Chunk
		for i, g := range b.gens {
			n, want := min(left, len(rest[i])), engine.WantNone
			if n == 0 || !g.live() {
				continue
			}
			if n == len(rest[i]) {
				want = engine.WantLast
			}
			b.plan(g, rest[i][:n], want)
			rest[i], left = rest[i][n:], left-n
		}
		if len(b.jobs) == 0 {
			return tokens
		}
		b.step()
	}
}

// step runs the planned jobs. What fails the step fails all of them.
func (b *Batch) step() {
	err := b.m.step(b.ctx, b.jobs, func(job, _ int, logits []float32) error {
		g := b.of[job]
		g.logits = append(g.logits[:0], logits...)
		return nil
	})
	for i, g := range b.of {
		j := &b.jobs[i]
		switch {
		case err != nil:
			g.fail(err)
		case j.Err != nil:
			g.fail(j.Err)
		default:
			g.advance(j)
		}
	}
}
