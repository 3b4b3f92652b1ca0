package hser

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// TierSet is what one request may use: exactly these tiers, ascending, and so
// many choices at each level.
type TierSet struct {
	Name                   string
	Tiers                  []int
	KTier, KGroup, KExpert int
}

// K is the most experts that a token runs at a layer. A product that does not
// fit is the largest number, so that no check after it can be passed by a
// number that wrapped.
func (s *TierSet) K() int { return product(product(s.KTier, s.KGroup), s.KExpert) }

func product(a, b int) int {
	if a <= 0 || b <= 0 {
		return 0
	}
	hi, lo := bits.Mul(uint(a), uint(b))
	if hi != 0 || lo > math.MaxInt {
		return math.MaxInt
	}
	return int(lo) // fits, see above
}

// Same says whether two sets route alike, whatever their names; nil is like no
// other.
func (s *TierSet) Same(o *TierSet) bool {
	return s != nil && o != nil && slices.Equal(s.Tiers, o.Tiers) && s.KTier == o.KTier && s.KGroup == o.KGroup && s.KExpert == o.KExpert
}

// Validate says whether the set can be served by a layer that routes as c
// says. It returns a *ConfigError when c itself is wrong, a *SetError when the
// set names tiers that are not there, and a *KError when it chooses more than
// there is.
func (s *TierSet) Validate(c *Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := s.names(c); err != nil {
		return err
	}
	if s.KTier > len(s.Tiers) || s.KTier < 1 {
		return &KError{Level: LevelTier, K: s.KTier, Allowed: len(s.Tiers)}
	}
	if c.Mode == Joint {
		return s.fitsJoint(c)
	}
	for _, t := range s.Tiers {
		tier := &c.Tiers[t]
		if s.KGroup > tier.Groups || s.KGroup < 1 {
			return &KError{Level: LevelGroup, K: s.KGroup, Allowed: tier.Groups}
		}
		if s.KExpert > tier.Experts || s.KExpert < 1 {
			return &KError{Level: LevelExpert, K: s.KExpert, Allowed: tier.Experts}
		}
	}
	return nil
}

// names checks which tiers the set names.
func (s *TierSet) names(c *Config) error {
	if len(s.Tiers) == 0 {
		return &SetError{What: fmt.Sprintf("%q has no tiers", s.Name)}
	}
	for i, t := range s.Tiers {
		if t < 0 || t >= len(c.Tiers) {
			return &SetError{What: fmt.Sprintf("%q names tier %d of %d", s.Name, t, len(c.Tiers))}
		}
		if i > 0 && t <= s.Tiers[i-1] {
			return &SetError{What: fmt.Sprintf("%q: tiers must ascend, each once; %d follows %d", s.Name, t, s.Tiers[i-1])}
		}
	}
	return nil
}

// fitsJoint checks the number of experts that are left to choose from. Where
// groups are limited, any LimitUsed of those that the set reaches may stay:
// the smallest ones must be enough.
func (s *TierSet) fitsJoint(c *Config) error {
	allowed := 0
	for _, t := range s.Tiers {
		allowed += c.Tiers[t].size()
	}
	if c.limited() {
		groups := s.limitedGroups(c)
		if c.LimitUsed > len(groups) {
			return &KError{Level: LevelGroup, K: c.LimitUsed, Allowed: len(groups)}
		}
		allowed = 0
		for _, n := range groups[:c.LimitUsed] {
			allowed += n
		}
	}
	if k := s.K(); k > allowed || k < 1 {
		return &KError{Level: LevelExpert, K: k, Allowed: allowed}
	}
	return nil
}

// limitedGroups is how many experts the set reaches in each group that it
// reaches at all, ascending.
func (s *TierSet) limitedGroups(c *Config) []int {
	reached := make([]int, c.LimitGroups)
	size := c.total() / c.LimitGroups
	if c.Of != nil {
		tiers := s.mask()
		for i, t := range c.Of {
			reached[i/size] += int(tiers >> t & 1)
		}
	} else {
		for _, t := range s.Tiers {
			for i := range c.Tiers[t].size() {
				reached[(c.Tiers[t].First+i)/size]++
			}
		}
	}
	slices.Sort(reached)
	for len(reached) > 0 && reached[0] == 0 {
		reached = reached[1:]
	}
	return reached
}

// Validate says whether the routing is one that can be followed. It returns a
// *ConfigError.
func (c *Config) Validate() error {
	if len(c.Tiers) == 0 {
		return &ConfigError{What: "there are no tiers"}
	}
	if c.Of != nil {
		return c.validateTable()
	}
	end := 0
	for i := range c.Tiers {
		t := &c.Tiers[i]
		if t.Groups < 1 || t.Experts < 1 || max(t.Groups, t.Experts) > math.MaxInt32 || t.Groups > c.most()/t.Experts || t.First > c.most()-t.size() {
			return &ConfigError{What: fmt.Sprintf("tier %q has %d groups of %d experts from index %d: out of range", t.Name, t.Groups, t.Experts, t.First)}
		}
		if t.First < end {
			return &ConfigError{What: fmt.Sprintf("tier %q begins at expert %d, inside the tier before it", t.Name, t.First)}
		}
		end = t.First + t.size()
	}
	return c.validateRest(end)
}

// validateRest checks what does not depend on how tiers are given.
func (c *Config) validateRest(end int) error {
	if s := float64(c.Scale); math.IsNaN(s) || math.IsInf(s, 0) {
		return &ConfigError{What: fmt.Sprintf("the weights' scale is %v", c.Scale)}
	}
	if c.Score == Unit && (c.Mode != Joint || c.Normalize) {
		return &ConfigError{What: "experts of weight one are chosen jointly, and not normalised"}
	}
	if c.LimitGroups > 1 {
		return c.validateLimit(end)
	}
	return nil
}

// most is how many experts a layer may have. A joint choice is among all of
// them, whose numbers it keeps in 31 bits; a nested one never lists them.
func (c *Config) most() int {
	if c.Mode == Joint {
		return math.MaxInt32
	}
	return math.MaxInt
}

// validateLimit checks the groups that a flat model's experts are divided into.
func (c *Config) validateLimit(experts int) error {
	switch {
	case c.Mode != Joint:
		return &ConfigError{What: "groups are limited in joint models only"}
	case experts%c.LimitGroups != 0:
		return &ConfigError{What: fmt.Sprintf("%d experts do not form %d equal groups", experts, c.LimitGroups)}
	case c.LimitUsed < 1:
		return &ConfigError{What: fmt.Sprintf("%d groups of %d are used", c.LimitUsed, c.LimitGroups)}
	}
	return nil
}
