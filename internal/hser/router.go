package hser

import (
	"math"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Router holds the scratch of routing decisions, so that a steady state
// allocates nothing. The zero value is ready; one goroutine uses it at a time.
type Router struct {
	// Arith computes probabilities; nil is the reference, whose bits all have.
	Arith *vec.Kernels

	candidates []candidate // a compacted list of what is allowed, ascending by id
	groups     []candidate // of a group-limited model
	p          []float32
}

// reference is the arithmetic where nobody gave another.
var reference = vec.For(kernel.Reference)

func (r *Router) arith() *vec.Kernels {
	if r.Arith == nil {
		return reference
	}
	return r.Arith
}

// minSum keeps the division by the sum of a token's sigmoids finite when all
// of them vanish. It is llama.cpp's: the smallest normal number of float16.
// The probabilities of a softmax need no floor, and get none: the best of n is
// at least 1/n at every level, while the product over the levels of a large
// nested model may well be smaller than this.
const minSum = 6.103515625e-5

// Tiers chooses the tiers of a row from the logits of all tiers (T values),
// among those that the set allows. Choices are appended to dst in ascending
// order. On error dst is returned as it was; the error is a *KError, a
// *NaNError or a *ScoresError, as for the other steps.
func (r *Router) Tiers(c *Config, dst []TierChoice, logits []float32, set *TierSet, key Key) ([]TierChoice, error) {
	if len(logits) != len(c.Tiers) {
		return dst, &ScoresError{Level: LevelTier, Have: len(logits), Want: len(c.Tiers)}
	}
	r.candidates = r.candidates[:0]
	for _, t := range set.Tiers {
		r.allow(t, t+1)
	}
	chosen, err := r.choose(c, logits, set.KTier, order{key: key, level: LevelTier})
	for _, a := range chosen {
		dst = append(dst, TierChoice{Tier: a.id, P: a.p})
	}
	return dst, err
}

// Groups chooses groups of a chosen tier from the logits of its groups (G
// values).
func (r *Router) Groups(c *Config, dst []GroupChoice, tier TierChoice, logits []float32, set *TierSet, key Key) ([]GroupChoice, error) {
	if want := c.Tiers[tier.Tier].Groups; len(logits) != want {
		return dst, &ScoresError{Level: LevelGroup, Have: len(logits), Want: want}
	}
	r.candidates = r.candidates[:0]
	r.allow(0, len(logits))
	chosen, err := r.choose(c, logits, set.KGroup, order{key: key, level: LevelGroup, parent: uint64(tier.Tier)}) //nolint:gosec // an index
	for _, a := range chosen {
		dst = append(dst, GroupChoice{Tier: tier.Tier, Group: a.id, P: float32(tier.P * a.p)})
	}
	return dst, err
}

// Experts chooses experts of a chosen group from the logits of its experts (E
// values). Finish turns a row's choices into weights.
func (r *Router) Experts(c *Config, dst []Choice, group GroupChoice, logits []float32, set *TierSet, key Key) ([]Choice, error) {
	tier := &c.Tiers[group.Tier]
	if len(logits) != tier.Experts {
		return dst, &ScoresError{Level: LevelExpert, Have: len(logits), Want: tier.Experts}
	}
	r.candidates = r.candidates[:0]
	r.allow(0, len(logits))
	parent := uint64(group.Tier)<<32 | uint64(group.Group) //nolint:gosec // two indices
	chosen, err := r.choose(c, logits, set.KExpert, order{key: key, level: LevelExpert, parent: parent})
	first := int64(tier.First) + int64(group.Group)*int64(tier.Experts)
	for _, a := range chosen {
		dst = append(dst, Choice{Index: first + int64(a.id), Tier: group.Tier, Group: group.Group, Weight: float32(group.P * a.p)})
	}
	return dst, err
}

// Finish turns the products of probabilities of one row's choices, which must
// ascend by index, into weights: normalised if the model does so, and scaled.
func (r *Router) Finish(c *Config, chosen []Choice) {
	if c.Normalize {
		var sum float32
		for i := range chosen {
			sum += chosen[i].Weight
		}
		if c.Score == Sigmoid {
			sum = max(sum, minSum)
		}
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
// their final weights. bias, if not nil, is as long as logits and is added to
// the probabilities for the selection only. On error dst is returned as it was.
func (r *Router) Joint(c *Config, dst []Choice, logits, bias []float32, set *TierSet, key Key) ([]Choice, error) {
	if want := c.total(); len(logits) != want {
		return dst, &ScoresError{Level: LevelExpert, Have: len(logits), Want: want}
	} else if bias != nil && len(bias) != want {
		return dst, &ScoresError{Level: LevelExpert, Have: len(bias), Want: want}
	}
	r.candidates = r.candidates[:0]
	if c.Of != nil {
		r.allowTable(c.Of, set.mask())
	} else {
		for _, t := range set.Tiers {
			r.allow(c.Tiers[t].First, c.Tiers[t].First+c.Tiers[t].size())
		}
	}
	o := order{key: key, level: LevelExpert}
	if err := r.weigh(c, logits, bias, o); err != nil {
		return dst, err
	}
	if c.limited() {
		if err := r.limit(c, o); err != nil {
			return dst, err
		}
	}
	k := set.K()
	if k < 1 || k > len(r.candidates) {
		return dst, &KError{Level: LevelExpert, K: k, Allowed: len(r.candidates)}
	}
	begin := len(dst)
	for _, a := range o.top(r.candidates, k) {
		t, g := c.place(a.id)
		dst = append(dst, Choice{Index: int64(a.id), Tier: t, Group: g, Weight: a.p})
	}
	r.Finish(c, dst[begin:])
	return dst, nil
}

// allow makes the ids [lo, hi) candidates.
func (r *Router) allow(lo, hi int) {
	for i := lo; i < hi; i++ {
		r.candidates = append(r.candidates, candidate{id: int32(i)}) //nolint:gosec // an index, see Config.Validate
	}
}

// choose returns the best k candidates, ascending by id.
func (r *Router) choose(c *Config, logits []float32, k int, o order) ([]candidate, error) {
	if k < 1 || k > len(r.candidates) {
		return nil, &KError{Level: o.level, K: k, Allowed: len(r.candidates)}
	}
	if err := r.weigh(c, logits, nil, o); err != nil {
		return nil, err
	}
	return o.top(r.candidates, k), nil
}

// weigh computes the candidates' probabilities, among themselves, and the
// scores that select. A softmax without bias is selected by logit, which never
// makes equal what differs; everything else by probability plus bias.
func (r *Router) weigh(c *Config, logits, bias []float32, o order) error {
	if c.Score == Unit {
		return r.weighUnit(logits, bias, o)
	}
	r.p = r.p[:0]
	for i := range r.candidates {
		a := &r.candidates[i]
		a.score = logits[a.id]
		r.p = append(r.p, finite(a.score))
	}
	if c.Score == Sigmoid {
		r.arith().Sigmoid(r.p, r.p)
	} else {
		r.arith().Softmax(r.p, r.p)
	}
	for i := range r.candidates {
		a := &r.candidates[i]
		a.p = r.p[i]
		if bias != nil {
			a.score = a.p + bias[a.id]
		} else if c.Score == Sigmoid {
			a.score = a.p
		}
		if a.score != a.score { // NaN
			return &NaNError{Level: o.level, Position: o.key.Position, Layer: o.key.Layer}
		}
	}
	return nil
}

// weighUnit is weigh where every expert has the weight one.
func (r *Router) weighUnit(logits, bias []float32, o order) error {
	for i := range r.candidates {
		a := &r.candidates[i]
		a.p, a.score = 1, logits[a.id]
		if bias != nil {
			a.score += bias[a.id]
		}
		if a.score != a.score { // NaN
			return &NaNError{Level: o.level, Position: o.key.Position, Layer: o.key.Layer}
		}
	}
	return nil
}

// finite puts the largest number in the place of an infinity: a softmax then
// gives what it tends to, which is all weight to what is infinite.
func finite(x float32) float32 { return min(max(x, -math.MaxFloat32), math.MaxFloat32) }

// limit drops the candidates outside the best groups of a group-limited model.
func (r *Router) limit(c *Config, o order) error {
	size := int32(c.total() / c.LimitGroups) //nolint:gosec // see Config.Validate
	r.groups = r.groups[:0]
	for lo := 0; lo < len(r.candidates); {
		group, hi := r.candidates[lo].id/size, lo
		for hi < len(r.candidates) && r.candidates[hi].id/size == group {
			hi++
		}
		score := groupScore(c.Score, r.candidates[lo:hi])
		if score != score { // NaN: one bias is +Inf and another one -Inf
			return &NaNError{Level: LevelGroup, Position: o.key.Position, Layer: o.key.Layer}
		}
		r.groups = append(r.groups, candidate{id: group, score: score})
		lo = hi
	}
	if c.LimitUsed < 1 || c.LimitUsed > len(r.groups) {
		return &KError{Level: LevelGroup, K: c.LimitUsed, Allowed: len(r.groups)}
	}
	o.level = LevelGroup
	best := o.top(r.groups, c.LimitUsed)
	kept := r.candidates[:0]
	for _, a := range r.candidates { // both lists ascend
		for len(best) > 0 && best[0].id < a.id/size {
			best = best[1:]
		}
		if len(best) > 0 && best[0].id == a.id/size {
			kept = append(kept, a)
		}
	}
	r.candidates = kept
	return nil
}

// groupScore is the sum of a group's two best selection scores under Sigmoid
// (DeepSeek-V3), and its best one under Softmax (DeepSeek-V2).
func groupScore(score Score, group []candidate) float32 {
	first, second := group[0].score, float32(math.Inf(-1))
	for _, a := range group[1:] {
		if a.score > first {
			first, second = a.score, first
		} else if a.score > second {
			second = a.score
		}
	}
	if score == Softmax || len(group) == 1 {
		return first
	}
	return first + second
}
