package lite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/sample"
	"github.com/lite-llm/lite/internal/tokenizer"
)

// Session is a context that stays between requests, so that a conversation
// does not compute its past again. Answers do not depend on it. It is used by
// one goroutine. What it holds is taken from the model's Options.Context
// positions, which all open sessions and running generations share.
type Session struct {
	m      *Model
	seq    *kv.Sequence
	set    *hser.TierSet // the tiers that the context was computed with
	tokens []int32       // of the context
}

// NewSession returns an empty session.
func (m *Model) NewSession() *Session { return &Session{m: m, seq: m.pool.NewSequence()} }

// Close gives back the session's memory. The session is empty afterwards.
func (s *Session) Close() {
	s.seq.Close()
	s.tokens = nil
}

// Generation is an answer on its way. It is used by one goroutine.
type Generation struct {
	s       *Session
	own     bool            // the session ends with the generation
	used    bool            // Tokens was ranged over
	room    int             // positions that it may take
	ctx     context.Context //nolint:containedctx // the generation is one call, cut in two by its iterator
	req     Request
	set     *hser.TierSet
	prompt  []int32
	sampler *sample.Sampler
	stream  *tokenizer.Stream
	hash    hash.Hash
	logits  []float32

	tokens []int32
	last   [1]int32        // the last token, to step with
	text   strings.Builder // of all tokens
	out    int             // text that was handed out; the rest may turn out to begin a stop text
	stop   Stop
	err    error
	stats  Stats
	before counts
}

// Generate answers a request in a context of its own. Nothing is computed
// before Tokens is ranged over; what is wrong with the request itself is in Err
// at once.
func (m *Model) Generate(ctx context.Context, r Request) *Generation {
	g := m.NewSession().Generate(ctx, r)
	g.own = true
	return g
}

// Generate answers a request. What the session's context shares with the
// prompt is not computed again.
func (s *Session) Generate(ctx context.Context, r Request) *Generation {
	return s.generate(ctx, r, s.m.plan.Context)
}

// generate is Generate within so many positions.
func (s *Session) generate(ctx context.Context, r Request, room int) *Generation {
	g := &Generation{s: s, ctx: ctx, req: r, room: room, stream: s.m.text.tok.Stream(), hash: sha256.New(), stop: StopBreak}
	if g.err = g.prepare(); g.err != nil {
		g.stop = StopError
	}
	return g
}

// prepare checks the request and readies what it needs.
func (g *Generation) prepare() (err error) {
	m, r := g.s.m, g.req
	if err = m.text.fits(&r, g.room); err != nil {
		return err
	}
	if g.prompt, err = m.text.prompt(&r); err != nil {
		return err
	}
	if len(g.prompt) == 0 {
		return ErrEmpty
	}
	if r.MaxTokens < 0 {
		return &OptionError{What: fmt.Sprintf("max tokens %d: want a number from 0", r.MaxTokens)}
	}
	if g.set, err = m.tierSet(r.TierSet, r.Tiers); err != nil {
		return err
	}
	if err = m.promise(g.set, r.MaxActiveParameters, r.MaxExpertBytes); err != nil {
		return err
	}
	if g.sampler, err = sample.New(r.options(m.opt.kernels), g.prompt); err != nil {
		return err
	}
	if len(g.prompt) > g.room {
		return &ContextError{Need: len(g.prompt), Have: g.room}
	}
	return nil
}

// Tokens computes the answer and yields its tokens as they come. Breaking off
// ends the answer. It can be ranged over once: a second time yields nothing.
func (g *Generation) Tokens() iter.Seq[Token] {
	return func(yield func(Token) bool) {
		if g.err != nil || g.used {
			return
		}
		g.used = true
		g.s.m.mu.Lock()
		defer g.s.m.mu.Unlock()
		if g.s.m.closed {
			g.err, g.stop = ErrClosed, StopError
			return
		}
		if g.own { // before another generation takes its turn, which needs the room
			defer g.s.Close()
		}
		g.before = g.s.m.counts()
		if err := g.run(yield); err != nil {
			g.fail(err)
		}
		g.finish()
	}
}

// fail ends the answer.
func (g *Generation) fail(err error) {
	g.err, g.stop = err, StopError
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		g.stop = StopCancelled
	}
}

