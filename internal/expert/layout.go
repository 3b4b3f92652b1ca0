package expert

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

// Pool is a run of experts of one shape at a layer, or of routing heads, in
// the storage positions [First, First+Count).
type Pool struct {
	First, Count int64
	Parts        []base.Range // of all experts together, one for each projection; a head is one part
	Sizes        []int64      // bytes of one expert's part
	// Stride is the bytes from an expert's part to the same part of the next
	// one. 0 means that each part is stacked by itself, as GGUF does; in a pack
	// it is the size of a whole expert, whose parts ascend in one object and are
	// one read, with the padding between them.
	Stride int64
	// Tier is the tier that all of them belong to.
	Tier int
}

// Layer says where the experts and the leased heads of a layer are. It has a few
// pools for each tier and nothing for an expert: a position is computed.
type Layer struct {
	// Pools are the experts, ordered by First. A tier may have several (shards).
	Pools []Pool
	// Order[i] is the storage position of the expert with canonical index i,
	// where a plan made tiers of a flat model; nil when they are the same.
	Order []int32
	// GroupHeads has the head of every tier's groups, by tier, and ExpertHeads
	// that of every group's experts, by group over all tiers. Both are ordered
	// by First, and empty where heads are trunk.
	GroupHeads, ExpertHeads []Pool
}

// Layout says where the parts of everything are that is leased, by layer. Dense
// layers have no pools.
type Layout []Layer

// of is the layer's pools of a kind.
func (l *Layer) of(kind Kind) []Pool {
	switch kind {
	case KindGroupHead:
		return l.GroupHeads
	case KindExpertHead:
		return l.ExpertHeads
	}
	return l.Pools
}

// Range is where part i of an expert or a head is. It does not allocate. An ID
// outside the model is a mistake of the caller and panics.
func (l Layout) Range(id ID, i int) base.Range {
	p, at := l.find(id)
	return p.part(at, i)
}

// part is where part i of the expert at this storage position is.
func (p *Pool) part(at int64, i int) base.Range {
	return base.Range{
		Object: p.Parts[i].Object,
		Off:    p.Parts[i].Off + (at-p.First)*p.stride(i),
		Len:    p.Sizes[i],
	}
}

func (p *Pool) stride(i int) int64 {
	if p.Stride != 0 {
		return p.Stride
	}
	return p.Sizes[i]
}

// find is the pool that holds an expert or a head, and its storage position.
func (l Layout) find(id ID) (*Pool, int64) {
	layer, at := &l[id.Layer], id.Index
	if id.Kind == KindExpert && layer.Order != nil {
		at = int64(layer.Order[at])
	}
	pools := layer.of(id.Kind)
	lo, hi := 0, len(pools) // the pools before lo end before at, those from hi on do not
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); pools[mid].First+pools[mid].Count <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(pools) || at < 0 {
		panic(fmt.Sprintf("expert %v is not in the model", id))
	}
	return &pools[lo], at
}

// pool is the pool that holds an expert or a head.
func (l Layout) pool(id ID) *Pool {
	p, _ := l.find(id)
	return p
}

// LayoutError says that a layout describes experts that cannot be. It is a
// mistake in a file or in what read it.
type LayoutError struct {
	Layer int
	Kind  Kind
	Pool  int
	Err   error
}

// Error implements error.
func (e *LayoutError) Error() string {
	what := [kinds]string{"experts", "group heads", "expert heads"}[e.Kind]
	return fmt.Sprintf("%s of layer %d, pool %d: %v", what, e.Layer, e.Pool, e.Err)
}

// Unwrap returns the cause.
func (e *LayoutError) Unwrap() error { return e.Err }

// The causes of a LayoutError.
var (
	ErrIndices  = errors.New("the pools do not count on from 0")
	ErrParts    = errors.New("parts and sizes are not as many, or are none, or are too many")
	ErrRange    = errors.New("a part is not inside its object, or not as long as its experts are")
	ErrTogether = errors.New("parts with a stride do not ascend within it in one object")
	ErrOrder    = errors.New("the order does not give every expert a place of its own")
)

// maxParts bounds the parts of an expert; published models have two or three.
const maxParts = 16

// Validate returns a *LayoutError when a part of some expert or head would not
// be in its object.
func (l Layout) Validate() error {
	for i := range l {
		if err := l[i].validate(); err != nil {
			err.Layer = i
			return err
		}
	}
	return nil
}

// validate checks the pools of a layer, and that they follow each other.
func (l *Layer) validate() *LayoutError {
	for kind := range Kind(kinds) {
		next := int64(0)
		pools := l.of(kind)
		for i := range pools {
			if err := pools[i].validate(next); err != nil {
				return &LayoutError{Kind: kind, Pool: i, Err: err}
			}
			next += pools[i].Count
		}
		if kind == KindExpert && !l.ordered(next) {
			return &LayoutError{Err: ErrOrder}
		}
	}
	return nil
}

// ordered says whether Order is nil or a permutation of [0, n).
func (l *Layer) ordered(n int64) bool {
	if l.Order == nil {
		return true
	}
	if int64(len(l.Order)) != n {
		return false
	}
	seen := make([]bool, n)
	for _, at := range l.Order {
		if at < 0 || int64(at) >= n || seen[at] {
			return false
		}
		seen[at] = true
	}
	return true
}

