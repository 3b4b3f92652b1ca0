package hser

import (
	"slices"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Router holds the scratch of routing decisions, so that a steady state
// allocates nothing. The zero value is ready; one goroutine uses it at a time.
type Router struct {
	ids       []int32   // the candidates at work: a compacted list of what is allowed
	p         []float32 // their probabilities
	selection []float32
	groups    []int32
	gscore    []float32
}

// math is the arithmetic of the few scores of a row. The reference serves:
// every implementation gives its bits.
var math = vec.For(kernel.Reference)

// minSum keeps the division by the weights' sum finite when all probabilities
// of a token vanish (the smallest normal half, as llama.cpp has it).
const minSum = 6.103515625e-5

// Tiers chooses the tiers of a row from the logits of all tiers (T values),
// among those that the set allows. Choices are appended to dst in ascending
// order. On error dst is returned as it was.
func (r *Router) Tiers(c *Config, dst []TierChoice, logits []float32, set *TierSet, key Key) ([]TierChoice, error) {
	r.ids = r.ids[:0]
	for _, t := range set.Tiers {
		r.ids = append(r.ids, int32(t)) //nolint:gosec // a few tiers
	}
	if err := r.choose(c, LevelTier, logits, set.KTier, key, 0); err != nil {
		return dst, err
	}
	for i, id := range r.ids {
		dst = append(dst, TierChoice{Tier: id, P: r.p[i]})
	}
	return dst, nil
}

// Groups chooses groups of a chosen tier from the logits of its groups.
func (r *Router) Groups(c *Config, dst []GroupChoice, tier TierChoice, logits []float32, set *TierSet, key Key) ([]GroupChoice, error) {
	r.all(c.Tiers[tier.Tier].Groups)
	if err := r.choose(c, LevelGroup, logits, set.KGroup, key, uint64(tier.Tier)); err != nil {
		return dst, err
	}
	for i, id := range r.ids {
		dst = append(dst, GroupChoice{Tier: tier.Tier, Group: id, P: tier.P * r.p[i]})
	}
	return dst, nil
}

// Experts chooses experts of a chosen group from the logits of its experts.
// Finish turns a row's choices into weights.
func (r *Router) Experts(c *Config, dst []Choice, group GroupChoice, logits []float32, set *TierSet, key Key) ([]Choice, error) {
	tier := &c.Tiers[group.Tier]
	r.all(tier.Experts)
	parent := uint64(group.Tier)<<32 | uint64(group.Group)
	if err := r.choose(c, LevelExpert, logits, set.KExpert, key, parent); err != nil {
		return dst, err
	}
	first := int32(tier.First) + group.Group*int32(tier.Experts) //nolint:gosec // an index
	for i, id := range r.ids {
		dst = append(dst, Choice{Index: first + id, Tier: group.Tier, Group: group.Group, Weight: group.P * r.p[i]})
	}
	return dst, nil
}

// Finish turns the products of probabilities of one row's choices, which must
// ascend by index, into weights: normalised if the model does so, and scaled.
func (r *Router) Finish(c *Config, chosen []Choice) {
	if c.Normalize {
		var sum float32
		for i := range chosen {
			sum += chosen[i].Weight
		}
		sum = max(sum, minSum)
		for i := range chosen {
			chosen[i].Weight /= sum
		}
	}
	if c.Scale != 0 && c.Scale != 1 {
		for i := range chosen {
			chosen[i].Weight *= c.Scale
		}
	}
}

// Joint chooses a row's experts from the logits of all experts of the layer,
// among those of the set's tiers, and appends them in ascending order with
// their final weights. bias, if not nil, is added to the probabilities for the
// selection only.
func (r *Router) Joint(c *Config, dst []Choice, logits, bias []float32, set *TierSet, key Key) ([]Choice, error) {
	r.ids = r.ids[:0]
	for _, t := range set.Tiers {
		tier := &c.Tiers[t]
		for i := range tier.Groups * tier.Experts {
			r.ids = append(r.ids, int32(tier.First+i)) //nolint:gosec // an index
		}
	}
	if k := set.K(); k > len(r.ids) {
		return dst, &KError{Level: LevelExpert, K: k, Allowed: len(r.ids)}
	}
	if err := r.probabilities(c.Score, LevelExpert, logits, key); err != nil {
		return dst, err
	}
	r.selection = append(r.selection[:0], r.p...)
	if bias != nil {
		for i, id := range r.ids {
			r.selection[i] += bias[id]
		}
	}
	if c.LimitGroups > 1 && c.LimitUsed < c.LimitGroups {
		if err := r.limit(c, len(logits), set.K(), key); err != nil {
			return dst, err
		}
	}
	r.top(r.selection, set.K(), key, LevelExpert, 0)
	begin := len(dst)
	for i, id := range r.ids {
		t, g := c.place(id)
		dst = append(dst, Choice{Index: id, Tier: t, Group: g, Weight: r.p[i]})
	}
	r.Finish(c, dst[begin:])
	return dst, nil
}

// place is the tier and group of an expert. There are few tiers.
func (c *Config) place(id int32) (tier, group int32) {
	for t := range c.Tiers {
		tier := &c.Tiers[t]
		if at := int(id) - tier.First; at < tier.Groups*tier.Experts {
			return int32(t), int32(at / tier.Experts) //nolint:gosec // small
		}
	}
	return 0, 0
}

// limit drops the candidates outside the best groups of a group-limited model.
func (r *Router) limit(c *Config, experts, k int, key Key) error {
	size := experts / c.LimitGroups
	r.groups, r.gscore = r.groups[:0], r.gscore[:0]
	for i := 0; i < len(r.ids); {
		g := r.ids[i] / int32(size) //nolint:gosec // small
		j := i
		for j < len(r.ids) && r.ids[j]/int32(size) == g { //nolint:gosec // small
			j++
		}
		r.groups = append(r.groups, g)
		r.gscore = append(r.gscore, groupScore(c.Score, r.selection[i:j]))
		i = j
	}
	if c.LimitUsed > len(r.groups) {
		return &KError{Level: LevelGroup, K: c.LimitUsed, Allowed: len(r.groups)}
	}
	// The groups are candidates of a level of their own.
	best := Router{ids: r.groups, p: r.gscore}
	best.top(r.gscore, c.LimitUsed, key, LevelGroup, 0)
	n := 0
	for i, id := range r.ids {
		if slices.Contains(best.ids, id/int32(size)) { //nolint:gosec // small
			r.ids[n], r.p[n], r.selection[n] = id, r.p[i], r.selection[i]
			n++
		}
	}
	r.ids, r.p, r.selection = r.ids[:n], r.p[:n], r.selection[:n]
	if k > n {
		return &KError{Level: LevelExpert, K: k, Allowed: n}
	}
	return nil
}

// groupScore is the best selection score, or the sum of the two best.
func groupScore(score Score, s []float32) float32 {
	first, second := s[0], float32(0)
	for i, v := range s[1:] {
		switch {
		case v > first:
			first, second = v, first
		case i == 0 || v > second:
			second = v
		}
	}
	if score == Sigmoid {
		return first + second
	}
	return first
}

// all makes every id below n a candidate.
func (r *Router) all(n int) {
	r.ids = r.ids[:0]
	for i := range n {
		r.ids = append(r.ids, int32(i)) //nolint:gosec // small
	}
}

// choose leaves the best k candidates in r.ids, ascending, and their
// probabilities in r.p.
func (r *Router) choose(c *Config, level Level, logits []float32, k int, key Key, parent uint64) error {
	if k > len(r.ids) {
		return &KError{Level: level, K: k, Allowed: len(r.ids)}
	}
	if err := r.probabilities(c.Score, level, logits, key); err != nil {
		return err
	}
	r.selection = append(r.selection[:0], r.p...)
	r.top(r.selection, k, key, level, parent)
	return nil
}

// probabilities computes the candidates' probabilities from their logits.
func (r *Router) probabilities(score Score, level Level, logits []float32, key Key) error {
	r.p = r.p[:0]
	for _, id := range r.ids {
		v := logits[id]
		if v != v { //nolint:gocritic // NaN
			return &NaNError{Level: level, Position: key.Position, Layer: key.Layer}
		}
		r.p = append(r.p, v)
	}
	if score == Sigmoid {
		math.Sigmoid(r.p, r.p)
	} else {
		math.Softmax(r.p, r.p)
	}
	return nil
}

// top moves the best k candidates to the front, drops the rest and sorts the
// ids ascending. The order is total: score descending, then the seed's hash,
// then id ascending.
func (r *Router) top(scores []float32, k int, key Key, level Level, parent uint64) {
	for i := range k {
		best := i
		for j := i + 1; j < len(r.ids); j++ {
			if before(scores[j], r.ids[j], scores[best], r.ids[best], key, level, parent) {
				best = j
			}
		}
		r.swap(scores, i, best)
	}
	r.ids, r.p = r.ids[:k], r.p[:k]
	for i := 1; i < k; i++ { // insertion sort: k is small
		for j := i; j > 0 && r.ids[j] < r.ids[j-1]; j-- {
			r.swap(scores, j, j-1)
		}
	}
}

func (r *Router) swap(scores []float32, i, j int) {
	r.ids[i], r.ids[j] = r.ids[j], r.ids[i]
	scores[i], scores[j] = scores[j], scores[i]
	if &scores[0] != &r.p[0] {
		r.p[i], r.p[j] = r.p[j], r.p[i]
	}
}

// before says whether candidate a is ordered before candidate b.
func before(sa float32, a int32, sb float32, b int32, key Key, level Level, parent uint64) bool {
	if sa != sb { //nolint:gocritic // no NaN comes here
		return sa > sb
	}
	if key.Seed != 0 {
		if ha, hb := key.hash(level, parent, a), key.hash(level, parent, b); ha != hb {
			return ha < hb
		}
	}
	return a < b
}

// hash orders equal scores under a routing seed: a mix of everything that
// identifies the candidate (SplitMix64's finaliser; Steele et al., 2014).
func (k Key) hash(level Level, parent uint64, id int32) uint64 {
	h := k.Seed
	for _, v := range [...]uint64{uint64(k.Position), uint64(k.Layer), uint64(level), parent, uint64(id)} { //nolint:gosec // mixed, not counted
		h += 0x9e3779b97f4a7c15 + v
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
