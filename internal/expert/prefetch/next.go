package prefetch

import "github.com/lite-llm/lite/internal/expert"

// Route appends to dst the experts that a layer's router chooses for the rows of
// x, the residual stream (rows × width), and their weights: no others than the
// rows' tier sets allow, and one entry for each row that chose it. Whoever has the
// weights supplies it.
type Route func(dst []Weighed, layer int, x []float32) []Weighed

// Next asks the router of the next layer, with the residual stream that has not
// been through this layer's experts and the next one's attention: each adds little
// to what is there, so that much of the choice stands already (Eliseev and Mazur,
// "Fast inference of mixture-of-experts language models with offloading", 2023,
// section 3.2).
type Next struct {
	after func(layer int) (next int, ok bool)
	route Route
	most  int
	found []Weighed
	ids   []expert.ID
}

// NewNext returns a Next that names at most so many experts. after is the next
// layer with experts, if there is one.
func NewNext(after func(layer int) (int, bool), route Route, most int) *Next {
	return &Next{after: after, route: route, most: most}
}

// Observe implements Prefetcher. What was chosen tells a Next nothing.
func (n *Next) Observe(int, []expert.ID) {}

// Predict implements Prefetcher.
func (n *Next) Predict(layer int, x []float32) []expert.ID {
	next, ok := n.after(layer)
	if !ok {
		return nil // the next token is not known
	}
	n.found = n.route(n.found[:0], next, x)
	n.ids = appendIDs(n.ids[:0], next, ranked(n.found), n.most)
	return n.ids
}
