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

// Pool is a run of experts of one shape at a layer, with canonical indices
// [First, First+Count).
type Pool struct {
	First, Count int
	Parts        []base.Range // of all experts together, one for each projection
	Sizes        []int64      // bytes of one expert's part
	// Stride is the bytes from an expert's part to the same part of the next
	// one. 0 means that each part is stacked by itself, as GGUF does; in a pack
	// it is the size of a whole expert.
	Stride int64
}

// Layout says where the parts of every expert are: the pools of each layer, a
// handful, ordered by First. Dense layers have none.
type Layout [][]Pool

// Range is where part i of an expert is. It does not allocate. An ID outside
// the model is a mistake of the caller and panics.
func (l Layout) Range(id ID, i int) base.Range { return l.pool(id).part(id.Index, i) }

// part is where part i of the expert with this canonical index is.
func (p *Pool) part(index int32, i int) base.Range {
	return base.Range{
		Object: p.Parts[i].Object,
		Off:    p.Parts[i].Off + int64(int(index)-p.First)*p.stride(i),
		Len:    p.Sizes[i],
	}
}

func (p *Pool) stride(i int) int64 {
	if p.Stride != 0 {
		return p.Stride
	}
	return p.Sizes[i]
}

// pool is the pool that holds an expert.
func (l Layout) pool(id ID) *Pool {
	pools := l[id.Layer]
	for i := range pools {
		if p := &pools[i]; int(id.Index) < p.First+p.Count && id.Index >= 0 {
			return p
		}
	}
	panic(fmt.Sprintf("expert %v is not in the model", id))
}

// LayoutError says that a layout describes experts that cannot be. It is a
// mistake in a file or in what read it.
type LayoutError struct {
	Layer, Pool int
	Err         error
}

// Error implements error.
func (e *LayoutError) Error() string {
	return fmt.Sprintf("experts of layer %d, pool %d: %v", e.Layer, e.Pool, e.Err)
}

// Unwrap returns the cause.
func (e *LayoutError) Unwrap() error { return e.Err }

// The causes of a LayoutError.
var (
	ErrIndices = errors.New("the pools do not count on from 0")
	ErrParts   = errors.New("parts and sizes are not as many, or are none, or are too many")
	ErrRange   = errors.New("a part is not inside its object, or not as long as its experts are")
)

// maxParts bounds the parts of an expert; published models have two or three.
const maxParts = 16

// Validate returns a *LayoutError when a part of some expert would not be in its
// object.
func (l Layout) Validate() error {
	for layer, pools := range l {
		next := 0
		for i := range pools {
			if err := pools[i].validate(next); err != nil {
				return &LayoutError{Layer: layer, Pool: i, Err: err}
			}
			next += pools[i].Count
		}
	}
	return nil
}

// validate checks a pool that must begin at first.
func (p *Pool) validate(first int) error {
	if p.First != first || p.Count <= 0 || p.Count > math.MaxInt32-first {
		return ErrIndices
	}
	if len(p.Parts) != len(p.Sizes) || len(p.Parts) == 0 || len(p.Parts) > maxParts {
		return ErrParts
	}
	for i, r := range p.Parts {
		size, stride := p.Sizes[i], p.stride(i)
		switch {
		case size <= 0 || size > math.MaxInt32*int64(maxParts) || stride < size:
			return ErrRange
		case r.Off < 0 || r.Len < size || r.Len > r.Object.Size || r.Off > r.Object.Size-r.Len:
			return ErrRange
		case int64(p.Count-1) > (r.Len-size)/stride: // the last expert would reach beyond
			return ErrRange
		}
	}
	return nil
}

// Bytes is the size of all experts.
func (l Layout) Bytes() (n int64) {
	l.each(func(p *Pool) { n += p.expertBytes() * int64(p.Count) })
	return n
}

// expertBytes is the size of one expert of the pool.
func (p *Pool) expertBytes() (n int64) {
	for _, size := range p.Sizes {
		n += size
	}
	return n
}

func (l Layout) each(f func(p *Pool)) {
	for _, pools := range l {
		for i := range pools {
			f(&pools[i])
		}
	}
}

// Slots is the memory that all experts take when resident, and that of the
// largest one, under a rung's alignment.
func (l Layout) Slots(align int) (all, largest int64) {
	l.each(func(p *Pool) {
		n := p.slotBytes(align)
		all += n * int64(p.Count)
		largest = max(largest, n)
	})
	return all, largest
}

// Smallest is the memory that the smallest expert takes when resident.
func (l Layout) Smallest(align int) (smallest int64) {
	l.each(func(p *Pool) {
		if n := p.slotBytes(align); smallest == 0 || n < smallest {
			smallest = n
		}
	})
	return smallest
}

// Token is the memory of the experts of one token that runs, in each layer,
// k experts of each of the tiers largest of these pools.
func (l Layout) Token(align int, pools []int, tiers, k int) (n int64) {
	var sizes []int64
	for _, layer := range l {
		sizes = sizes[:0]
		for _, i := range pools {
			if i < len(layer) {
				sizes = append(sizes, layer[i].slotBytes(align)*int64(min(k, layer[i].Count)))
			}
		}
		slices.Sort(sizes)
		for _, size := range sizes[max(0, len(sizes)-tiers):] {
			n += size
		}
	}
	return n
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
	for _, size := range p.Sizes {
		n += rung.Superset(size, align)
	}
	return round(n, int64(memory.PageSize()))
}

// round rounds up to a multiple of a power of two.
func round(n, unit int64) int64 { return (n + unit - 1) &^ (unit - 1) }
