package pack

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode"
)

// validate checks a manifest that may come from anywhere. The error continues
// a sentence that begins with the path.
func (m *Manifest) validate() error {
	switch {
	case m.Layers < 1 || m.Layers > MaxLayers:
		return fmt.Errorf("has %d layers: want 1 to %d", m.Layers, MaxLayers)
	case m.Routing != Joint && m.Routing != Nested:
		return fmt.Errorf("has the routing %.80q: want %s or %s", m.Routing, Joint, Nested)
	case m.Stacks != ByLayer && m.Stacks != ByTier || m.Routing == Nested && m.Stacks != ByTier:
		return fmt.Errorf("has stacks by %.80q: want %s or %s, and %s in a nested model", m.Stacks, ByLayer, ByTier, ByTier)
	case m.ShardHead < Align || m.ShardHead > MaxHead || m.ShardHead%Align != 0:
		return fmt.Errorf("has shard heads of %d bytes: want a multiple of %d up to %d", m.ShardHead, Align, MaxHead)
	case m.Trunk.Page != page:
		return fmt.Errorf("has pages of %d bytes in its trunk: want %d", m.Trunk.Page, page)
	case m.Trunk.Bytes < 1 || m.Trunk.Bytes > maxExact:
		return fmt.Errorf("has a trunk of %d bytes", m.Trunk.Bytes)
	case len(m.Tiers) > MaxTiers:
		return fmt.Errorf("has %d tiers, the limit is %d", len(m.Tiers), MaxTiers)
	}
	seen := map[string]bool{}
	shards := int64(0)
	for i := range m.Tiers {
		t := &m.Tiers[i]
		if err := checkName(t.Name); err != nil {
			return fmt.Errorf("has the tier %.200q: %w", t.Name, err)
		}
		// Some file systems do not tell letters of different case apart.
		lower := strings.ToLower(t.Name)
		if seen[lower] {
			return fmt.Errorf("has two tiers named %q, or with letters of another case", t.Name)
		}
		seen[lower] = true
		n, err := m.checkTier(t)
		if err != nil {
			return fmt.Errorf("has the tier %q, %w", t.Name, err)
		}
		if shards += n; shards > MaxShards {
			return fmt.Errorf("has more than %d shards", MaxShards)
		}
	}
	if err := m.checkStacks(); err != nil {
		return err
	}
	return m.checkSets()
}

// checkName holds that a name can stand in a list and in a command line. It
// need not suit a file system: see dirName.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > MaxName:
		return fmt.Errorf("a name has 1 to %d bytes", MaxName)
	case name != strings.TrimSpace(name) || strings.Contains(name, ",") || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a name does not begin or end with a space, and has no comma and no control character")
	}
	return nil
}

// checkTier checks a tier and returns how many shards it has.
func (m *Manifest) checkTier(t *Tier) (shards int64, err error) {
	nested := m.Routing == Nested
	switch {
	case t.Groups < 1 || t.Groups > MaxDim || t.Experts < 1 || t.Experts > MaxDim:
		return 0, fmt.Errorf("with %d groups of %d experts: want 1 to %d", t.Groups, t.Experts, int64(MaxDim))
	case !nested && t.Groups != 1:
		return 0, errors.New("with more than one group, which a joint model does not have")
	case t.Budget.Parameters < 0 || t.Budget.Parameters > maxExact:
		return 0, fmt.Errorf("with a budget of %d parameters", t.Budget.Parameters)
	}
	for i := range t.Shapes {
		if err := t.Shapes[i].check(t, nested); err != nil {
			return 0, fmt.Errorf("whose shape %d %w", i, err)
		}
		g, err := m.geometry(t, &t.Shapes[i])
		if err != nil {
			return 0, fmt.Errorf("whose shape %d has more than fits: %w", i, err)
		}
		if g.shards > MaxShards {
			return 0, fmt.Errorf("whose shape %d has %d shards, the limit is %d", i, g.shards, MaxShards)
		}
	}
	last := -1
	for i := range t.Layers {
		l := &t.Layers[i]
		switch {
		case l.Layer <= last || l.Layer >= m.Layers:
			return 0, fmt.Errorf("with layer %d after %d: they ascend and are less than %d", l.Layer, last, m.Layers)
		case l.Shape < 0 || l.Shape >= len(t.Shapes):
			return 0, fmt.Errorf("whose layer %d has shape %d of %d", l.Layer, l.Shape, len(t.Shapes))
		case l.Experts != nil && (m.Stacks != ByLayer || int64(len(l.Experts)) != t.Shapes[l.Shape].Count):
			return 0, fmt.Errorf("whose layer %d lists %d experts and has %d", l.Layer, len(l.Experts), t.Shapes[l.Shape].Count)
		}
		last = l.Layer
		s := &t.Shapes[l.Shape]
		if shards += (s.Count-1)/s.PerShard + 1; shards > MaxShards {
			return 0, fmt.Errorf("with more than %d shards", MaxShards)
		}
	}
	return shards, nil
}

