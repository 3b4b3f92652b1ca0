package policy

// LRU evicts the expert that was not used for longest. It is what LRFU is
// measured against, and the right choice where routing forgets at once.
type LRU struct {
	nodes map[Key]*link
	head  link // head.next is the oldest
	spare []*link
}

// link is a resident expert in the order of use.
type link struct {
	key        Key
	prev, next *link
}

// NewLRU returns an empty LRU.
func NewLRU() *LRU {
	l := &LRU{nodes: map[Key]*link{}}
	l.head.prev, l.head.next = &l.head, &l.head
	return l
}

// Insert implements Policy.
func (l *LRU) Insert(k Key, _ uint64) {
	var n *link
	if last := len(l.spare) - 1; last >= 0 {
		n, l.spare = l.spare[last], l.spare[:last]
	} else {
		n = &link{}
	}
	n.key = k
	l.nodes[k] = n
	l.append(n)
}

// Touch implements Policy.
func (l *LRU) Touch(k Key, _ uint64) {
	n := l.nodes[k]
	n.unlink()
	l.append(n)
}

// append makes n the newest.
func (l *LRU) append(n *link) {
	n.prev, n.next = l.head.prev, &l.head
	n.prev.next, n.next.prev = n, n
}

func (n *link) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

// Remove implements Policy.
func (l *LRU) Remove(k Key) {
	n := l.nodes[k]
	n.unlink()
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
