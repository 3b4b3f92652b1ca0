package block

import (
	"context"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
)

// HSER is a layer whose experts are reached through three routing heads
// (specification 001): tiers, then groups of the chosen tiers, then experts of
// the chosen groups. Only the heads on the way are multiplied.
type HSER struct {
	Config      *hser.Config
	TierHead    linear.Matrix   // tiers × dim
	GroupHeads  []linear.Matrix // per tier: groups × dim
	ExpertHeads []linear.Matrix // per tier: groups·experts × dim
	Pools       []Pool          // per tier
}

// hserBuffers hold the way through the heads of one layer.
type hserBuffers struct {
	scores []float32
	rows   []int
	tiers  []hser.TierChoice  // all rows' choices, row after row
	groups []hser.GroupChoice // sorted by tier, then row
	owner  []int              // owner[i] is the row of tiers[i] or groups[i]
	owners []int
	found  []hser.Choice // sorted by tier and group, then row
	// foundBy[i] is the row of found[i]; count[r] how many row r has, and then
	// where its next one goes.
	foundBy, count []int
	sub            linear.Input
}

// Params implements FeedForward: the routing rows on the way.
func (h *HSER) Params(set *hser.TierSet) int { return set.RouterRows(h.Config) * h.TierHead.Cols }

// Scratch implements FeedForward.
func (h *HSER) Scratch(k int) int {
	widest := h.TierHead.Rows
	for t := range h.GroupHeads {
		widest = max(widest, h.GroupHeads[t].Rows, h.Config.Tiers[t].Experts)
	}
	// The rows of a head are copied, as those of an expert are.
	return poolScratch(h.Pools, k) + 4*h.TierHead.Cols + quantized(h.TierHead.Cols) + 4*widest
}

// Forward implements FeedForward.
func (h *HSER) Forward(ctx context.Context, st *Step, layer int, dst, x []float32) error {
	dim := h.TierHead.Cols
	h.Route(st, layer, x)
	if err := st.runExperts(ctx, layer, h.Pools, &st.in, dim); err != nil {
		return err
	}
	st.combine = combineTask{dst: dst, dim: dim, nested: true}
	st.parallel(&st.combine)
	return nil
}

// Route implements Router.
func (h *HSER) Route(st *Step, layer int, x []float32) {
	st.in.Set(x, len(st.Rows), h.TierHead.Cols)
	h.chooseTiers(st, layer)
	h.chooseGroups(st, layer)
	h.chooseExperts(st, layer)
}

// key is the routing key of a row at a layer.
func (st *Step) key(layer, row int) hser.Key {
	r := &st.Rows[row]
	if r.Random != nil {
		return hser.Key{Seed: *r.Random, Position: r.Pos, Layer: layer, Random: true}
	}
	return hser.Key{Seed: st.RoutingSeed, Position: r.Pos, Layer: layer}
}

// chooseTiers scores the tiers for every row.
func (h *HSER) chooseTiers(st *Step, layer int) {
	b, n := &st.hser, len(st.Rows)
	b.scores = grow(b.scores, n*h.TierHead.Rows)
	st.multiply(&st.in, st.all[:n], Linear{W: h.TierHead}.to(b.scores))
	b.tiers, b.owner = b.tiers[:0], b.owner[:0]
	for r, row := range st.Rows {
		chosen, err := st.router.Tiers(h.Config, b.tiers, b.scores[r*h.TierHead.Rows:][:h.TierHead.Rows], row.Set, st.key(layer, r))
		if err != nil {
			st.fail(r, err)
			continue
		}
		b.tiers = chosen
		for len(b.owner) < len(b.tiers) {
			b.owner = append(b.owner, r)
		}
	}
}

// chooseGroups scores the groups of each tier, for the rows that chose it.
func (h *HSER) chooseGroups(st *Step, layer int) {
	b := &st.hser
	b.groups, b.owners = b.groups[:0], b.owners[:0]
	for t, head := range h.GroupHeads {
		b.rows = b.rows[:0]
		for i, c := range b.tiers {
			if int(c.Tier) == t {
				b.rows = append(b.rows, b.owner[i])
			}
		}
		if len(b.rows) == 0 {
			continue
		}
		h.score(st, head, 0, head.Rows)
		at := 0
		for i, c := range b.tiers {
			if int(c.Tier) != t {
				continue
			}
			r := b.owner[i]
			chosen, err := st.router.Groups(h.Config, b.groups, c, b.scores[at*head.Rows:][:head.Rows], st.Rows[r].Set, st.key(layer, r))
			at++
			if err != nil {
				st.fail(r, err)
				continue
			}
			b.groups = chosen
			for len(b.owners) < len(b.groups) {
				b.owners = append(b.owners, r)
			}
		}
	}
}

// score multiplies rows [lo, hi) of a head by the rows b.rows.
func (h *HSER) score(st *Step, head linear.Matrix, lo, hi int) {
	b := &st.hser
	b.scores = grow(b.scores, len(b.rows)*(hi-lo))
	b.sub.Gather(&st.in, b.rows)
	st.multiply(&b.sub, b.rows, job{dst: b.scores, ldd: hi - lo, w: head, lo: lo, hi: hi})
}

// chooseExperts scores the experts of each chosen group, and leaves every
// row's choices in ascending order of index.
func (h *HSER) chooseExperts(st *Step, layer int) {
	b, m := &st.hser, &st.moe
	m.begin()
	b.found, b.foundBy = b.found[:0], b.foundBy[:0]
	b.count = grow(b.count, len(st.Rows))
	clear(b.count)
	for t, head := range h.ExpertHeads {
		tier := h.Config.Tiers[t]
		for g := range tier.Groups {
			h.chooseIn(st, layer, head, t, g, tier.Experts)
		}
	}
	// Groups were visited in ascending order: a stable sort by row leaves each
	// row's choices ascending.
	m.chosen = grow(m.chosen, len(b.found))
	at := 0
	for r, n := range b.count {
		m.ends = append(m.ends, at+n)
		b.count[r], at = at, at+n
	}
	for i, c := range b.found {
		r := b.foundBy[i]
		m.chosen[b.count[r]] = c
		b.count[r]++
	}
	for r := range st.Rows {
		st.router.Finish(h.Config, m.row(r))
	}
}

// chooseIn scores the experts of one group, for the rows that chose it.
func (h *HSER) chooseIn(st *Step, layer int, head linear.Matrix, tier, group, experts int) {
	b := &st.hser
	mine := func(c hser.GroupChoice) bool { return int(c.Tier) == tier && int(c.Group) == group }
	b.rows = b.rows[:0]
	for i, c := range b.groups {
		if mine(c) {
			b.rows = append(b.rows, b.owners[i])
		}
	}
	if len(b.rows) == 0 {
		return
	}
	h.score(st, head, group*experts, (group+1)*experts)
	at := 0
	for i, c := range b.groups {
		if !mine(c) {
			continue
		}
		r := b.owners[i]
		chosen, err := st.router.Experts(h.Config, b.found, c, b.scores[at*experts:][:experts], st.Rows[r].Set, st.key(layer, r))
		at++
		if err != nil {
			st.fail(r, err)
			continue
		}
		b.found = chosen
		for len(b.foundBy) < len(b.found) {
			b.foundBy = append(b.foundBy, r)
			b.count[r]++
		}
	}
}
