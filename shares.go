package lite

import (
	"math"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
)

// shares count how often each expert was chosen.
type shares struct {
	m      *Model
	counts [][]int // per layer and canonical index
}

// countShares begins to count. m.mu is held.
func (m *Model) countShares() *shares {
	s := &shares{m: m, counts: make([][]int, len(m.m.Experts))}
	for i, pools := range m.m.Experts {
		if len(pools) > 0 {
			last := pools[len(pools)-1]
			s.counts[i] = make([]int, last.First+last.Count)
		}
	}
	m.routed = func(layer int, _ engine.Row, chosen []hser.Choice) {
		for _, c := range chosen {
			s.counts[layer][c.Index]++
		}
	}
	return s
}

// least is the least share of an expert in its pool, 1 being its fair one;
// pools that nothing chose do not count.
func (s *shares) least() float64 {
	least := math.Inf(1)
	for i, pools := range s.m.m.Experts {
		for _, p := range pools {
			sum, fewest := 0, math.MaxInt
			for _, n := range s.counts[i][p.First : p.First+p.Count] {
				sum, fewest = sum+n, min(fewest, n)
			}
			if sum > 0 {
				least = min(least, float64(fewest)*float64(p.Count)/float64(sum))
			}
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}