// validate checks a pool that must begin at first.
func (p *Pool) validate(first int64) error {
	if p.First != first || p.Count <= 0 || p.Count > math.MaxInt64-first {
		return ErrIndices
	}
	if len(p.Parts) != len(p.Sizes) || len(p.Parts) == 0 || len(p.Parts) > maxParts {
		return ErrParts
	}
	for i, r := range p.Parts {
		size, stride := p.Sizes[i], p.stride(i)
		if p.Stride != 0 && i > 0 && (r.Object != p.Parts[0].Object || r.Off < p.Parts[i-1].Off+p.Sizes[i-1] || r.Off > p.Parts[0].Off+stride-size) {
			return ErrTogether
		}
		switch {
		case size <= 0 || size > math.MaxInt32*int64(maxParts) || stride < size:
			return ErrRange
		case r.Off < 0 || r.Len < size || r.Len > r.Object.Size || r.Off > r.Object.Size-r.Len:
			return ErrRange
		case p.Count-1 > (r.Len-size)/stride: // the last expert would reach beyond
			return ErrRange
		}
	}
	return nil
}

// Bytes is the size of all experts and leased heads. Like the other sums of
// this page it is the largest number where it does not fit.
func (l Layout) Bytes() (n int64) {
	l.each(func(p *Pool) { n = plus(n, times(p.expertBytes(), p.Count)) })
	return n
}

// plus and times stay at the largest number: a model may have more bytes than
// an int64 counts, as long as nobody has to hold them. Neither takes negatives.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// expertBytes is the size of one expert of the pool.
func (p *Pool) expertBytes() (n int64) {
	for _, size := range p.Sizes {
		n += size
	}
	return n
}

// Pools calls f for every pool, of experts and of heads.
func (l Layout) Pools(f func(p *Pool)) { l.each(f) }

func (l Layout) each(f func(p *Pool)) {
	for i := range l {
		for kind := range Kind(kinds) {
			pools := l[i].of(kind)
			for k := range pools {
				f(&pools[k])
			}
		}
	}
}

// Count is the number of all experts and leased heads.
func (l Layout) Count() (n int64) {
	l.each(func(p *Pool) { n = plus(n, p.Count) })
	return n
}

// Slots is the memory that everything takes when resident, and that of the
// largest expert or head, under a rung's alignment.
func (l Layout) Slots(align int) (all, largest int64) {
	l.each(func(p *Pool) {
		n := p.slotBytes(align)
		all = plus(all, times(n, p.Count))
		largest = max(largest, n)
	})
	return all, largest
}

// Smallest is the memory that the smallest expert or head takes when resident.
func (l Layout) Smallest(align int) (smallest int64) {
	l.each(func(p *Pool) {
		if n := p.slotBytes(align); smallest == 0 || n < smallest {
			smallest = n
		}
	})
	return smallest
}

// Token is the memory of what one token leases that runs, in each layer, the
// largest kTier of these tiers: in each its group head, kGroup expert heads, and
// kGroup·kExpert experts.
func (l Layout) Token(align int, tiers []int, kTier, kGroup, kExpert int) (n int64) {
	for i := range l {
		sizes := map[int]int64{}
		for kind, k := range [kinds]int64{int64(kGroup) * int64(kExpert), 1, int64(kGroup)} {
			for tier, size := range l[i].most(Kind(kind), align, k) {
				sizes[tier] = plus(sizes[tier], size)
			}
		}
		var of []int64
		for _, tier := range tiers {
			of = append(of, sizes[tier])
		}
		slices.Sort(of)
		for _, size := range of[max(0, len(of)-kTier):] {
			n = plus(n, size)
		}
	}
	return n
}

// most is the memory of k experts or heads of each tier at most.
func (l *Layer) most(kind Kind, align int, k int64) map[int]int64 {
	count, slot := map[int]int64{}, map[int]int64{}
	pools := l.of(kind)
	for i := range pools {
		p := &pools[i]
		count[p.Tier] = plus(count[p.Tier], p.Count)
		slot[p.Tier] = max(slot[p.Tier], p.slotBytes(align))
	}
	for tier, n := range count {
		slot[tier] = times(slot[tier], min(k, n))
	}
	return slot
}

// Floor is the least budget of slots: MinSlots of the largest experts, or room
// for all of them where that is less.
func (l Layout) Floor(align int) int64 {
	all, largest := l.Slots(align)
	return min(all, MinSlots*largest)
}

// MinSlots is how many of the largest experts must fit the budget: one that is
// computed and one that is read meanwhile. So many leases can be held at once
// under any budget; who holds more may find that there is no room for the next
// one (a HeldError).
const MinSlots = 2

// slotBytes is the memory of an expert of the pool, whose parts are read as
// their aligned supersets: in whole pages, which is what the system gives.
func (p *Pool) slotBytes(align int) (n int64) {
	if p.Stride != 0 {
		return round(rung.Superset(p.span(), align), int64(memory.PageSize()))
	}
	for _, size := range p.Sizes {
		n += rung.Superset(size, align)
	}
	return round(n, int64(memory.PageSize()))
}

// span is the bytes from an expert's first part to the end of its last, of a pool
// with a stride.
func (p *Pool) span() int64 {
	last := len(p.Parts) - 1
	return p.Parts[last].Off + p.Sizes[last] - p.Parts[0].Off
}

// round rounds up to a multiple of a power of two.
func round(n, unit int64) int64 { return (n + unit - 1) &^ (unit - 1) }
