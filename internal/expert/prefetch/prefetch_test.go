package prefetch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/expert"
)

// ids are experts of a layer.
func ids(layer int32, indices ...int64) (all []expert.ID) {
	for _, i := range indices {
		all = append(all, expert.ID{Layer: layer, Index: i})
	}
	return all
}

// following is a model of so many layers of experts, of which layer 1 is dense.
func following(layers int) func(int) (int, bool) {
	return func(layer int) (int, bool) {
		if layer++; layer == 1 {
			layer++
		}
		return layer, layer < layers
	}
}

func TestKinds(t *testing.T) {
	for _, k := range []Kind{Off, ByRouter, ByTransitions} {
		got, err := ParseKind(k.String())
		require.NoError(t, err)
		require.Equal(t, k, got)
	}
	_, err := ParseKind("clairvoyance")
	require.ErrorContains(t, err, "off, next or transitions")
}

// TestConformance holds every Prefetcher to the seam's contract.
func TestConformance(t *testing.T) {
	const layers = 4
	after := following(layers)
	forbidden := int64(5)
	route := func(dst []Weighed, layer int, x []float32) []Weighed {
		require.NotEqual(t, 1, layer, "it has no router")
		for i, v := range x {
			if int64(i) != forbidden {
				dst = append(dst, Weighed{Index: int64(i), Weight: v}, Weighed{Index: int64(i), Weight: v})
			}
		}
		return dst
	}
	allowed := func(id expert.ID) bool { return id.Index != forbidden }
	for name, p := range map[string]Prefetcher{
		"next":        NewNext(after, route, 3),
		"transitions": NewTransitions(after, allowed, 3),
	} {
		t.Run(name, func(t *testing.T) {
			x := []float32{0, 3, 1, 2, 7, 9, 3}
			named := 0
			for range 5 {
				for _, layer := range []int{0, 2, 3} {
					p.Observe(layer, ids(int32(layer), 1, 2, 4, 5, 6))
					got := p.Predict(layer, x)
					named += len(got)
					next, ok := after(layer)
					require.True(t, ok || len(got) == 0)
					require.LessOrEqual(t, len(got), 3)
					seen := map[expert.ID]bool{}
					for _, id := range got {
						require.EqualValues(t, next, id.Layer)
						require.NotEqual(t, forbidden, id.Index, "a request has no access to it")
						require.False(t, seen[id], "named twice")
						seen[id] = true
					}
				}
			}
			require.Positive(t, named)
			run := func() {
				for _, layer := range []int{0, 2, 3} {
					p.Observe(layer, p.Predict(layer, x))
				}
			}
			run()
			require.Zero(t, testing.AllocsPerRun(20, run))
		})
	}
}

// TestNextOrders names the heaviest first: what several rows chose is heavier, and
// equal ones come by index.
func TestNextOrders(t *testing.T) {
	route := func(dst []Weighed, layer int, x []float32) []Weighed {
		require.Equal(t, 2, layer)
		require.Equal(t, []float32{42}, x)
		return append(dst, Weighed{7, 0.5}, Weighed{3, 0.25}, Weighed{1, 0.25}, Weighed{9, 0.125}, Weighed{3, 0.5}, Weighed{9, 0.125})
	}
	n := NewNext(following(4), route, 4)
	require.Equal(t, ids(2, 3, 7, 1, 9), n.Predict(0, []float32{42}))
	require.Empty(t, n.Predict(3, nil), "the last layer")
	require.Equal(t, ids(2, 3, 7, 1), NewNext(following(4), route, 3).Predict(0, []float32{42}))
}

func TestTransitionsLearn(t *testing.T) {
	all := func(expert.ID) bool { return true }
	p := NewTransitions(following(4), all, 8)
	token := func(a, b int64) {
		p.Observe(0, ids(0, a))
		p.Observe(2, ids(2, b))
		p.Observe(3, ids(3, 0))
	}
	predict := func(a int64) []expert.ID {
		p.Observe(0, ids(0, a))
		return p.Predict(0, nil)
	}
	require.Empty(t, predict(1), "nothing was seen")
	token(1, 10)
	require.Equal(t, ids(2, 10), predict(1))
	token(1, 11)
	token(1, 11)
	require.Equal(t, ids(2, 11), predict(1), "what followed most often; as many as the layer chose")
	token(2, 12)
	p.Observe(0, ids(0, 1, 2))
	require.Equal(t, ids(2, 11, 10), p.Predict(0, nil))
	require.Empty(t, predict(3))

	// A topic fades: what follows now overtakes what followed far more often.
	for range 3000 {
		token(1, 11)
	}
	for range 300 {
		token(1, 13)
	}
	require.Equal(t, ids(2, 13), predict(1))

	// A layer that was not the next one teaches nothing.
	p.Observe(0, ids(0, 4))
	p.Observe(3, ids(3, 9))
	require.Empty(t, predict(4))
}

// TestTransitionsAreBounded sees more experts and more followers than there is
// room for.
func TestTransitionsAreBounded(t *testing.T) {
	p := NewTransitions(following(3), func(expert.ID) bool { return true }, 8)
	for i := range int64(3 * sources) {
		p.Observe(0, ids(0, i))
		p.Observe(2, ids(2, i%1000))
	}
	require.Len(t, p.table, sources)
	for i := range int64(1000) { // one frequent follower among many rare ones
		p.Observe(0, ids(0, 5))
		p.Observe(2, ids(2, 1000+i))
		p.Observe(0, ids(0, 5))
		p.Observe(2, ids(2, 7))
	}
	p.Observe(0, ids(0, 5))
	require.Equal(t, ids(2, 7), p.Predict(0, nil))
}

func TestAccuracy(t *testing.T) {
	var a Accuracy
	a.Observe(ids(0, 1, 2))
	a.Predict(ids(2, 4, 5, 6))
	a.Observe(ids(2, 5, 7, 4))
	a.Observe(ids(3, 6))
	require.EqualValues(t, 3, a.Predicted)
	require.EqualValues(t, 2, a.Right)
}