// run computes the prompt and then token after token.
func (g *Generation) run(yield func(Token) bool) error {
	begin := time.Now()
	rest := g.reuse()
	if err := g.prefill(rest); err != nil {
		return err
	}
	first := time.Now()
	g.stats.TTFTMilliseconds = milliseconds(first.Sub(begin))
	g.stats.PrefillTokensPerSec = rate(len(rest), first.Sub(begin))
	for {
		id, err := g.choose()
		if err != nil {
			return err
		}
		more := g.take(id, yield)
		if n := len(g.tokens); n > 1 {
			g.stats.DecodeTokensPerSec = rate(n-1, time.Since(first))
		}
		if !more {
			return nil
		}
		g.last[0] = id
		if err := g.step(g.last[:], engine.WantLast); err != nil {
			return err
		}
	}
}

// reuse cuts the session's context back to what it shares with the prompt, and
// returns what is left to compute: at least the last token, for its logits.
func (g *Generation) reuse() []int32 {
	s, n := g.s, 0
	if s.set.Same(g.set) {
		for n < len(s.tokens) && n < len(g.prompt)-1 && s.tokens[n] == g.prompt[n] {
			n++
		}
	}
	s.set, s.tokens = g.set, s.tokens[:n]
	s.seq.Truncate(n)
	g.stats.PromptTokens, g.stats.ReusedTokens = len(g.prompt), n
	return g.prompt[n:]
}

// prefill computes tokens in chunks, and the logits of the last.
func (g *Generation) prefill(tokens []int32) error {
	for len(tokens) > 0 {
		n, want := min(g.s.m.plan.Chunk, len(tokens)), engine.WantNone
		if n == len(tokens) {
			want = engine.WantLast
		}
		if err := g.step(tokens[:n], want); err != nil {
			return err
		}
		tokens = tokens[n:]
	}
	return nil
}

// step passes tokens through the model and keeps the logits.
func (g *Generation) step(tokens []int32, want engine.Want) error {
	jobs := []engine.Job{{Seq: g.s.seq, Set: g.set, Tokens: tokens, Want: want}}
	err := g.s.m.step(g.ctx, jobs, func(_, _ int, logits []float32) error {
		g.logits = append(g.logits[:0], logits...)
		return nil
	})
	if err == nil {
		err = jobs[0].Err
	}
	if err == nil {
		g.advance(&jobs[0])
	}
	return err
}

// advance notes what a step has done.
func (g *Generation) advance(j *engine.Job) {
	g.stats.ActiveParamsMax = max(g.stats.ActiveParamsMax, j.Active)
	g.stats.ExpertBytesMax = max(g.stats.ExpertBytesMax, j.ExpertBytes)
	g.s.tokens = append(g.s.tokens, j.Tokens...)
}

// choose draws the next token.
func (g *Generation) choose() (int32, error) {
	if g.req.Hash {
		var b [4]byte
		for _, v := range g.logits {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			g.hash.Write(b[:])
		}
	}
	return g.sampler.Next(g.logits, len(g.s.tokens)-1, g.s.tokens, len(g.tokens))
}

// take adds a token to the answer, hands its text out and says whether to go
// on.
func (g *Generation) take(id int32, yield func(Token) bool) bool {
	g.tokens = append(g.tokens, id)
	if g.s.m.text.tok.IsEnd(id) && !g.req.IgnoreEnd {
		g.stop = StopEnd
		g.stream.Flush(&g.text)
		yield(Token{ID: id, Text: g.release(g.text.Len())})
		return false
	}
	g.stream.Push(&g.text, id)
	sure, ended := g.sure()
	switch {
	case ended:
		g.stop = StopText
	case g.req.MaxTokens > 0 && len(g.tokens) >= g.req.MaxTokens:
		g.stop = StopLength
		g.stream.Flush(&g.text)
		sure = g.text.Len()
	case len(g.s.tokens) >= g.room:
		g.stop = StopContext
		g.stream.Flush(&g.text)
		sure = g.text.Len()
	default:
		return yield(Token{ID: id, Text: g.release(sure)})
	}
	yield(Token{ID: id, Text: g.release(sure)})
	return false
}

