package lite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/placement"
)

// Placement says on which rungs the bytes of each tier may be (docs/tiers.md).
type Placement = placement.File

// ReadPlacement reads a placement from a file. The error is a *PlacementError, or
// the system's.
func ReadPlacement(path string) (*Placement, error) {
	f, err := os.Open(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("opening a placement: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	p, err := placement.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// tierPlace is where a tier may be.
type tierPlace struct {
	name   string
	policy placement.Policy
	prefix string // of the names of its objects; empty when it has none of its own
}

// placeTiers finds the placement of every tier.
func (m *Model) placeTiers(needs *model.Model) error {
	source := placement.NVMe
	if m.remote != nil {
		source = placement.Object
	}
	names, policies := make([]string, len(needs.Tiers)), make([]placement.Policy, len(needs.Tiers))
	for i := range needs.Tiers {
		names[i] = needs.Tiers[i].Name
	}
	if m.shards {
		for i := range m.pack.Manifest.Tiers {
			var err error
			if policies[i], err = placement.OfModel(names[i], m.pack.Manifest.Tiers[i].Placement); err != nil {
				return err
			}
		}
	}
	if !m.shards && m.opt.Tiers != nil {
		for i := range m.opt.Tiers.Tiers {
			var err error
			if policies[i], err = placement.OfModel(names[i], m.opt.Tiers.Tiers[i].Placement); err != nil {
				return err
			}
		}
	}
	policies, err := placement.Resolve(names, policies, m.opt.Placement, source)
	if err != nil {
		return err
	}
	for i := range names {
		t := tierPlace{name: names[i], policy: policies[i]}
		if m.closedTier(t.name) { // nothing is loaded of it, nor asked for
			t.policy.Pin, t.policy.Credentials, t.policy.Budgets = false, nil, nil
		}
		if m.shards {
			t.prefix = path.Join(m.name(), pack.TierDir(names[i])) + "/"
		}
		m.places = append(m.places, t)
	}
	return nil
}

// closedTier says that requests may not use a tier.
func (m *Model) closedTier(name string) bool {
	return len(m.opt.OpenTiers) > 0 && !slices.Contains(m.opt.OpenTiers, name)
}

// held are the bounds of each tier in memory.
func (m *Model) held() []expert.Tier {
	if m.opt.NoCache {
		return nil
	}
	tiers := make([]expert.Tier, len(m.places))
	for i := range m.places {
		p := &m.places[i].policy
		tiers[i] = expert.Tier{Budget: base.ByteSize(p.Budgets[placement.DRAM]), Pin: p.Pin}
	}
	return tiers
}

// room has the demand keep to the placement of tiers in memory.
func (m *Model) room(d *demand, needs *model.Model, layout expert.Layout, align int) error {
	tiers := m.held()
	if d.all == 0 || len(tiers) == 0 {
		return nil
	}
	sizes := layout.ByTier(align, len(tiers), needs.Division())
	all, floor, err := expert.Room(sizes, tiers)
	if e, ok := errors.AsType[*expert.TierError](err); ok {
		return &PlacementError{Tier: m.places[e.Tier].name, What: fmt.Sprintf(
			"it needs at least %v (%d bytes) of memory, and its budget of dram is %v", e.Need, int64(e.Need), e.Have)}
	}
	if err != nil {
		return err
	}
	for i, t := range tiers {
		if t.Pin {
			d.pinned += sizes[i].All
		}
	}
	d.all, d.floor = all, floor
	d.token = min(d.token+d.pinned, all)
	return nil
}

// bounded says that some tier may not be in memory as a whole.
func (m *Model) bounded() bool {
	return slices.ContainsFunc(m.held(), func(t expert.Tier) bool { return t.Budget > 0 })
}

// loadPinned reads what is pinned.
func (m *Model) loadPinned() error {
	for _, t := range m.held() {
		if t.Pin {
			return m.store.Load(context.Background())
		}
	}
	return nil
}

// name is what the model is called on its file system.
func (m *Model) name() string {
	if m.remote != nil {
		return m.remote.key
	}
	return m.path
}
