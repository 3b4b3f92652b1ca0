package prefetch

import (
	"unsafe"

	"github.com/lite-llm/lite/internal/expert"
)

// Transitions counts which experts followed each expert at the next layer, and
// names those that did most often. It knows no weights and nothing of the token.
//
// Its memory does not grow with the model: a table of so many experts, found by a
// hash, in each of which another may take the place; and for each a few followers,
// of which the rarest makes room and leaves its count to the newcomer, so that
// what is frequent stays (Metwally et al., "Efficient computation of frequent and
// top-k elements in data streams", ICDT 2005).
type Transitions struct {
	allowed func(expert.ID) bool
	most    int
	table   []source
	last    []expert.ID // chosen at the layer before
	found   []Weighed
	ids     []expert.ID
	after   func(layer int) (next int, ok bool)
}

// Bounds of a Transitions: 8,192 experts with 16 followers each are 1.5 MB.
const (
	sourceBits = 13
	sources    = 1 << sourceBits
	followers  = 16
	// countLimit halves the counts of an expert when one reaches it, so that
	// what a text was about before fades.
	countLimit = 1 << 8
)

// TransitionsBytes is the memory that a Transitions keeps.
const TransitionsBytes = sources * int64(unsafe.Sizeof(source{}))

// source is an expert and what followed it.
type source struct {
	id    expert.ID
	count [followers]uint16 // 0: nothing
	index [followers]int64
}

// NewTransitions returns a Transitions that has seen nothing and names at most so
// many experts, of those that allowed accepts at the time. after is the next layer
// with experts, if there is one.
func NewTransitions(after func(layer int) (int, bool), allowed func(expert.ID) bool, most int) *Transitions {
	return &Transitions{after: after, allowed: allowed, most: most, table: make([]source, sources)}
}

// slot is the place of an expert, which may be another's.
func (t *Transitions) slot(id expert.ID) *source {
	h := uint64(id.Index)<<16 ^ uint64(uint32(id.Layer)) //nolint:gosec // bits for a hash
	h *= 0x9e3779b97f4a7c15
	return &t.table[h>>(64-sourceBits)]
}

// Observe implements Prefetcher.
func (t *Transitions) Observe(layer int, chosen []expert.ID) {
	if len(t.last) > 0 {
		if next, ok := t.after(int(t.last[0].Layer)); ok && next == layer {
			for _, from := range t.last {
				t.learn(from, chosen)
			}
		}
	}
	t.last = append(t.last[:0], chosen...)
}

// learn counts what followed an expert.
func (t *Transitions) learn(from expert.ID, chosen []expert.ID) {
	s := t.slot(from)
	if s.id != from {
		*s = source{id: from}
	}
	for _, to := range chosen {
		s.add(to.Index)
	}
}

// add counts one follower.
func (s *source) add(index int64) {
	at := 0
	for i, n := range s.count {
		if n > 0 && s.index[i] == index {
			at = i
			break
		}
		if n < s.count[at] {
			at = i
		}
	}
	s.index[at] = index
	if s.count[at]++; s.count[at] < countLimit {
		return
	}
	for i := range s.count {
		s.count[i] /= 2
	}
}

// Predict implements Prefetcher. It names as many experts as the layer chose, at
// most.
func (t *Transitions) Predict(layer int, _ []float32) []expert.ID {
	next, ok := t.after(layer)
	if !ok || len(t.last) == 0 {
		return nil
	}
	t.found = t.found[:0]
	for _, from := range t.last {
		s := t.slot(from)
		if s.id != from {
			continue
		}
		for i, n := range s.count {
			to := expert.ID{Layer: int32(next), Index: s.index[i]} //nolint:gosec // a layer's number
			if n > 0 && t.allowed(to) {
				t.found = append(t.found, Weighed{Index: to.Index, Weight: float32(n)})
			}
		}
	}
	t.ids = appendIDs(t.ids[:0], next, ranked(t.found), min(t.most, len(t.last)))
	return t.ids
}
