package hser

// candidate is an id that may be chosen at a level, and what orders it.
type candidate struct {
	id    int32
	score float32 // selects; never NaN
	p     float32 // weighs
}

// order is the total order of the candidates of one decision: score
// descending, then the routing seed's hash if there is a seed, then id
// ascending (docs/format/numerics-routing.md).
type order struct {
	key    Key
	level  Level
	parent uint64 // the tier and the group in which a level is decided
}

// before says whether a is ordered before b.
func (o *order) before(a, b *candidate) bool {
	if a.score != b.score && !o.key.Random { // no NaN comes here
		return a.score > b.score
	}
	if o.key.Seed != 0 || o.key.Random {
		if ha, hb := o.hash(a.id), o.hash(b.id); ha != hb {
			return ha < hb
		}
	}
	return a.id < b.id
}

// top moves the best k of c to its front, ascending by id, and returns them.
// k and the number of candidates are small: it takes k·len(c) comparisons.
func (o *order) top(c []candidate, k int) []candidate {
	for i := range k {
		best := i
		for j := i + 1; j < len(c); j++ {
			if o.before(&c[j], &c[best]) {
				best = j
			}
		}
		c[i], c[best] = c[best], c[i]
	}
	c = c[:k]
	for i := 1; i < k; i++ {
		for j := i; j > 0 && c[j].id < c[j-1].id; j-- {
			c[j], c[j-1] = c[j-1], c[j]
		}
	}
	return c
}

// hash orders equal scores under a routing seed: the finaliser of SplitMix64
// (Steele, Lea and Flood, 2014) over everything that identifies the candidate.
func (o *order) hash(id int32) uint64 {
	h := o.key.Seed
	for _, v := range [...]uint64{uint64(o.key.Position), uint64(o.key.Layer), uint64(o.level), o.parent, uint64(id)} { //nolint:gosec // mixed, not counted
		h += 0x9e3779b97f4a7c15 + v
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
