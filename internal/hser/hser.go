// Package hser is hierarchical sparse expert routing: tier, then group, then
// expert (specification 001; docs/format/numerics-routing.md). It stands on
// the token's road between the model's blocks, which multiply the routing
// heads, and the experts that are leased. It is pure: scores in, choices out;
// whoever calls it does the I/O between the steps.
package hser

// Mode is how a selection crosses the levels.
type Mode uint8

// The modes. Nested is the specification's cross product: the best tiers, in
// each the best groups, in each the best experts. Joint takes the best experts
// of all allowed groups together, as published checkpoints do.
const (
	Nested Mode = iota
	Joint
)

// Score turns logits into probabilities.
type Score uint8

// The score functions.
const (
	Softmax Score = iota
	Sigmoid
	// Unit gives every chosen expert the weight one, and chooses by logit plus
	// bias: the experts are parts of one network, whose sum it is.
	Unit
)

// Tier is a named pool of experts at one layer. Groups are equally large; the
// canonical index of expert e of group g is First + g*Experts + e.
type Tier struct {
	Name    string
	Groups  int
	Experts int // per group
	First   int
}

// size is the number of experts of the tier.
func (t *Tier) size() int { return t.Groups * t.Experts }

// Config is a model's routing at one layer.
type Config struct {
	Mode  Mode
	Score Score
	// Tiers ascend by First and do not overlap.
	Tiers []Tier
	// Of, if not nil, is the tier of each expert of a joint layer, whose tiers
	// are then no runs: they have one group each, First is 0, and a tier may
	// have no expert at this layer.
	Of []uint8
	// Normalize divides the weights of a token's experts by their sum.
	Normalize bool
	// Scale multiplies the weights at the end; 0 means 1.
	Scale float32
	// LimitGroups > 1 divides the experts of a joint model into that many
	// equal groups, of which only the best LimitUsed stay candidates
	// (DeepSeek-V3, section 2.1.2). A group's score is the sum of its two
	// best selection scores under Sigmoid, and its best one under Softmax.
	LimitGroups, LimitUsed int
}

// limited says whether groups of a joint model are dropped before the choice.
func (c *Config) limited() bool { return c.LimitGroups > 1 && c.LimitUsed < c.LimitGroups }

// total is the number of experts of a layer, in all tiers.
func (c *Config) total() int {
	if c.Of != nil {
		return len(c.Of)
	}
	last := c.Tiers[len(c.Tiers)-1]
	return last.First + last.size()
}

// place is the tier and the group of an expert. There are few tiers.
func (c *Config) place(id int32) (tier, group int32) {
	if c.Of != nil {
		return int32(c.Of[id]), 0
	}
	for t := len(c.Tiers) - 1; t > 0; t-- {
		if at := int(id) - c.Tiers[t].First; at >= 0 {
			return int32(t), int32(at / c.Tiers[t].Experts) //nolint:gosec // the index of a tier and of its group
		}
	}
	return 0, (id - int32(c.Tiers[0].First)) / int32(c.Tiers[0].Experts) //nolint:gosec // an index
}

// Key identifies a routing decision for the order of equal scores. With seed 0
// the order is that of the ids.
type Key struct {
	Seed            uint64
	Position, Layer int
	// Random leaves the scores out of the order, so that the seed's hash alone
	// chooses; what is chosen keeps its weight. It is what an evaluation
	// compares learned routing with, and no answer is ever made with it.
	Random bool
}

// TierChoice is a tier chosen for a row, with its probability.
type TierChoice struct {
	Tier int32
	P    float32
}

// GroupChoice is a group chosen for a row; P is the product of the
// probabilities down to it.
type GroupChoice struct {
	Tier, Group int32
	P           float32
}

// Choice is an expert chosen for a row. Index is canonical.
type Choice struct {
	Index       int64
	Tier, Group int32
	Weight      float32
}

// Level is a level of the hierarchy.
type Level uint8

// The levels, from the top. Their numbers are part of the order of ties.
const (
	LevelTier Level = iota
	LevelGroup
	LevelExpert
)

var levels = [...]string{"tier", "group", "expert"}

// String is the level's name.
func (l Level) String() string { return levels[l] }
