// Package sample turns logits into the next token. It stands at the end of the
// token's road. Randomness comes from a counter-based generator keyed by the
// seed and the prompt, so that a token depends on nothing but its request
// (docs/format/numerics-sampling.md).
package sample

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Sampler chooses the tokens of one answer. Its buffers are kept, so that a
// steady state allocates nothing. One goroutine uses it at a time.
type Sampler struct {
	opt        Options
	key        [2]uint32
	bias       []bias
	candidates []candidate // by ascending id until they are selected
	p          []float32
	counts     []int32 // per token, all zero between uses
	seen       []int32
	arith      *vec.Kernels
}

// LogitError says that no probability follows from a logit: it is NaN or +Inf,
// or becomes +Inf by a penalty or a bias.
type LogitError struct {
	Position int
	Token    int32
	Logit    float32
}

// Error implements error.
func (e *LogitError) Error() string {
	return fmt.Sprintf("position %d: the logit of token %d is %v: the model's weights are damaged, or numbers overflow", e.Position, e.Token, e.Logit)
}

// ErrNoToken is returned when no token may come next: the mask forbids all, or
// every logit that is left is -Inf.
var ErrNoToken = errors.New("no token may come next: the mask and the logits leave none")

// New returns the sampler of an answer to a prompt. It returns an
// *OptionError when an option is out of range.
func New(opt Options, prompt []int32) (*Sampler, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{
		opt: opt, key: keyOf(opt.Seed, prompt, opt.Sample), bias: sortedBias(opt.Bias), arith: vec.For(opt.Kernels),
	}, nil
}

// Next chooses the token after position from its logits, one for each token of
// the vocabulary. history is all tokens so far, of which the last generated
// were generated. logits is left as it is. It returns a *LogitError when a
// logit is NaN or +Inf, and ErrNoToken when nothing is left to choose.
func (s *Sampler) Next(logits []float32, position int, history []int32, generated int) (int32, error) {
	c, err := s.load(logits, position)
	if err != nil {
		return 0, err
	}
	s.penalise(c, history, generated)
	c = s.mask(c)
	if len(c) == 0 {
		return 0, ErrNoToken
	}
	top := best(c)
	switch {
	case math.IsInf(float64(top.z), -1):
		return 0, ErrNoToken
	case math.IsInf(float64(top.z), 1):
		return 0, &LogitError{Position: position, Token: top.id, Logit: top.z}
	}
	if s.opt.Temperature == 0 || s.opt.TopK == 1 {
		return top.id, nil
	}
	for i := range c {
		c[i].z = (c[i].z - top.z) / s.opt.Temperature
	}
	c = s.keepTopK(c)
	c = s.keepTopP(c)
	c = s.keepMinP(c)
	return s.draw(c, position), nil
}

// load makes every token a candidate.
func (s *Sampler) load(logits []float32, position int) ([]candidate, error) {
	s.candidates = s.candidates[:0]
	for id, v := range logits {
		if !(v <= math.MaxFloat32) { // NaN too
			return nil, &LogitError{Position: position, Token: int32(id), Logit: v}
		}
		s.candidates = append(s.candidates, candidate{id: int32(id), z: v})
	}
	return s.candidates, nil
}

// mask drops the candidates that the grammar forbids.
func (s *Sampler) mask(c []candidate) []candidate {
	if s.opt.Mask == nil {
		return c
	}
	kept := c[:0]
	for _, v := range c {
		if s.opt.Mask.Allows(v.id) {
			kept = append(kept, v)
		}
	}
	return kept
}

// keepTopK keeps the k most likely, by ascending id.
func (s *Sampler) keepTopK(c []candidate) []candidate {
	k := s.opt.TopK
	if k == 0 || k >= len(c) {
		return c
	}
	selectTop(c, k)
	c = c[:k]
	slices.SortFunc(c, func(a, b candidate) int { return int(a.id) - int(b.id) })
	return c
}

// nucleusFirst is how many candidates keepTopP sorts at first; each further
// part is larger by nucleusGrow.
const nucleusFirst, nucleusGrow = 64, 8

// keepTopP keeps the fewest most likely whose probabilities sum to p or more.
// The softmax takes the candidates by ascending id; the sum is one chain, most
// likely first. Only as many are sorted as the sum needs.
func (s *Sampler) keepTopP(c []candidate) []candidate {
	p := s.opt.TopP
	if p == 0 || p == 1 || len(c) < 2 {
		return c
	}
	s.p = s.p[:0]
	for _, v := range c {
		s.p = append(s.p, v.z)
	}
	s.arith.Softmax(s.p, s.p)
	for i := range c {
		c[i].p = s.p[i]
	}
	var sum float32
	for done, n := 0, nucleusFirst; done < len(c); n *= nucleusGrow {
		rest := c[done:]
		n = min(n, len(rest))
		selectTop(rest, n)
		slices.SortFunc(rest[:n], compare)
		for i, v := range rest[:n] {
			if sum += v.p; sum >= p {
				return c[:done+i+1]
			}
		}
		done += n
	}
	return c
}

// keepMinP keeps what is at least p times as likely as the best, whose z is 0.
func (s *Sampler) keepMinP(c []candidate) []candidate {
	if s.opt.MinP == 0 {
		return c
	}
	least := vec.Log32(s.opt.MinP)
	kept := c[:0]
	for _, v := range c {
		if v.z >= least {
			kept = append(kept, v)
		}
	}
	return kept
}
