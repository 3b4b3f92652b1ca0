package engine

import (
	"slices"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/expert/prefetch"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
)

// Bounds of what is predicted. A chunk of a prompt asks for nearly all experts
// of a layer, so that there is nothing to choose.
const (
	aheadRows = 8  // of a step, at most
	aheadMost = 16 // experts of a layer, at most
)

// AheadScratch is the bytes of working memory that predicting takes.
func AheadScratch(m *model.Model, kind prefetch.Kind) int64 {
	k, routing := 0, 0
	for i := range m.Sets {
		k = max(k, m.Sets[i].K())
	}
	for i := range m.Layers {
		if _, ok := m.Layers[i].FFN.(block.Router); ok {
			routing = max(routing, m.Layers[i].FFN.Scratch(k))
		}
	}
	switch kind {
	case prefetch.Off:
	case prefetch.ByRouter: // a router's input and scores; of what runs, nothing
		return int64(aheadRows) * int64(4*m.Dim+routing)
	case prefetch.ByTransitions:
		return prefetch.TransitionsBytes
	}
	return 0
}

// ahead predicts the experts of the next layer while those of this one are read
// and run, and hints at them. It works on memory of its own, so that nothing of
// it reaches the step: no count of parameters, no error, no choice.
type ahead struct {
	e        *Engine
	p        prefetch.Prefetcher
	st       *block.Step // routes what is predicted
	normed   []float32   // rows × dim
	accuracy prefetch.Accuracy
}

// newAhead returns nil for a kind that predicts nothing.
func newAhead(e *Engine, kind prefetch.Kind) *ahead {
	a := &ahead{e: e}
	switch kind {
	case prefetch.ByRouter:
		a.p = prefetch.NewNext(a.after, a.route, aheadMost)
	case prefetch.ByTransitions:
		a.p = prefetch.NewTransitions(a.after, a.allowed, aheadMost)
	default:
		return nil
	}
	a.st = e.newStep(nil)
	return a
}

// after is the next layer with experts.
func (a *ahead) after(layer int) (int, bool) {
	for i := layer + 1; i < len(a.e.m.Layers); i++ {
		if len(a.e.m.Experts[i]) > 0 {
			return i, true
		}
	}
	return 0, false
}

// asked predicts what follows a layer that has asked for ids. The store reads it
// when it has read those.
func (a *ahead) asked(layer int, ids []expert.ID) {
	a.accuracy.Observe(ids)
	if len(a.e.rows) > aheadRows {
		a.accuracy.Predict(nil)
		a.e.store.Hint(nil)
		return
	}
	a.p.Observe(layer, ids)
	next := a.p.Predict(layer, a.e.x)
	a.accuracy.Predict(next)
	a.e.store.Hint(next)
}

// route is prefetch.Route. It goes the way of the step itself, through the layer's
// norm and router, under each row's own tier set: no other experts are ever
// named than those that the row may use. A nested layer leases most of its heads,
// and a guess waits for no bytes: nothing is named of it.
func (a *ahead) route(dst []prefetch.Weighed, layer int, x []float32) []prefetch.Weighed {
	l, dim := &a.e.m.Layers[layer], a.e.m.Dim
	router, ok := l.FFN.(block.Router)
	if !ok {
		return dst
	}
	a.st.Begin(a.e.rows, a.e.spans)
	a.normed = grow(a.normed, len(a.e.rows)*dim)
	for r := range a.e.rows {
		a.st.Vec.RMSNorm(a.normed[r*dim:(r+1)*dim], x[r*dim:(r+1)*dim], l.FFNNorm, a.e.m.Eps)
	}
	router.Route(a.st, layer, a.normed)
	for r := range a.e.rows {
		for _, c := range a.st.Chosen(r) {
			dst = append(dst, prefetch.Weighed{Index: c.Index, Weight: c.Weight})
		}
	}
	return dst
}

// allowed says whether a row of the step may use an expert.
func (a *ahead) allowed(id expert.ID) bool {
	tier := a.e.m.TierOf(int(id.Layer), id.Index)
	return tier >= 0 && slices.ContainsFunc(a.e.rows, func(r block.Row) bool { return slices.Contains(r.Set.Tiers, tier) })
}
