package hser

import "fmt"

// maxTable is the most tiers of a Config with a table: a set of them is a mask.
const maxTable = 64

// mask is the set's tiers as bits.
func (s *TierSet) mask() (m uint64) {
	for _, t := range s.Tiers {
		m |= 1 << uint(t)
	}
	return m
}

// allowTable makes the experts of the set's tiers candidates, in ascending
// order: what a tier plan of a flat model leaves is a list without holes, as
// if the model had these experts only.
func (r *Router) allowTable(of []uint8, tiers uint64) {
	for i, t := range of {
		if tiers>>t&1 != 0 {
			r.allow(i, i+1)
		}
	}
}

// validateTable checks Of against the tiers.
func (c *Config) validateTable() error {
	if c.Mode != Joint {
		return &ConfigError{What: "a table of tiers is for joint models only"}
	}
	if len(c.Tiers) > maxTable {
		return &ConfigError{What: fmt.Sprintf("%d tiers: at most %d with a table", len(c.Tiers), maxTable)}
	}
	counts := make([]int, len(c.Tiers))
	for i, t := range c.Of {
		if int(t) >= len(c.Tiers) {
			return &ConfigError{What: fmt.Sprintf("expert %d is in tier %d of %d", i, t, len(c.Tiers))}
		}
		counts[t]++
	}
	for i := range c.Tiers {
		if t := &c.Tiers[i]; t.Groups != 1 || t.First != 0 || t.Experts != counts[i] {
			return &ConfigError{What: fmt.Sprintf("tier %q has %d groups of %d experts from index %d, and the table has %d", t.Name, t.Groups, t.Experts, t.First, counts[i])}
		}
	}
	return c.validateRest(len(c.Of))
}
