package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lite-llm/lite/internal/hser"
)

// TierList asks for tiers by their names instead of a set's: exactly these, or
// an error. A number that is 0 is the default set's; KTier is then lowered to
// the number of tiers that are named.
type TierList struct {
	Tiers                  []string
	KTier, KGroup, KExpert int
}

// listPrefix begins a list of tiers where a set's name could stand.
const listPrefix = "tiers="

// ListError says that a list of tiers is none.
type ListError struct{ List, What string }

// Error implements error.
func (e *ListError) Error() string { return fmt.Sprintf("%s: %s", e.List, e.What) }

// TierError says that a model has no tier of that name.
type TierError struct {
	Name string
	Have []string
}

// Error implements error.
func (e *TierError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("there is no tier %q; this model has none", e.Name)
	}
	return fmt.Sprintf("there is no tier %q; this model has: %s", e.Name, strings.Join(e.Have, ", "))
}

// ClosedError says that a tier set has a tier that was not opened.
type ClosedError struct {
	Set, Tier string
	Open      []string // the tiers that were
}

// Error implements error.
func (e *ClosedError) Error() string {
	return fmt.Sprintf("tier set %q has the tier %q, which is not open; open are: %s", e.Set, e.Tier, strings.Join(e.Open, ", "))
}

// RoomError says that a list of tiers runs more experts than memory was planned
// for.
type RoomError struct {
	Set     string
	K, Room int // experts of a token at a layer
}

// Error implements error.
func (e *RoomError) Error() string {
	return fmt.Sprintf("%s runs %d experts of a token at a layer, and the memory that was planned has room for %d: name it when the model is opened", e.Set, e.K, e.Room)
}

// maxList is the most bytes of a list: what names more tiers comes as a TierList.
const maxList = 8 << 10

// ParseTierList reads a list such as
//
//	tiers=fast,mid,k_tier=2,k_group=1,k_expert=4
//
// whose numbers may be left out. It returns a *ListError.
func ParseTierList(text string) (*TierList, error) {
	rest, ok := strings.CutPrefix(text, listPrefix)
	if !ok {
		return nil, &ListError{List: text, What: "a list of tiers begins with tiers="}
	}
	if len(text) > maxList {
		return nil, &ListError{List: text[:32] + "…", What: fmt.Sprintf("a list of %d bytes, of which at most %d are read", len(text), maxList)}
	}
	l := &TierList{}
	numbers := map[string]*int{"k_tier": &l.KTier, "k_group": &l.KGroup, "k_expert": &l.KExpert}
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		key, value, isNumber := strings.Cut(part, "=")
		switch {
		case part == "":
			return nil, &ListError{List: text, What: "the name of a tier is missing"}
		case !isNumber:
			l.Tiers = append(l.Tiers, part)
		case numbers[key] == nil:
			return nil, &ListError{List: text, What: fmt.Sprintf("%q is none of k_tier, k_group and k_expert, or is there twice", key)}
		default:
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n < 1 {
				return nil, &ListError{List: text, What: fmt.Sprintf("%s needs a whole number from 1, not %q", key, value)}
			}
			*numbers[key] = int(n)
			delete(numbers, key)
		}
	}
	return l, nil
}

// Set returns the tier set of that name, the default one for "", or the one of
// a list (ParseTierList). It returns a *SetError when there is none of that
// name, a *ClosedError for one that has a tier which is not open, and for a list
// what List does.
func (m *Model) Set(name string) (*hser.TierSet, error) {
	if name == "" {
		name = m.DefaultSet
	}
	have := make([]string, len(m.Sets))
	for i := range m.Sets {
		if m.Sets[i].Name == name {
			return &m.Sets[i], m.open(&m.Sets[i])
		}
		have[i] = m.Sets[i].Name
	}
	if !strings.HasPrefix(name, listPrefix) {
		return nil, &SetError{Name: name, Have: have}
	}
	l, err := ParseTierList(name)
	if err != nil {
		return nil, err
	}
	return m.List(l)
}

// List is the tier set of a list, with its tiers in canonical order. It returns
// a *ListError, a *TierError, a *ClosedError, a *hser.KError when more is to be
// chosen than there is, or a *RoomError.
func (m *Model) List(l *TierList) (*hser.TierSet, error) {
	set, err := m.list(l)
	if err != nil {
		return nil, err
	}
	if room := m.Room(); set.K() > room {
		return nil, &RoomError{Set: set.Name, K: set.K(), Room: room}
	}
	return set, m.open(set)
}

// Reserve makes memory be planned for the tier set of that name or list.
func (m *Model) Reserve(name string) error {
	l, err := ParseTierList(name)
	if err != nil || slices.ContainsFunc(m.Sets, func(s hser.TierSet) bool { return s.Name == name }) {
		_, err = m.Set(name)
		return err
	}
	set, err := m.list(l)
	if err == nil {
		m.reserved = append(m.reserved, *set)
	}
	return err
}

// Planned is the sets for which memory is planned: the named ones, and those
// that were reserved.
func (m *Model) Planned() []hser.TierSet { return slices.Concat(m.Sets, m.reserved) }

