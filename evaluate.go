package lite

import (
	"context"
	"errors"
	"math"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/tokenizer"
)

// Evaluation is how well a model predicts a text under one tier set.
type Evaluation struct {
	TierSet    string  `json:"tier_set"`
	Perplexity float64 `json:"perplexity"`
	// StdErr is the standard error of the perplexity, from the windows' means.
	StdErr  float64 `json:"std_err"`
	Tokens  int     `json:"tokens"` // scored
	Windows int     `json:"windows"`
	Window  int     `json:"window"` // tokens of each
	// ActiveParams is the most parameters that a token executed, and Bound
	// what it could.
	ActiveParams int64 `json:"active_params"`
	Bound        int64 `json:"active_params_bound"`
	// LeastShare is the least share of an expert among its tier's at one
	// layer, 1 being its fair one; 0 without experts.
	LeastShare float64 `json:"least_share"`
	ReadBytes  int64   `json:"read_bytes"`
	HitRate    float64 `json:"expert_hit_rate"`
	// NLL is the mean negative log-likelihood of each window, for paired
	// comparisons between sets.
	NLL []float64 `json:"-"`
}

// Evaluate measures the perplexity of a text in windows of that many tokens,
// of which the second half is scored. progress, if not nil, is told how many
// windows of how many are done.
func (m *Model) Evaluate(ctx context.Context, tierSet, text string, window int, progress func(done, all int)) (*Evaluation, error) {
	set, err := m.m.Set(tierSet)
	if err != nil {
		return nil, err
	}
	if window < 4 || window > m.plan.Context {
		return nil, &OptionError{What: "a window must have at least 4 tokens and fit the context"}
	}
	tokens := m.text.tok.Encode(nil, text, tokenizer.Options{AddSpecial: true})
	n := len(tokens) / window
	if n == 0 {
		return nil, errors.New("the text is shorter than one window")
	}
	e := &Evaluation{TierSet: set.Name, Window: window, Windows: n, Bound: m.m.Bound(set).PActive}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.store.Stats()
	shares := m.countShares()
	defer func() { m.routed = nil }()
	for i := range n {
		nll, active, err := m.window(ctx, set, tokens[i*window:(i+1)*window])
		if err != nil {
			return nil, err
		}
		e.NLL = append(e.NLL, nll)
		e.ActiveParams = max(e.ActiveParams, active)
		if progress != nil {
			progress(i+1, n)
		}
	}
	e.Tokens = n * (window - 1 - window/2)
	mean, sd := meanAndDeviation(e.NLL)
	e.Perplexity = math.Exp(mean)
	e.StdErr = e.Perplexity * sd / math.Sqrt(float64(n))
	e.LeastShare = shares.least()
	now := m.store.Stats()
	e.ReadBytes = now.ReadBytes - before.ReadBytes
	e.HitRate = expert.Stats{Hits: now.Hits - before.Hits, Misses: now.Misses - before.Misses}.HitRate()
	return e, nil
}

// window returns the mean negative log-likelihood of the second half of the
// tokens, each predicted by those before it.
func (m *Model) window(ctx context.Context, set *hser.TierSet, tokens []int32) (nll float64, active int64, err error) {
	half, scored := len(tokens)/2, 0
	active, err = m.forward(ctx, set, tokens[:len(tokens)-1], func(pos int, logits []float32) error {
		if pos >= half {
			nll -= logProbability(logits, tokens[pos+1])
			scored++
		}
		return nil
	})
	return nll / float64(scored), active, err
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

func meanAndDeviation(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		sd += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(sd / math.Max(1, float64(len(x)-1)))
}
