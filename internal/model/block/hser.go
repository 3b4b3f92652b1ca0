package block

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
)

// HSER is a layer whose experts are reached through three routing heads
// (specification 001): tiers, then groups of the chosen tiers, then experts of
// the chosen groups. The head of tiers is trunk. Those within tiers and groups
// are as many as these, and are leased on the way like the experts at its end:
// what is not on the way costs neither time nor memory.
type HSER struct {
	Config   *hser.Config
	TierHead linear.Matrix // tiers × dim
	Heads    []Heads       // per tier
	Pools    []Pool        // per tier
}

// Heads are the shapes of the routing heads within a tier, and how many groups
// the tiers before it have: an expert head is leased by its group's number in
// the layer.
type Heads struct {
	Group       Slab // groups × dim
	Expert      Slab // experts of a group × dim
	FirstGroups int64
}

// hserBuffers hold the way through the heads of one layer.
type hserBuffers struct {
	scores []float32
	rows   []int
	// What was chosen at each level, and by which row. The next level visits
	// it in ascending order, all rows that chose the same together.
	tiers  []tierOf
	groups []groupOf
	found  []expertOf
	// The choices of one decision.
	tier   []hser.TierChoice
	group  []hser.GroupChoice
	expert []hser.Choice
	ids    []expert.ID // of a level's heads
	runs   []run       // for each id, of the choices that led to it
	sub    linear.Input
}

type tierOf struct {
	hser.TierChoice
	row int
}

type groupOf struct {
	hser.GroupChoice
	row int
}

type expertOf struct {
	hser.Choice
	row int
}

// Params implements FeedForward: the routing rows on the way.
func (h *HSER) Params(set *hser.TierSet) int { return set.RouterRows(h.Config) * h.TierHead.Cols }

// Scratch implements FeedForward.
func (h *HSER) Scratch(k int) int {
	widest := h.TierHead.Rows
	for t := range h.Heads {
		widest = max(widest, h.Heads[t].Group.Rows, h.Heads[t].Expert.Rows)
	}
	// The rows of a head are copied, as those of an expert are.
	return poolScratch(h.Pools, k) + 128*k + 4*h.TierHead.Cols + quantized(h.TierHead.Cols) + 4*widest
}

// Forward implements FeedForward.
func (h *HSER) Forward(ctx context.Context, st *Step, layer int, dst, x []float32) error {
	n, dim, begin := len(st.Rows), h.TierHead.Cols, st.now()
	st.in.Set(x, n, dim)
	h.chooseTiers(st, layer)
	if err := h.chooseGroups(ctx, st, layer); err != nil {
		return err
	}
	if err := h.chooseExperts(ctx, st, layer); err != nil {
		return err
	}
	chosen := st.now()
	if err := st.runExperts(ctx, layer, h.Pools, &st.in, dim); err != nil {
		return err
	}
	st.combine = combineTask{dst: dst, dim: dim, nested: true}
	st.parallel(&st.combine)
	st.timed(begin, chosen)
	return nil
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
	b.tiers = b.tiers[:0]
	for r, row := range st.Rows {
		chosen, err := st.router.Tiers(h.Config, b.tier[:0], b.scores[r*h.TierHead.Rows:][:h.TierHead.Rows], row.Set, st.key(layer, r))
		if err != nil {
			st.fail(r, err)
			continue
		}
		b.tier = chosen
		for _, c := range chosen {
			b.tiers = append(b.tiers, tierOf{c, r})
		}
	}
}

// chooseGroups leases the heads of the tiers that some row chose, and chooses
// among the groups of each.
func (h *HSER) chooseGroups(ctx context.Context, st *Step, layer int) error {
	b := &st.hser
	slices.SortFunc(b.tiers, func(x, y tierOf) int {
		return cmp.Or(cmp.Compare(x.Tier, y.Tier), cmp.Compare(x.row, y.row))
	})
	b.ids, b.runs, b.groups = b.ids[:0], b.runs[:0], b.groups[:0]
	for _, c := range b.tiers {
		b.want(expert.ID{Layer: int32(layer), Kind: expert.KindGroupHead, Index: int64(c.Tier)}) //nolint:gosec // a layer's number
	}
	return h.descend(ctx, st, layer)
}

