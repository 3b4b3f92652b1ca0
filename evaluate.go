package lite

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/tokenizer"
)

// EvalRequest says what Evaluate measures.
type EvalRequest struct {
	// TierSet is the tiers to use, by a name or a list as in Request; empty is
	// the model's default.
	TierSet string
	// Text is what the model is to predict. Its tokens are cut into windows,
	// each of which begins an empty context and is scored in its second half;
	// what is left at the end is not used.
	Text string
	// Window is the tokens of a window, at least 4; 0 is 256, or the context
	// when that is less.
	Window int
	// RandomRouting replaces every choice of tiers, groups and experts by a
	// random one of the same number, which shows what the routing heads have
	// learned. What is chosen keeps the weights that the heads give it.
	RandomRouting bool
	// Progress, if not nil, is told how many windows of how many are done.
	Progress func(done, all int)
}

// Evaluation is how well a model predicts a text under one tier set.
type Evaluation struct {
	TierSet       string  `json:"tier_set"`
	RandomRouting bool    `json:"random_routing"`
	Perplexity    float64 `json:"perplexity"`
	// StdErr is the standard error of the perplexity, from the windows' means;
	// 0 when there is one window.
	StdErr  float64 `json:"std_err"`
	Tokens  int     `json:"tokens"` // scored
	Windows int     `json:"windows"`
	Window  int     `json:"window"` // tokens of each
	// ActiveParams is the most parameters that a token executed, and Bound
	// what it could.
	ActiveParams int64 `json:"active_params"`
	Bound        int64 `json:"active_params_bound"`
	// ExpertBytes is the most bytes of experts that a token executed, and
	// ExpertBytesBound what it could.
	ExpertBytes      int64 `json:"expert_bytes"`
	ExpertBytesBound int64 `json:"expert_bytes_bound"`
	// LeastShare is the least share of an expert among its tier's at one
	// layer, 1 being its fair one; 0 without experts.
	LeastShare float64 `json:"least_share"`
	ReadBytes  int64   `json:"read_bytes"`
	// ReadBytesPerToken is ReadBytes for each token that went through the model,
	// scored or not, and TokensPerSec how many of them did each second: the speed
	// of a prompt's tokens, which share the experts that are read.
	ReadBytesPerToken float64 `json:"read_bytes_per_token"`
	TokensPerSec      float64 `json:"tokens_per_s"`
	HitRate           float64 `json:"expert_hit_rate"`
	// NLL is the mean negative log-likelihood of a token in each window, in
	// nats, for paired comparisons (Compare).
	NLL []float64 `json:"window_nll"`
}

// Evaluate measures the perplexity of a text.
func (m *Model) Evaluate(ctx context.Context, r EvalRequest) (*Evaluation, error) {
	set, err := m.tierSet(r.TierSet, nil)
	if err != nil {
		return nil, err
	}
	windows, err := m.windows(&r)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{
		TierSet: set.Name, RandomRouting: r.RandomRouting, Bound: m.m.Bound(set).PActive, ExpertBytesBound: m.m.ExpertBytes(set),
		Window: r.Window, Windows: len(windows), Tokens: len(windows) * (r.Window - 1 - r.Window/2),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, begin := m.store.Stats(), time.Now() //nolint:forbidigo // measures, and decides nothing
	shares := m.countShares()
	defer func() { m.routed = nil }()
	for i, tokens := range windows {
		pass := pass{set: set, tokens: tokens[:len(tokens)-1]}
		if r.RandomRouting {
			pass.random = windowSeed(i)
		}
		nll, most, err := m.score(ctx, pass, tokens)
		if err != nil {
			return nil, err
		}
		e.NLL = append(e.NLL, nll)
		e.ActiveParams, e.ExpertBytes = max(e.ActiveParams, most.params), max(e.ExpertBytes, most.expertBytes)
		if r.Progress != nil {
			r.Progress(i+1, len(windows))
		}
	}
	mean, stdErr := meanAndError(e.NLL)
	e.Perplexity = math.Exp(mean)
	e.StdErr = e.Perplexity * stdErr
	e.LeastShare = shares.least()
	now, passed := m.store.Stats(), len(windows)*(r.Window-1)
	e.ReadBytes = now.ReadBytes - before.ReadBytes
	e.ReadBytesPerToken, e.TokensPerSec = float64(e.ReadBytes)/float64(passed), rate(passed, time.Since(begin))
	e.HitRate = expert.Stats{Hits: now.Hits - before.Hits, Misses: now.Misses - before.Misses}.HitRate()
	return e, nil
}

// defaultWindow is long enough that the scored half has a context, and short
// enough that a small text has many windows.
const defaultWindow = 256

// windows cuts the text's tokens, after filling in the default and checking
// that the request can be measured.
func (m *Model) windows(r *EvalRequest) ([][]int32, error) {
	if r.RandomRouting && len(m.m.Tiers) == 0 {
		return nil, &OptionError{What: "this model has no experts: there is no routing to replace by a random one"}
	}
	if r.Window == 0 {
		r.Window = min(defaultWindow, m.plan.Context)
	}
	if r.Window < 4 || r.Window > m.plan.Context {
		return nil, &OptionError{What: fmt.Sprintf("a window of %d tokens: take at least 4 and at most the context, %d", r.Window, m.plan.Context)}
	}
	tokens := m.text.tok.Encode(nil, r.Text, tokenizer.Options{AddSpecial: true})
	if len(tokens) < r.Window {
		return nil, &OptionError{What: fmt.Sprintf("the text has %d tokens, fewer than one window of %d", len(tokens), r.Window)}
	}
	var windows [][]int32
	for ; len(tokens) >= r.Window; tokens = tokens[r.Window:] {
		windows = append(windows, tokens[:r.Window])
	}
	return windows, nil
}

// windowSeed is the seed of random routing in a window. The multiples of the
// golden ratio are far from each other, so that no two windows draw alike.
func windowSeed(window int) *uint64 {
	seed := uint64(window+1) * 0x9e3779b97f4a7c15 //nolint:gosec // an index
	return &seed
}

// score returns the mean negative log-likelihood of the second half of a
// window's tokens, each predicted by those before it.
func (m *Model) score(ctx context.Context, p pass, tokens []int32) (nll float64, most executed, err error) {
	half, scored := len(tokens)/2, 0
	most, err = m.forward(ctx, p, func(pos int, logits []float32) error {
		if pos >= half {
			nll -= logProbability(logits, tokens[pos+1])
			scored++
		}
		return nil
	})
	return nll / float64(scored), most, err
}

// logProbability is the log of a token's probability. It is a measurement, not
// a part of an answer: float64 and the machine's own functions serve.
func logProbability(logits []float32, token int32) float64 {
	top := logits[0]
	for _, v := range logits {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - top))
	}
	return float64(logits[token]-top) - math.Log(sum)
}
