package lite

import (
	"math"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
)

// shares count how often each expert was chosen: those that were, for a model
// may have more than fit memory.
type shares struct {
	m      *Model
	counts []map[int64]share // per layer, by canonical index
}

// share is how often one expert was chosen.
type share struct {
	tier  int32
	times int
}

// countShares begins to count. m.mu is held.
func (m *Model) countShares() *shares {
	s := &shares{m: m, counts: make([]map[int64]share, len(m.m.Experts))}
	for i := range s.counts {
		s.counts[i] = map[int64]share{}
	}
	m.routed = func(layer int, _ engine.Row, chosen []hser.Choice) {
		for _, c := range chosen {
			s.counts[layer][c.Index] = share{c.Tier, s.counts[layer][c.Index].times + 1}
		}
	}
	return s
}

// least is the least share of an expert in its tier at a layer, 1 being its fair
// one; tiers that nothing chose do not count.
func (s *shares) least() float64 {
	least := math.Inf(1)
	for layer, counts := range s.counts {
		type tier struct {
			experts     int64
			sum, fewest int
		}
		tiers := map[int32]tier{}
		for _, c := range counts {
			t, ok := tiers[c.tier]
			if !ok {
				t.fewest = c.times
			}
			tiers[c.tier] = tier{t.experts + 1, t.sum + c.times, min(t.fewest, c.times)}
		}
		for i, t := range tiers {
			all := s.m.m.TierSize(layer, int(i))
			if t.experts < all {
				return 0
			}
			least = min(least, float64(t.fewest)*float64(all)/float64(t.sum))
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}
