package hser

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRandomRoutingIgnoresScores: two rows whose scores have nothing in common
// choose the same experts under one key, and others than learned routing does.
func TestRandomRoutingIgnoresScores(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	c, set := flat(16, 2)
	n, full := native()
	learned := 0
	for pos := range 200 {
		key := Key{Seed: uint64(pos % 3), Position: pos, Random: true} // seed 0 is one of them
		a, b := randomHeads(rnd, n), randomHeads(rnd, n)
		require.Equal(t, indices(mustRoute(t, a, n, full, key)), indices(mustRoute(t, b, n, full, key)))
		if slices.Equal(indices(mustRoute(t, a, n, full, key)), indices(mustRoute(t, a, n, full, Key{}))) {
			learned++
		}
		x, y := randomLogits(rnd, 16), randomLogits(rnd, 16)
		require.Equal(t, indices(mustJoint(t, c, x, nil, set, key)), indices(mustJoint(t, c, y, nil, set, key)))
		require.Equal(t, indices(mustJoint(t, c, x, nil, set, key)), indices(mustJoint(t, c, x, y, set, key)), "nor a bias")
	}
	require.Less(t, learned, 20)
}

// TestRandomRoutingKeepsWeights: what was chosen weighs what the heads say.
func TestRandomRoutingKeepsWeights(t *testing.T) {
	c, set := flat(8, 3)
	c.Normalize = true
	logits := []float32{0, 1, 2, 3, -1, -2, 5, 0.5}
	got := mustJoint(t, c, logits, nil, set, Key{Seed: 9, Random: true})
	sum := 0.0
	for _, a := range got {
		sum += math.Exp(float64(logits[a.Index]))
	}
	for _, a := range got {
		require.InDelta(t, math.Exp(float64(logits[a.Index]))/sum, a.Weight, 1e-6)
	}
}

// TestRandomRoutingIsFair: positions, layers and seeds draw anew, every expert
// as often.
func TestRandomRoutingIsFair(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	n, full := native()
	h := randomHeads(rnd, n)
	count := map[int64]int{}
	const draws = 4000 // at least 300 of each expert expected: 5 standard deviations are 0.25
	for i := range draws {
		for _, a := range mustRoute(t, h, n, full, Key{Seed: uint64(i/1000) * 0x9e3779b97f4a7c15, Position: i % 100, Layer: i / 100 % 10, Random: true}) {
			count[a.Index]++
		}
	}
	for tier := range n.Tiers {
		tt := &n.Tiers[tier]
		sum := 0
		for i := range tt.size() {
			sum += count[int64(tt.First+i)]
		}
		for i := range tt.size() {
			share := float64(count[int64(tt.First+i)]) * float64(tt.size()) / float64(sum)
			require.InDelta(t, 1, share, 0.25, "tier %d, expert %d", tier, i)
		}
	}
}

// TestRandomRoutingHidesNoFault: a score that is not a number still fails.
func TestRandomRoutingHidesNoFault(t *testing.T) {
	c, set := flat(4, 1)
	var r Router
	_, err := r.Joint(c, nil, []float32{0, float32(math.NaN()), 0, 0}, nil, set, Key{Random: true})
	require.ErrorAs(t, err, new(*NaNError))
}