// sure is how much of the text no stop text can begin in, or, when one came, what
// is before it.
func (g *Generation) sure() (n int, ended bool) {
	held := g.text.String()[g.out:]
	n = len(held)
	for _, stop := range g.req.Stop {
		if at := strings.Index(held, stop); stop != "" && at >= 0 {
			return g.out + at, true
		}
		for k := min(len(stop)-1, len(held)); k > 0; k-- {
			if strings.HasSuffix(held, stop[:k]) {
				n = min(n, len(held)-k)
				break
			}
		}
	}
	return g.out + n, false
}

// release hands out the text up to n. It is a part of the whole text's memory, so
// that a token costs none of its own.
func (g *Generation) release(n int) string {
	text := g.text.String()[g.out:n]
	g.out = n
	return text
}

// finish completes the statistics.
func (g *Generation) finish() {
	g.stats.GeneratedTokens = len(g.tokens)
	g.stats.bound(g.s.m.m, g.set)
	g.stats.since(g.before, g.s.m.counts())
	g.stats.Residency = g.s.m.Rungs()
}

// counts are those of the store and of what was predicted for it.
type counts struct {
	expert.Stats
	predicted, right uint64
	bytes            map[string]int64 // read, by rung
}

func (m *Model) counts() counts {
	c := counts{Stats: m.store.Stats()}
	c.predicted, c.right = m.eng.Accuracy()
	c.bytes = m.readBytes(c.Rung, c.ReadBytes)
	return c
}

// bound notes what a token could execute at most.
func (st *Stats) bound(m *model.Model, set *hser.TierSet) {
	st.ActiveParamsBound, st.ExpertBytesBound = m.Bound(set).PActive, m.ExpertBytes(set)
}

// since notes what the experts' store did in the meantime.
func (st *Stats) since(before, now counts) {
	st.PredictedExperts, st.PredictedRight = now.predicted-before.predicted, now.right-before.right
	st.GuessedExperts, st.GuessedBytes = now.Guesses-before.Guesses, now.GuessBytes-before.GuessBytes
	st.GuessesUsed, st.GuessesWasted = now.GuessesUsed-before.GuessesUsed, now.GuessesWasted-before.GuessesWasted
	st.PeakRSSBytes = memory.PeakRSS()
	st.ReadBytes = now.bytes
	for name, n := range before.bytes {
		st.ReadBytes[name] -= n
	}
	st.MissedBytes = now.MissedBytes - before.MissedBytes
	st.ExpertHits, st.ExpertMisses = now.Hits-before.Hits, now.Misses-before.Misses
	st.ExpertEvictions, st.ResidentExpertBytes = now.Evictions-before.Evictions, now.Resident
	st.ExpertHitRate = expert.Stats{Hits: st.ExpertHits, Misses: st.ExpertMisses}.HitRate()
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func rate(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Err is what ended the answer early, or nil: the context's error when it was
// cancelled, else one of the types and values named Err… and …Error here, or an
// error of reading the model's files. The tokens before it stand.
func (g *Generation) Err() error { return g.err }

// Stats are the measurements of the answer; complete once Tokens has ended.
func (g *Generation) Stats() Stats { return g.stats }

// StopReason says why the answer ended; StopBreak before it has.
func (g *Generation) StopReason() Stop { return g.stop }

// Text is the whole answer so far.
func (g *Generation) Text() string { return g.text.String()[:g.out] }

// IDs are the answer's tokens so far, the one that ended it included. The
// slice belongs to the generation.
func (g *Generation) IDs() []int32 { return g.tokens }

// TokensSHA256 identifies the answer: the hash of its ids as 32-bit
// little-endian numbers.
func (g *Generation) TokensSHA256() string {
	h := sha256.New()
	var b [4]byte
	for _, id := range g.tokens {
		binary.LittleEndian.PutUint32(b[:], uint32(id)) //nolint:gosec // an id
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// LogitsSHA256 identifies the logits of every generated position before
// penalties, as little-endian float32; with Request.Hash only.
func (g *Generation) LogitsSHA256() string {
	if !g.req.Hash {
		return ""
	}
	return hex.EncodeToString(g.hash.Sum(nil))
}
