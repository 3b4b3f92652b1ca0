// Package prefetch guesses which experts will be asked for next, so that a disk
// that would be idle reads them. It stands beside the token's road, where a layer
// has asked for its experts: what was routed goes in, and what may follow comes
// out, as the hints of expert.Store. A guess changes time and never a result.
//
// Prefetchers are pure: no goroutine, no clock, no I/O. What they may name is
// decided by who calls them, who knows the requests' tier sets; it is never wider
// than what the requests may use, because an expert that is read has been
// accessed, whether or not a token sees it.
package prefetch

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lite-llm/lite/internal/expert"
)

// Prefetcher turns what was routed into what will be. It is used by one
// goroutine.
type Prefetcher interface {
	// Observe is told the experts that a step's rows chose at a layer, each
	// named once, layer after layer. chosen is borrowed for the call.
	Observe(layer int, chosen []expert.ID)
	// Predict names experts that the next layer with experts may be asked for,
	// likeliest first and each once; none when it does not know. It is called
	// after Observe of the same layer. x is the residual stream (rows × width)
	// as it was when that layer had routed, borrowed for the call; the answer
	// is borrowed until the next one.
	Predict(layer int, x []float32) []expert.ID
}

// Kind is a way to predict.
type Kind uint8

// The ways to predict.
const (
	Off Kind = iota
	// ByRouter asks the next layer's own router, with the residual stream as
	// it is one layer earlier.
	ByRouter
	// ByTransitions counts which experts followed which.
	ByTransitions
)

var kinds = [...]string{"off", "next", "transitions"}

// String is the kind's name.
func (k Kind) String() string { return kinds[k] }

// ParseKind reads the name of a kind.
func ParseKind(s string) (Kind, error) {
	if i := slices.Index(kinds[:], s); i >= 0 {
		return Kind(i), nil //nolint:gosec // an index of kinds
	}
	return Off, fmt.Errorf("prefetch %q: choose %s, %s or %s", s, kinds[Off], kinds[ByRouter], kinds[ByTransitions])
}

// Weighed is an expert of a layer and how likely it is, in any unit.
type Weighed struct {
	Index  int64
	Weight float32
}

// ranked orders guesses in place: what is named several times has its weights
// added, in the order in which they came, and the heaviest come first; equal ones
// by index. Weights are not NaN.
func ranked(all []Weighed) []Weighed {
	slices.SortStableFunc(all, func(a, b Weighed) int { return cmp.Compare(a.Index, b.Index) })
	n := 0
	for i, w := range all {
		if i > 0 && all[n-1].Index == w.Index {
			all[n-1].Weight += w.Weight
			continue
		}
		all[n] = w
		n++
	}
	all = all[:n]
	slices.SortStableFunc(all, func(a, b Weighed) int { return cmp.Compare(b.Weight, a.Weight) })
	return all
}

// appendIDs appends the first guesses as experts of a layer.
func appendIDs(dst []expert.ID, layer int, all []Weighed, most int) []expert.ID {
	for _, w := range all[:min(most, len(all))] {
		dst = append(dst, expert.ID{Layer: int32(layer), Index: w.Index}) //nolint:gosec // a layer's number
	}
	return dst
}

// Accuracy counts how often guesses were right, whether or not they had to be
// read.
type Accuracy struct {
	Predicted, Right uint64
	last             []expert.ID
}

// Predict notes what was predicted.
func (a *Accuracy) Predict(ids []expert.ID) { a.last = append(a.last[:0], ids...) }

// Observe compares what was chosen at a layer with what was predicted of it.
func (a *Accuracy) Observe(chosen []expert.ID) {
	for _, id := range a.last {
		a.Predicted++
		if slices.Contains(chosen, id) {
			a.Right++
		}
	}
	a.last = a.last[:0]
}
