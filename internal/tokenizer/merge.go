package tokenizer

import "sync"

// symbol is a part of a piece while parts are being merged: a doubly linked
// list in an array, so that removing one takes constant time.
type symbol struct {
	lo, hi     int   // bytes of the piece; lo == hi once merged away
	prev, next int   // indices, -1 at the ends
	id         int32 // what the model calls the symbol
}

// candidate is two neighbours that may become one symbol. Lower cost first,
// then further left.
type candidate struct {
	cost        uint32
	id          int32 // of the union
	left, right int
	size        int // bytes of both when they were found; else it is stale
}

func (c candidate) before(d candidate) bool {
	return c.cost < d.cost || c.cost == d.cost && c.left < d.left
}

// joiner says what merging two neighbours of text costs and makes, if they may
// be merged.
type joiner interface {
	join(text string, a, b *symbol) (cost uint32, id int32, ok bool)
}

// merger merges the symbols of one piece, O(n log n) for n of them. Mergers are
// pooled: a text has many pieces and most are short.
type merger struct {
	text    string
	symbols []symbol
	queue   []candidate // a binary heap
}

var mergers = sync.Pool{New: func() any { return &merger{} }}

// pooledSymbols bounds what a pooled merger keeps.
const pooledSymbols = 1 << 14

func newMerger(text string) *merger {
	m := mergers.Get().(*merger) //nolint:forcetypeassert // the pool holds nothing else
	m.text = text
	return m
}

// free gives a merger back.
func (m *merger) free() {
	if cap(m.symbols) > pooledSymbols || cap(m.queue) > pooledSymbols {
		return
	}
	m.text, m.symbols, m.queue = "", m.symbols[:0], m.queue[:0]
	mergers.Put(m)
}

// add appends the symbol of bytes [lo, hi).
func (m *merger) add(lo, hi int, id int32) {
	n := len(m.symbols)
	if n > 0 {
		m.symbols[n-1].next = n
	}
	m.symbols = append(m.symbols, symbol{lo: lo, hi: hi, prev: n - 1, next: -1, id: id})
}

// run merges neighbours of lowest cost until j accepts no more. Symbol 0 then
// begins the list of what is left.
func (m *merger) run(j joiner) {
	for i := 1; i < len(m.symbols); i++ {
		m.offer(j, i-1, i)
	}
	for len(m.queue) > 0 {
		c := m.pop()
		a, b := &m.symbols[c.left], &m.symbols[c.right]
		if a.lo == a.hi || a.next != c.right || b.hi-a.lo != c.size {
			continue // one of the two has changed since
		}
		a.hi, a.next, a.id = b.hi, b.next, c.id
		b.lo = b.hi
		if a.next >= 0 {
			m.symbols[a.next].prev = c.left
		}
		m.offer(j, a.prev, c.left)
		m.offer(j, c.left, a.next)
	}
}

// offer queues two neighbours if they may be merged.
func (m *merger) offer(j joiner, left, right int) {
	if left < 0 || right < 0 {
		return
	}
	a, b := &m.symbols[left], &m.symbols[right]
	if cost, id, ok := j.join(m.text, a, b); ok {
		m.push(candidate{cost: cost, id: id, left: left, right: right, size: b.hi - a.lo})
	}
}

// push adds to the heap.
func (m *merger) push(c candidate) {
	m.queue = append(m.queue, c)
	q := m.queue
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.before(q[up]) {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = c
}

// pop takes the first of the heap.
func (m *merger) pop() candidate {
	q := m.queue
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	m.queue = q
	for i := 0; len(q) > 0; {
		down := 2*i + 1
		if down+1 < len(q) && q[down+1].before(q[down]) {
			down++
		}
		if down >= len(q) || !q[down].before(last) {
			q[i] = last
			break
		}
		q[i] = q[down]
		i = down
	}
	return top
}
