// Package hser is hierarchical sparse expert routing: tier, then group, then
// expert (specification 001; docs/format/numerics.md, rule 8). It stands on
// the token's road between the model's blocks, which multiply the routing
// heads, and the experts that are leased. It is pure: scores in, choices out;
// whoever calls it does the I/O between the steps.
package hser

import (
	"fmt"
	"slices"
)

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
)

// Tier is a named pool of experts at one layer. Groups are equally large; the
// canonical index of expert e of group g is First + g*Experts + e.
type Tier struct {
	Name    string
	Groups  int
	Experts int // per group
	First   int
}

// Config is a model's routing at one layer.
type Config struct {
	Mode  Mode
	Score Score
	Tiers []Tier
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

// TierSet is what one request may use: exactly these tiers, ascending, and so
// many choices at each level.
type TierSet struct {
	Name                   string
	Tiers                  []int
	KTier, KGroup, KExpert int
}

// K is the most experts that a token runs at a layer.
func (s *TierSet) K() int { return s.KTier * s.KGroup * s.KExpert }

// Key identifies a routing decision for the order of equal scores. With seed 0
// the order is that of the ids.
type Key struct {
	Seed            uint64
	Position, Layer int
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
	Index, Tier, Group int32
	Weight             float32
}

// KError says that more candidates are to be chosen than are allowed.
type KError struct {
	Level      Level
	K, Allowed int
}

// Error implements error.
func (e *KError) Error() string {
	return fmt.Sprintf("%d %ss are to be chosen of the %d that are allowed", e.K, e.Level, e.Allowed)
}

// SetError says that a tier set does not fit a model's tiers.
type SetError struct{ What string }

// Error implements error.
func (e *SetError) Error() string { return "tier set: " + e.What }

// NaNError says that a routing score is not a number. It fails the request of
// that position and no other.
type NaNError struct {
	Level           Level
	Position, Layer int
}

// Error implements error.
func (e *NaNError) Error() string {
	return fmt.Sprintf("a %s score at layer %d, position %d is not a number", e.Level, e.Layer, e.Position)
}

// Level is a level of the hierarchy.
type Level uint8

// The levels, from the top.
const (
	LevelTier Level = iota
	LevelGroup
	LevelExpert
)

var levels = [...]string{"tier", "group", "expert"}

// String is the level's name.
func (l Level) String() string { return levels[l] }

// Validate says whether the set can be served by every layer of c. It returns
// a *SetError or a *KError.
func (s *TierSet) Validate(c *Config) error {
	if len(s.Tiers) == 0 {
		return &SetError{What: fmt.Sprintf("%q has no tiers", s.Name)}
	}
	if !slices.IsSorted(s.Tiers) || len(slices.Compact(slices.Clone(s.Tiers))) != len(s.Tiers) {
		return &SetError{What: fmt.Sprintf("%q: tiers must ascend, each once", s.Name)}
	}
	if s.KTier < 1 || s.KGroup < 1 || s.KExpert < 1 {
		return &SetError{What: fmt.Sprintf("%q must choose at least one tier, group and expert", s.Name)}
	}
	if s.KTier > len(s.Tiers) {
		return &KError{Level: LevelTier, K: s.KTier, Allowed: len(s.Tiers)}
	}
	joint := 0
	for _, t := range s.Tiers {
		if t < 0 || t >= len(c.Tiers) {
			return &SetError{What: fmt.Sprintf("%q names tier %d of %d", s.Name, t, len(c.Tiers))}
		}
		tier := &c.Tiers[t]
		joint += tier.Groups * tier.Experts
		if c.Mode == Joint {
			continue
		}
		if s.KGroup > tier.Groups {
			return &KError{Level: LevelGroup, K: s.KGroup, Allowed: tier.Groups}
		}
		if s.KExpert > tier.Experts {
			return &KError{Level: LevelExpert, K: s.KExpert, Allowed: tier.Experts}
		}
	}
	if c.Mode == Joint && s.K() > joint {
		return &KError{Level: LevelExpert, K: s.K(), Allowed: joint}
	}
	return nil
}
