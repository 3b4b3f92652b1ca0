package sample

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Profile is the version of the numerics contract that keys draws.
const Profile = "lnc-1"

// stream tells uses of the generator apart.
const streamToken = 0

// Sampler chooses the tokens of one answer. Its buffers are kept, so that a
// steady state allocates nothing.
type Sampler struct {
	opt    Options
	key    [2]uint32
	cand   []candidate
	probs  []float32
	counts map[int32]int
}

// candidate is a token that may still be chosen.
type candidate struct {
	id    int32
	logit float32
}

// NaNError says that a logit is not a number.
type NaNError struct{ Position int }

// Error implements error.
func (e *NaNError) Error() string {
	return fmt.Sprintf("the logits of position %d are not numbers: the model's weights are damaged or overflow", e.Position)
}

// New returns the sampler of an answer to a prompt. It returns an
// *OptionError when an option is out of range.
func New(opt Options, prompt []int32) (*Sampler, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{opt: opt, key: keyOf(opt.Seed, prompt, opt.Sample), counts: map[int32]int{}}, nil
}

// keyOf is the first 64 bits of SHA-256(profile ‖ 0 ‖ seed ‖ count ‖ prompt ids
// ‖ sample index), numbers little-endian: 64 bits for seed, count and index,
// 32 for ids.
func keyOf(seed uint64, prompt []int32, index uint64) [2]uint32 {
	b := append([]byte(Profile), 0)
	b = binary.LittleEndian.AppendUint64(b, seed)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(prompt)))
	for _, t := range prompt {
		b = binary.LittleEndian.AppendUint32(b, uint32(t)) //nolint:gosec // an id
	}
	b = binary.LittleEndian.AppendUint64(b, index)
	sum := sha256.Sum256(b)
	return [2]uint32{binary.LittleEndian.Uint32(sum[:]), binary.LittleEndian.Uint32(sum[4:])}
}

// Next chooses the token after position from its logits. history is all tokens
// so far, of which the last generated were generated. logits is left as it is.
// It returns a *NaNError when a logit is not a number.
func (s *Sampler) Next(logits []float32, position int, history []int32, generated int) (int32, error) {
	s.cand = s.cand[:0]
	for id, v := range logits {
		if v != v { //nolint:gocritic // NaN
			return 0, &NaNError{Position: position}
		}
		s.cand = append(s.cand, candidate{int32(id), v}) //nolint:gosec // a vocabulary's size
	}
	s.penalise(history, generated)
	if s.opt.Temperature == 0 || s.opt.TopK == 1 {
		return best(s.cand).id, nil
	}
	for i := range s.cand {
		s.cand[i].logit /= s.opt.Temperature
	}
	s.keepTopK()
	s.keepTopP()
	s.keepMinP()
	return s.draw(position), nil
}

// penalise applies penalties and bias; s.cand[i] is token i here.
func (s *Sampler) penalise(history []int32, generated int) {
	o := &s.opt
	if o.RepeatPenalty != 0 && o.RepeatPenalty != 1 {
		last := o.RepeatLast
		if last == 0 {
			last = 64
		}
		recent := history
		if last > 0 && len(recent) > last {
			recent = recent[len(recent)-last:]
		}
		clear(s.counts)
		for _, t := range recent {
			if s.counts[t]++; s.counts[t] > 1 || int(t) >= len(s.cand) {
				continue
			}
			if v := &s.cand[t].logit; *v > 0 {
				*v /= o.RepeatPenalty
			} else {
				*v *= o.RepeatPenalty
			}
		}
	}
	if o.PresencePenalty != 0 || o.FrequencyPenalty != 0 {
		clear(s.counts)
		for _, t := range history[len(history)-generated:] {
			s.counts[t]++
		}
		for t, n := range s.counts { // each token has a logit of its own: the order is free
			s.cand[t].logit -= o.PresencePenalty + float32(float32(n)*o.FrequencyPenalty)
		}
	}
	for t, v := range o.Bias {
		if t >= 0 && int(t) < len(s.cand) {
			s.cand[t].logit += v
		}
	}
}

// before is the total order of candidates: more likely first, then lower id.
func before(a, b candidate) bool {
	return a.logit > b.logit || a.logit == b.logit && a.id < b.id //nolint:gocritic // no NaN comes here
}

func compare(a, b candidate) int {
	if before(a, b) {
		return -1
	}
	return 1
}

func best(c []candidate) candidate {
	top := c[0]
	for _, v := range c[1:] {
		if before(v, top) {
			top = v
		}
	}
	return top
}

// keepTopK keeps the k most likely.
func (s *Sampler) keepTopK() {
	if k := s.opt.TopK; k > 0 && k < len(s.cand) {
		selectTop(s.cand, k)
		s.cand = s.cand[:k]
	}
}

// selectTop moves the k first candidates to the front, in any order
// (quickselect with the middle element as pivot; the order is total, so that
// the set is the same whatever the pivots).
func selectTop(c []candidate, k int) {
	for len(c) > 1 && k > 0 && k < len(c) {
		pivot := c[len(c)/2]
		i, j := 0, len(c)-1
		for i <= j {
			for before(c[i], pivot) {
				i++
			}
			for before(pivot, c[j]) {
				j--
			}
			if i <= j {
				c[i], c[j] = c[j], c[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			c = c[:j+1]
		case k > i:
			c, k = c[i:], k-i
		default:
			return
		}
	}
}

// keepTopP keeps the fewest most likely whose probabilities sum to p or more.
func (s *Sampler) keepTopP() {
	p := s.opt.TopP
	if p == 0 || p == 1 || len(s.cand) < 2 {
		return
	}
	slices.SortFunc(s.cand, compare)
	s.probs = s.probs[:0]
	for _, c := range s.cand {
		s.probs = append(s.probs, c.logit)
	}
	vec.For(kernel.Reference).Softmax(s.probs, s.probs)
	var sum float32
	for i, v := range s.probs {
		if sum += v; sum >= p {
			s.cand = s.cand[:i+1]
			return
		}
	}
}

// keepMinP keeps what is at least p times as likely as the best.
func (s *Sampler) keepMinP() {
	if s.opt.MinP == 0 {
		return
	}
	least := best(s.cand).logit + vec.Log32(s.opt.MinP)
	n := 0
	for _, c := range s.cand {
		if c.logit >= least {
			s.cand[n] = c
			n++
		}
	}
	s.cand = s.cand[:n]
}

// draw takes the largest of logit + Gumbel noise, which draws each candidate
// with its probability (Gumbel-max). The noise belongs to a position and a
// token, not to an order of evaluation.
func (s *Sampler) draw(position int) int32 {
	for i := range s.cand {
		c := &s.cand[i]
		x := philox([4]uint32{uint32(position), uint32(c.id), streamToken, 0}, s.key) //nolint:gosec // a counter
		u := (float32(x[0]>>9) + 0.5) * (1.0 / (1 << 23))
		c.logit += -vec.Log32(-vec.Log32(u))
	}
	return best(s.cand).id
}
