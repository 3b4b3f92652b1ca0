package sample

import (
	"cmp"
	"slices"
)

// bias is what is added to a token's logit.
type bias struct {
	id    int32
	value float32
}

// sortedBias is the map's entries by ascending id, so that its order never
// reaches a result.
func sortedBias(m map[int32]float32) []bias {
	var out []bias
	for id, v := range m {
		out = append(out, bias{id, v})
	}
	slices.SortFunc(out, func(a, b bias) int { return cmp.Compare(a.id, b.id) })
	return out
}

// penalise applies penalties and bias; c[i] is token i here. The order is that
// of llama.cpp: repetition, then frequency and presence; the bias comes last.
func (s *Sampler) penalise(c []candidate, history []int32, generated int) {
	o := &s.opt
	if o.RepeatPenalty != 0 && o.RepeatPenalty != 1 {
		for _, id := range s.count(recent(history, o.RepeatLast), len(c)) {
			if v := &c[id].z; *v > 0 {
				*v /= o.RepeatPenalty
			} else {
				*v *= o.RepeatPenalty
			}
			s.counts[id] = 0
		}
	}
	if o.PresencePenalty != 0 || o.FrequencyPenalty != 0 {
		for _, id := range s.count(history[len(history)-min(generated, len(history)):], len(c)) {
			c[id].z -= float32(float32(s.counts[id])*o.FrequencyPenalty) + o.PresencePenalty
			s.counts[id] = 0
		}
	}
	for _, b := range s.bias {
		if b.id >= 0 && int(b.id) < len(c) {
			c[b.id].z += b.value
		}
	}
}

// recent is the part of history that the repetition penalty sees.
func recent(history []int32, last int) []int32 {
	switch {
	case last == 0:
		last = defaultRepeatLast
	case last < 0:
		return history
	}
	return history[max(0, len(history)-last):]
}

// count counts tokens in s.counts, and returns those that occur, each once.
// Whoever asks clears the counts of these.
func (s *Sampler) count(tokens []int32, vocab int) []int32 {
	if len(s.counts) < vocab {
		s.counts = make([]int32, vocab)
	}
	s.seen = s.seen[:0]
	for _, id := range tokens {
		if id < 0 || int(id) >= vocab {
			continue
		}
		if s.counts[id] == 0 {
			s.seen = append(s.seen, id)
		}
		s.counts[id]++
	}
	return s.seen
}
