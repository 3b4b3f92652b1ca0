// Package policy decides which expert leaves memory. Policies are pure state
// machines: no goroutine, no clock, no I/O, so that a simulator can run them.
package policy

// Key names an expert to a policy.
type Key struct{ Layer, Index int32 }

// Policy orders the resident experts. It is used by one goroutine.
type Policy interface {
	// Insert adds a resident expert, used at this step. Touch says that it
	// was used again. Steps never decrease.
	Insert(k Key, step uint64)
	Touch(k Key, step uint64)
	// Remove forgets an expert that left.
	Remove(k Key)
	// Victim returns the expert to evict among those that free accepts, and
	// false when it accepts none. The expert stays until Remove.
	Victim(free func(Key) bool) (Key, bool)
}

// LRU evicts the expert that was not used for longest. Experts of one token
// pass through it in order of layers, so that a cache smaller than one token's
// experts hits nothing; above that, measured hit rates under uniform routing
// equal the cached fraction, which is the best that any policy can do there.
type LRU struct {
	nodes map[Key]*node
	head  node // head.next is the oldest
	spare []*node
}

type node struct {
	key        Key
	prev, next *node
}

// NewLRU returns an empty LRU.
func NewLRU() *LRU {
	l := &LRU{nodes: map[Key]*node{}}
	l.head.prev, l.head.next = &l.head, &l.head
	return l
}

// Insert implements Policy.
func (l *LRU) Insert(k Key, _ uint64) {
	var n *node
	if last := len(l.spare) - 1; last >= 0 {
		n, l.spare = l.spare[last], l.spare[:last]
	} else {
		n = &node{}
	}
	n.key = k
	l.nodes[k] = n
	l.append(n)
}

// Touch implements Policy.
func (l *LRU) Touch(k Key, _ uint64) {
	n := l.nodes[k]
	n.prev.next, n.next.prev = n.next, n.prev
	l.append(n)
}

func (l *LRU) append(n *node) {
	n.prev, n.next = l.head.prev, &l.head
	n.prev.next, n.next.prev = n, n
}

// Remove implements Policy.
func (l *LRU) Remove(k Key) {
	n := l.nodes[k]
	n.prev.next, n.next.prev = n.next, n.prev
	delete(l.nodes, k)
	l.spare = append(l.spare, n)
}

// Victim implements Policy.
func (l *LRU) Victim(free func(Key) bool) (Key, bool) {
	for n := l.head.next; n != &l.head; n = n.next {
		if free(n.key) {
			return n.key, true
		}
	}
	return Key{}, false
}