// check checks the numbers of a shape.
func (s *Shape) check(t *Tier, nested bool) error {
	switch {
	case s.Count < 1 || s.Count > maxExact || s.PerShard < 1 || s.PerShard > s.Count:
		return fmt.Errorf("has %d experts, %d to a shard", s.Count, s.PerShard)
	case nested && (s.GroupHead == Matrix{} || s.ExpertHead == Matrix{}):
		return errors.New("has no routing heads")
	case !nested && (s.GroupHead != Matrix{} || s.ExpertHead != Matrix{}):
		return errors.New("has routing heads, which a joint model keeps in its trunk")
	case nested && (t.Groups > s.Count || s.Count/t.Groups != t.Experts || s.Count%t.Groups != 0):
		return fmt.Errorf("has %d experts, which are not %d groups of %d", s.Count, t.Groups, t.Experts)
	case nested && s.PerShard%t.Experts != 0:
		return fmt.Errorf("has %d experts to a shard, which are not whole groups of %d", s.PerShard, t.Experts)
	case nested && (s.GroupHead.Rows != t.Groups || s.ExpertHead.Rows != t.Experts || s.GroupHead.Cols != s.Gate.Cols || s.ExpertHead.Cols != s.Gate.Cols):
		return errors.New("has routing heads of other sizes than its groups and experts")
	case s.Gate.Cols != s.Up.Cols || s.Gate.Rows != s.Up.Rows || s.Down.Cols != s.Gate.Rows || s.Down.Rows != s.Gate.Cols:
		return errors.New("has projections that do not fit together")
	}
	for _, x := range s.matrices() {
		if _, err := x.bytes(); err != nil {
			return err
		}
	}
	return nil
}

// matrices are all of a shape.
func (s *Shape) matrices() []*Matrix {
	all := []*Matrix{&s.Gate, &s.Up, &s.Down}
	if s.GroupHead != (Matrix{}) {
		all = append(all, &s.GroupHead, &s.ExpertHead)
	}
	return all
}

// bytes is the size of a matrix.
func (x *Matrix) bytes() (int64, error) {
	t, ok := parseType(x.Type)
	if !ok {
		return 0, fmt.Errorf("has the type %.80q, which is not supported", x.Type)
	}
	if x.Cols < 1 || x.Cols > MaxDim || x.Rows < 1 || x.Rows > MaxDim {
		return 0, fmt.Errorf("has %d rows of %d values: want 1 to %d", x.Rows, x.Cols, int64(MaxDim))
	}
	row, err := t.RowBytes(int(x.Cols))
	if err != nil {
		return 0, fmt.Errorf("has rows that cannot be: %w", err)
	}
	n, ok := times(int64(row), x.Rows)
	if !ok {
		return 0, fmt.Errorf("has a matrix that is too large: %w", errTooLarge)
	}
	return n, nil
}

// checkStacks holds that the tiers of a flat model are parts of the same experts:
// one matrix shape at each layer, and every index in one tier.
func (m *Manifest) checkStacks() error {
	if m.Stacks != ByLayer {
		return nil
	}
	type layer struct {
		shape *Shape
		count int64
		lists int
		tiers int
	}
	at := map[int]*layer{}
	for i := range m.Tiers {
		t := &m.Tiers[i]
		for k := range t.Layers {
			l := &t.Layers[k]
			s := &t.Shapes[l.Shape]
			have := at[l.Layer]
			if have == nil {
				have = &layer{shape: s}
				at[l.Layer] = have
			}
			if s.Gate != have.shape.Gate || s.Up != have.shape.Up || s.Down != have.shape.Down {
				return fmt.Errorf("has tiers of different shapes at layer %d of one stack", l.Layer)
			}
			have.count += s.Count
			have.tiers++
			if l.Experts != nil {
				have.lists++
			}
		}
	}
	for i, have := range at {
		if have.count > math.MaxInt32 {
			return fmt.Errorf("has %d experts at layer %d, which is more than one stack can have", have.count, i)
		}
		if have.lists != have.tiers && (have.lists > 0 || have.tiers > 1) {
			return fmt.Errorf("has several tiers at layer %d and does not say which experts each has", i)
		}
		if have.lists > 0 {
			if _, err := m.order(i, have.count); err != nil {
				return err
			}
		}
	}
	return nil
}

// order is the storage position of every expert of a layer by its canonical
// index: the tiers' lists, inverted.
func (m *Manifest) order(layer int, count int64) ([]int32, error) {
	order := make([]int32, count)
	for i := range order {
		order[i] = -1
	}
	at := int32(0)
	for i := range m.Tiers {
		for k := range m.Tiers[i].Layers {
			l := &m.Tiers[i].Layers[k]
			if l.Layer != layer {
				continue
			}
			for _, index := range l.Experts {
				if index < 0 || int64(index) >= count || order[index] >= 0 {
					return nil, fmt.Errorf("lists expert %d of layer %d twice, or has only %d", index, layer, count)
				}
				order[index] = at
				at++
			}
		}
	}
	return order, nil
}

// checkSets checks the named tier sets.
func (m *Manifest) checkSets() error {
	tiers, sets := map[string]bool{}, map[string]bool{}
	for i := range m.Tiers {
		tiers[m.Tiers[i].Name] = true
	}
	for i := range m.Sets {
		s := &m.Sets[i]
		if err := checkName(s.Name); err != nil {
			return fmt.Errorf("has the tier set %.200q: %w", s.Name, err)
		}
		if sets[s.Name] {
			return fmt.Errorf("has the tier set %q twice", s.Name)
		}
		sets[s.Name] = true
		for _, t := range s.Tiers {
			if !tiers[t] {
				return fmt.Errorf("has the tier set %q with the tier %.200q, which does not exist", s.Name, t)
			}
		}
	}
	if !sets[m.DefaultSet] {
		return fmt.Errorf("has the default tier set %.200q, which does not exist", m.DefaultSet)
	}
	return nil
}

// times is a product of numbers that are not negative, unless it does not fit.
func times(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))       //nolint:gosec // not negative
	return int64(lo), hi == 0 && lo <= math.MaxInt64 //nolint:gosec // the second result says whether it fits
}