// Room is the most experts of a token at a layer that memory is planned for.
func (m *Model) Room() (k int) {
	for _, s := range m.Planned() {
		k = max(k, s.K())
	}
	return k
}

// list is List without asking what is open and planned.
func (m *Model) list(l *TierList) (*hser.TierSet, error) {
	set := &hser.TierSet{KTier: l.KTier, KGroup: l.KGroup, KExpert: l.KExpert}
	for i := range m.Sets {
		if d := &m.Sets[i]; d.Name == m.DefaultSet {
			set.KTier, set.KGroup, set.KExpert = or(l.KTier, min(d.KTier, len(l.Tiers))), or(l.KGroup, d.KGroup), or(l.KExpert, d.KExpert)
		}
	}
	if len(l.Tiers) > len(m.Tiers) {
		return nil, &ListError{List: listPrefix, What: fmt.Sprintf("%d tiers are named, and this model has %d", len(l.Tiers), len(m.Tiers))}
	}
	for _, name := range l.Tiers {
		t := slices.IndexFunc(m.Tiers, func(t Tier) bool { return t.Name == name })
		if t < 0 {
			return nil, &TierError{Name: name, Have: m.tierNames(func(*Tier) bool { return true })}
		}
		set.Tiers = append(set.Tiers, t)
	}
	slices.Sort(set.Tiers)
	var names []string
	for _, t := range set.Tiers {
		names = append(names, m.Tiers[t].Name)
	}
	set.Name = fmt.Sprintf("%s%s,k_tier=%d,k_group=%d,k_expert=%d", listPrefix, strings.Join(names, ","), set.KTier, set.KGroup, set.KExpert)
	if len(slices.Compact(slices.Clone(set.Tiers))) != len(l.Tiers) {
		return nil, &ListError{List: set.Name, What: "a tier is named twice"}
	}
	if len(l.Tiers) == 0 {
		return nil, &ListError{List: listPrefix, What: "no tier is named"}
	}
	return set, m.serve(set)
}

// serve says whether every layer can serve the set.
func (m *Model) serve(set *hser.TierSet) error {
	for i := range m.Layers {
		c := m.config(i)
		if c == nil {
			continue
		}
		if c.Mode == hser.Joint && set.KTier*set.KGroup != 1 {
			return &ListError{List: set.Name, What: "this model takes the best experts of all tiers together: k_tier and k_group are 1"}
		}
		if err := set.Validate(c); err != nil {
			return fmt.Errorf("%s, layer %d: %w", set.Name, i, err)
		}
		if c.Mode == hser.Nested {
			break // all layers have one configuration
		}
	}
	return nil
}

// open says whether all tiers of the set are.
func (m *Model) open(set *hser.TierSet) error {
	for _, t := range set.Tiers {
		if m.Tiers[t].Closed {
			return &ClosedError{Set: set.Name, Tier: m.Tiers[t].Name, Open: m.tierNames(func(t *Tier) bool { return !t.Closed })}
		}
	}
	return nil
}

// OpenTiers closes all other tiers, whose experts no request can then use. It
// returns a *TierError.
func (m *Model) OpenTiers(names []string) error {
	for i := range m.Tiers {
		m.Tiers[i].Closed = !slices.Contains(names, m.Tiers[i].Name)
	}
	for _, name := range names {
		if !slices.ContainsFunc(m.Tiers, func(t Tier) bool { return t.Name == name }) {
			return &TierError{Name: name, Have: m.tierNames(func(*Tier) bool { return true })}
		}
	}
	return nil
}

func (m *Model) tierNames(want func(t *Tier) bool) (names []string) {
	for i := range m.Tiers {
		if want(&m.Tiers[i]) {
			names = append(names, m.Tiers[i].Name)
		}
	}
	return names
}

func or(n, fallback int) int {
	if n != 0 {
		return n
	}
	return fallback
}

// ExpertBytes is the most bytes of experts that a token executes under a tier
// set, with the routing heads that are leased like experts: in each layer as
// many of the largest of its tiers as a token takes. What a token makes be read
// of either is at most that, apart from what direct reads add to its ends.
func (m *Model) ExpertBytes(set *hser.TierSet) (n int64) {
	for i, pools := range m.Experts {
		c := m.config(i)
		if c == nil {
			continue
		}
		at := func(k int) int { return set.Tiers[k] }
		of := len(set.Tiers)
		if len(pools) != len(m.Tiers) { // one pool, whose experts have one size
			at, of = func(k int) int { return k }, len(pools)
		}
		expert, groupHead, expertHead := int64(0), int64(0), int64(0)
		for k := range of {
			p, size := &pools[at(k)], int64(0)
			for part := range p.Slabs {
				size += p.Slabs[part].Size
			}
			expert = max(expert, size)
			groupHead, expertHead = max(groupHead, p.GroupHead.Size), max(expertHead, p.ExpertHead.Size)
		}
		n += int64(set.K())*expert + int64(set.KTier)*groupHead + int64(set.KTier*set.KGroup)*expertHead
	}
	return n
}
