package sample

import (
	"math"
	"slices"

	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Logprob is a token with the logarithm of its probability.
type Logprob struct {
	Token   int32
	Logprob float32
}

// Logprobs returns the log-probability of chosen, a token of the vocabulary, and appends the top most
// likely tokens to dst, most likely first and equal ones by lower id. The
// probabilities are the model's: the softmax of its logits, before penalties,
// mask and temperature. It returns a *LogitError or ErrNoToken as Next does.
func (s *Sampler) Logprobs(dst []Logprob, logits []float32, position int, chosen int32, top int) (float32, []Logprob, error) {
	c, err := s.load(logits, position)
	if err != nil {
		return 0, dst, err
	}
	if len(c) == 0 || math.IsInf(float64(best(c).z), -1) {
		return 0, dst, ErrNoToken
	}
	first := best(c)
	s.p = append(s.p[:0], logits...)
	s.arith.Softmax(s.p, s.p)
	// The most likely token's probability is 1 over the sum of the softmax.
	norm := vec.Log32(s.p[first.id])
	logprob := func(logit float32) float32 { return logit - first.z + norm }
	top = min(top, len(c))
	selectTop(c, top)
	c = c[:max(top, 0)]
	slices.SortFunc(c, compare)
	for _, v := range c {
		dst = append(dst, Logprob{Token: v.id, Logprob: logprob(v.z)})
	}
	return logprob(logits[chosen]), dst, nil
}
