package policy

import "math"

// LRFU evicts the expert with the least count of uses, where a use weighs half
// as much after each half-life (Lee et al., "LRFU: a spectrum of policies that
// subsumes the least recently used and least frequently used policies", IEEE
// Transactions on Computers 50, 2001). A short half-life makes it an LRU.
//
// A weight is kept as if all decay were growth: a use at step t adds 2^(t/h),
// so that weights of different experts compare at any time and only the
// expert that is used changes its place. What is stored is the weight's
// logarithm, which does not overflow.
type LRFU struct {
	halfLife float64 // in steps
	nodes    map[Key]*node
	heap     []*node // of the resident experts, lightest first
	// gone is a ring of the last departures, from oldest on.
	gone   []departure
	oldest int
	spare  []*node
}

// node is an expert and the logarithm of its weight, base 2.
type node struct {
	key    Key
	weight float64
	at     int    // its place in the heap; -1 when it is not resident
	left   uint64 // how often it left
}

// departure is the n-th time that an expert left.
type departure struct {
	n    *node
	left uint64
}

// history is how many departures are remembered, 3 MB at most: what left so long
// ago and did not come back weighs nothing, whatever the size of the model.
const history = 1 << 15

// NewLRFU returns an empty LRFU. The half-life is in steps, and at least one.
func NewLRFU(halfLife uint64) *LRFU {
	return &LRFU{halfLife: float64(max(1, halfLife)), nodes: map[Key]*node{}}
}

// use adds the weight of a use at this step.
func (l *LRFU) use(n *node, step uint64) {
	now := float64(step) / l.halfLife
	n.weight = max(n.weight, now) + math.Log2(1+math.Exp2(-math.Abs(n.weight-now)))
}

// Insert implements Policy.
func (l *LRFU) Insert(k Key, step uint64) {
	n := l.nodes[k]
	if n == nil {
		n = l.node()
		*n = node{key: k, weight: math.Inf(-1), left: n.left}
		l.nodes[k] = n
	}
	l.use(n, step)
	n.at = len(l.heap)
	l.heap = append(l.heap, n)
	l.up(n)
}

// node returns one that is not in use.
func (l *LRFU) node() *node {
	last := len(l.spare) - 1
	if last < 0 {
		return &node{}
	}
	n := l.spare[last]
	l.spare = l.spare[:last]
	return n
}

// Touch implements Policy.
func (l *LRFU) Touch(k Key, step uint64) {
	n := l.nodes[k]
	l.use(n, step)
	l.down(n)
}

// Remove implements Policy. What left is remembered.
func (l *LRFU) Remove(k Key) {
	n, last := l.nodes[k], l.heap[len(l.heap)-1]
	l.heap = l.heap[:len(l.heap)-1]
	if n != last {
		l.heap[n.at], last.at = last, n.at
		l.up(last)
		l.down(last)
	}
	n.at = -1
	n.left++
	l.remember(departure{n, n.left})
}

// remember notes a departure. It forgets the oldest when there are too many,
// and with it the expert, unless that has been back since.
func (l *LRFU) remember(d departure) {
	if len(l.gone) < history {
		l.gone = append(l.gone, d)
		return
	}
	if old := l.gone[l.oldest]; old.n.at < 0 && old.n.left == old.left {
		delete(l.nodes, old.n.key)
		old.n.left++ // so that nothing takes the node for the expert that it was
		l.spare = append(l.spare, old.n)
	}
	l.gone[l.oldest] = d
	l.oldest = (l.oldest + 1) % len(l.gone)
}

// Victim implements Policy. Experts that are in use are heavy for the most part,
// so that the walk ends after about as many nodes as are not free.
func (l *LRFU) Victim(free func(Key) bool) (Key, bool) {
	best := l.lightest(0, nil, free)
	if best == nil {
		return Key{}, false
	}
	return best.key, true
}

// lightest is the lightest node at i or below that is free and lighter than
// best, else best. Nothing below a node is lighter than the node.
func (l *LRFU) lightest(i int, best *node, free func(Key) bool) *node {
	if i >= len(l.heap) || best != nil && !l.heap[i].lighter(best) {
		return best
	}
	if free(l.heap[i].key) {
		return l.heap[i]
	}
	return l.lightest(2*i+2, l.lightest(2*i+1, best, free), free)
}

func (n *node) lighter(o *node) bool {
	return n.weight < o.weight || n.weight == o.weight && n.key.before(o.key)
}

func (l *LRFU) up(n *node) {
	for n.at > 0 {
		parent := l.heap[(n.at-1)/2]
		if !n.lighter(parent) {
			return
		}
		l.swap(n, parent)
	}
}

func (l *LRFU) down(n *node) {
	for {
		least := n
		for child := 2*n.at + 1; child <= 2*n.at+2 && child < len(l.heap); child++ {
			if l.heap[child].lighter(least) {
				least = l.heap[child]
			}
		}
		if least == n {
			return
		}
		l.swap(n, least)
	}
}

func (l *LRFU) swap(a, b *node) {
	a.at, b.at = b.at, a.at
	l.heap[a.at], l.heap[b.at] = a, b
}
