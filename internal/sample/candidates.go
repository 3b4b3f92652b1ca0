package sample

import (
	"math/bits"
	"slices"
)

// candidate is a token that may still be chosen.
type candidate struct {
	id int32
	z  float32 // its logit, and after the temperature its distance from the best
	p  float32 // its probability among the survivors, where one was needed
}

// before is the total order of candidates: more likely first, then lower id.
// That it is total is what makes every selection below a function of the set
// of candidates, whatever their places.
func (a candidate) before(b candidate) bool {
	return a.z > b.z || a.z == b.z && a.id < b.id // no NaN comes here
}

func compare(a, b candidate) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

func best(c []candidate) candidate {
	top := c[0]
	for _, v := range c[1:] {
		if v.before(top) {
			top = v
		}
	}
	return top
}

// heapMost is the largest k for which a heap beats a quickselect.
const heapMost = 1 << 10

// selectTop moves the k first candidates to the front, in any order.
func selectTop(c []candidate, k int) {
	switch {
	case k <= 0 || k >= len(c):
	case k <= heapMost:
		heapTop(c, k)
	default:
		quickTop(c, k)
	}
}

// heapTop keeps the first k in a heap with the last of them at its root. One
// comparison rejects nearly every candidate of a large vocabulary.
func heapTop(c []candidate, k int) {
	h := c[:k]
	for i := k/2 - 1; i >= 0; i-- {
		sink(h, i)
	}
	for i := k; i < len(c); i++ {
		if c[i].before(h[0]) {
			c[i], h[0] = h[0], c[i]
			sink(h, 0)
		}
	}
}

// sink restores the heap below i: no candidate comes before its children.
func sink(h []candidate, i int) {
	for {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[last].before(h[child]) {
				last = child
			}
		}
		if last == i {
			return
		}
		h[i], h[last] = h[last], h[i]
		i = last
	}
}

// quickTop is Hoare's quickselect. Rounds that shrink the range too slowly end
// in a sort, so that no logits make it quadratic.
func quickTop(c []candidate, k int) {
	for round := 2 * bits.Len(uint(len(c))); len(c) > 1 && k > 0 && k < len(c); round-- {
		if round == 0 {
			slices.SortFunc(c, compare)
			return
		}
		i, j := partition(c)
		switch {
		case k <= j:
			c = c[:j+1]
		case k > i:
			c, k = c[i:], k-i
		default:
			return
		}
	}
}

// partition leaves in c[:j+1] what is not after the middle candidate, in c[i:]
// what is not before it, and between them nothing or that candidate.
func partition(c []candidate) (i, j int) {
	pivot := c[len(c)/2]
	i, j = 0, len(c)-1
	for i <= j {
		for c[i].before(pivot) {
			i++
		}
		for pivot.before(c[j]) {
			j--
		}
		if i <= j {
			c[i], c[j] = c[j], c[i]
			i, j = i+1, j-1
		}
	}
	return i, j
}