// chooseExperts leases the heads of the groups that some row chose, chooses
// among the experts of each, and leaves every row's choices in ascending order
// of index.
func (h *HSER) chooseExperts(ctx context.Context, st *Step, layer int) error {
	b := &st.hser
	slices.SortFunc(b.groups, func(x, y groupOf) int {
		return cmp.Or(cmp.Compare(x.Tier, y.Tier), cmp.Compare(x.Group, y.Group), cmp.Compare(x.row, y.row))
	})
	b.ids, b.runs, b.found = b.ids[:0], b.runs[:0], b.found[:0]
	for _, c := range b.groups {
		index := h.Heads[c.Tier].FirstGroups + int64(c.Group)
		b.want(expert.ID{Layer: int32(layer), Kind: expert.KindExpertHead, Index: index}) //nolint:gosec // a layer's number
	}
	if err := h.descend(ctx, st, layer); err != nil {
		return err
	}
	h.settle(st)
	return nil
}

// want says that the next choice, in their order, leads to this head.
func (b *hserBuffers) want(id expert.ID) {
	n := int32(0) // choices so far
	if last := len(b.runs) - 1; last >= 0 {
		n = b.runs[last].hi
		if b.ids[last] == id {
			b.runs[last].hi++
			return
		}
	}
	b.ids, b.runs = append(b.ids, id), append(b.runs, run{n, n + 1})
}

// descend leases the wanted heads and chooses by each as its bytes become
// readable. The order in which they do reaches no result: each level is sorted
// before it is used.
func (h *HSER) descend(ctx context.Context, st *Step, layer int) error {
	b := &st.hser
	batch := st.Store.Acquire(b.ids)
	defer batch.Close()
	for {
		lease, err := batch.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(b.ids, lease.ID(), func(a, id expert.ID) int { return cmp.Compare(a.Index, id.Index) })
		if lo, hi := b.runs[at].lo, b.runs[at].hi; lease.ID().Kind == expert.KindGroupHead {
			h.chooseIn(st, layer, lease.Part(0), b.tiers[lo:hi])
		} else {
			h.chooseAmong(st, layer, lease.Part(0), b.groups[lo:hi])
		}
		lease.Release()
	}
}

// chooseIn chooses groups of one tier, whose head is given, for the rows that
// chose the tier.
func (h *HSER) chooseIn(st *Step, layer int, head []byte, by []tierOf) {
	b := &st.hser
	b.rows = b.rows[:0]
	for i := range by {
		b.rows = append(b.rows, by[i].row)
	}
	w := h.Heads[by[0].Tier].Group.of(head)
	st.score(w)
	for i, c := range by {
		chosen, err := st.router.Groups(h.Config, b.group[:0], c.TierChoice, b.scores[i*w.Rows:][:w.Rows], st.Rows[c.row].Set, st.key(layer, c.row))
		if err != nil {
			st.fail(c.row, err)
			continue
		}
		b.group = chosen
		for _, g := range chosen {
			b.groups = append(b.groups, groupOf{g, c.row})
		}
	}
}

// chooseAmong does the same one level below: experts of one group.
func (h *HSER) chooseAmong(st *Step, layer int, head []byte, by []groupOf) {
	b := &st.hser
	b.rows = b.rows[:0]
	for i := range by {
		b.rows = append(b.rows, by[i].row)
	}
	w := h.Heads[by[0].Tier].Expert.of(head)
	st.score(w)
	for i, c := range by {
		chosen, err := st.router.Experts(h.Config, b.expert[:0], c.GroupChoice, b.scores[i*w.Rows:][:w.Rows], st.Rows[c.row].Set, st.key(layer, c.row))
		if err != nil {
			st.fail(c.row, err)
			continue
		}
		b.expert = chosen
		for _, e := range chosen {
			b.found = append(b.found, expertOf{e, c.row})
		}
	}
}

// score multiplies a head by the rows hser.rows of the step's input.
func (st *Step) score(head linear.Matrix) {
	b, in := &st.hser, &st.in
	// A row is quantised once, and not once per head.
	st.prepare(in, st.all[:in.Len()], head.Type)
	if len(b.rows) < in.Len() {
		b.sub.Gather(in, b.rows)
		in = &b.sub
	}
	for _, r := range b.rows {
		st.ExpertBytes[r] += int64(len(head.Data))
	}
	b.scores = grow(b.scores, len(b.rows)*head.Rows)
	st.multiply(in, b.rows, Linear{W: head}.to(b.scores))
}

// settle turns what was found into each row's experts and their weights.
func (h *HSER) settle(st *Step) {
	b, m := &st.hser, &st.moe
	slices.SortFunc(b.found, func(x, y expertOf) int {
		return cmp.Or(cmp.Compare(x.row, y.row), cmp.Compare(x.Index, y.Index))
	})
	m.begin()
	m.chosen = grow(m.chosen, len(b.found))
	at := 0
	for r := range st.Rows {
		for at < len(b.found) && b.found[at].row == r {
			m.chosen[at] = b.found[at].Choice
			at++
		}
		m.ends = append(m.ends, at)
		st.router.Finish(h.Config, m.row(r))
	}
}
