package tokenizer

import "container/heap"

// symbol is a part of a piece while parts are being merged: a doubly linked
// list in an array, so that removing one is constant time.
type symbol struct {
	lo, hi     int // bytes of the piece; lo == hi once merged away
	prev, next int // indices, -1 at the ends
}

// merge is two neighbours that may become one symbol. Lower cost first, then
// further left.
type merge struct {
	cost        float32
	left, right int
	size        int // bytes of both when the merge was found; else it is stale
}

type mergeHeap []merge

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	return h[i].cost < h[j].cost || h[i].cost == h[j].cost && h[i].left < h[j].left //nolint:gocritic // exact on purpose
}
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *mergeHeap) Push(x any)   { *h = append(*h, x.(merge)) }
func (h *mergeHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// mergeAll merges neighbours of lowest cost until none is left that cost
// accepts, in O(n log n). cost is asked for bytes [lo, mid) and [mid, hi).
func mergeAll(symbols []symbol, cost func(lo, mid, hi int) (float32, bool)) {
	var queue mergeHeap
	offer := func(left, right int) {
		if left < 0 || right < 0 {
			return
		}
		a, b := symbols[left], symbols[right]
		if c, ok := cost(a.lo, b.lo, b.hi); ok {
			heap.Push(&queue, merge{c, left, right, b.hi - a.lo})
		}
	}
	for i := 1; i < len(symbols); i++ {
		offer(i-1, i)
	}
	for len(queue) > 0 {
		m := heap.Pop(&queue).(merge) //nolint:forcetypeassert // the heap holds nothing else
		a, b := &symbols[m.left], &symbols[m.right]
		if a.lo == a.hi || b.lo == b.hi || a.next != m.right || b.hi-a.lo != m.size {
			continue // one of the two has changed since
		}
		a.hi, a.next = b.hi, b.next
		b.lo = b.hi
		if a.next >= 0 {
			symbols[a.next].prev = m.left
		}
		offer(a.prev, m.left)
		offer(m.left, a.next)
	}
}

// link makes a list of neighbours of symbols.
func link(symbols []symbol) {
	for i := range symbols {
		symbols[i].prev, symbols[i].next = i-1, i+1
	}
	if n := len(symbols); n > 0 {
		symbols[n-1].next = -1
	}
}
