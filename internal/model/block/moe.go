package block

import (
	"context"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
)

// MoE is a layer of experts that one routing head scores together (Shazeer et
// al., 2017; Mixtral, OLMoE, Qwen, DeepSeek): joint selection, with group
// limits and a selection bias where the family has them, and a shared network
// beside the routed ones.
type MoE struct {
	Router linear.Matrix // experts × dim
	Bias   []float32     // added to the probabilities for selection only; or nil
	Config hser.Config
	Pools  []Pool
	Shared *FFN // or nil
	// SharedGate scales the shared network's output by sigmoid(SharedGate·x);
	// nil when the family adds it as it is.
	SharedGate *linear.Matrix
}

// Params implements FeedForward.
func (m *MoE) Params(set *hser.TierSet) int {
	n := m.Router.Rows*m.Router.Cols + len(m.Bias)
	if m.Shared != nil {
		n += m.Shared.Params(set)
	}
	if m.SharedGate != nil {
		n += m.SharedGate.Cols
	}
	return n
}

// Scratch implements FeedForward.
func (m *MoE) Scratch(k int) int {
	n := poolScratch(m.Pools, k) + 4*m.Router.Rows
	if m.Shared != nil {
		n += m.Shared.Scratch(k) + 4*m.Router.Cols
	}
	return n
}

// Forward implements FeedForward.
func (m *MoE) Forward(ctx context.Context, st *Step, layer int, dst, x []float32) error {
	dim, begin := m.Router.Cols, st.now()
	m.Route(st, layer, x)
	chosen := st.now()
	if err := st.runExperts(ctx, layer, m.Pools, &st.in, dim); err != nil {
		return err
	}
	st.combine = combineTask{dst: dst, dim: dim}
	st.parallel(&st.combine)
	st.timed(begin, chosen)
	m.addShared(st, dst, dim)
	return nil
}

// Route implements Router.
func (m *MoE) Route(st *Step, layer int, x []float32) {
	n, b := len(st.Rows), &st.moe
	st.in.Set(x, n, m.Router.Cols)
	b.scores = grow(b.scores, n*m.Router.Rows)
	st.multiply(&st.in, st.all[:n], job{dst: b.scores, ldd: m.Router.Rows, w: m.Router, hi: m.Router.Rows})
	m.route(st, layer)
}

// route chooses each row's experts. A row whose scores are not numbers fails
// alone and gets none.
func (m *MoE) route(st *Step, layer int) {
	b := &st.moe
	b.begin()
	for r, row := range st.Rows {
		scores := b.scores[r*m.Router.Rows : (r+1)*m.Router.Rows]
		before := len(b.chosen)
		chosen, err := st.router.Joint(&m.Config, b.chosen, scores, m.Bias, row.Set, st.key(layer, r))
		if err != nil {
			st.fail(r, err)
			chosen = b.chosen[:before]
		}
		b.chosen = chosen
		b.ends = append(b.ends, len(b.chosen))
	}
	st.Count(st.all[:len(st.Rows)], len(m.Bias))
}

// addShared adds the shared network after the routed sum.
func (m *MoE) addShared(st *Step, dst []float32, dim int) {
	if m.Shared == nil {
		return
	}
	n, b := len(st.Rows), &st.moe
	b.shared = grow(b.shared, n*dim)
	m.Shared.apply(st, b.shared, &st.in, st.all[:n])
	if m.SharedGate == nil {
		st.Vec.Add(dst[:n*dim], dst[:n*dim], b.shared)
		return
	}
	b.scores = grow(b.scores, n)
	st.multiply(&st.in, st.all[:n], job{dst: b.scores, ldd: 1, w: *m.SharedGate, hi: 1})
	st.Vec.Sigmoid(b.scores, b.scores)
	for r := range n {
		st.Vec.AddScaled(dst[r*dim:(r+1)*dim], b.shared[r*dim:(r+1)*dim], b.scores[r])
	}
}
