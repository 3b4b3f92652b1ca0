package tierplan

import (
	"cmp"
	"slices"
)

// Usage is how much each expert was used: per layer and canonical index, none
// for dense layers.
type Usage struct {
	Chosen [][]uint64  // how many tokens chose it
	Mass   [][]float64 // the sum of its weights
}

// NewUsage is a usage without a token of a model with so many experts in each
// layer.
func NewUsage(experts []int) Usage {
	u := Usage{Chosen: make([][]uint64, len(experts)), Mass: make([][]float64, len(experts))}
	for i, n := range experts {
		u.Chosen[i], u.Mass[i] = make([]uint64, n), make([]float64, n)
	}
	return u
}

// fits says whether the usage is one of a model of that shape.
func (u *Usage) fits(s *Shape) error {
	if len(u.Chosen) != len(s.Experts) || len(u.Mass) != len(s.Experts) {
		return errorf("the trace has %d layers, and the model has %d", len(u.Chosen), len(s.Experts))
	}
	for i, n := range s.Experts {
		if len(u.Chosen[i]) != n || len(u.Mass[i]) != n {
			return errorf("the trace has %d experts at layer %d, and the model has %d", len(u.Chosen[i]), i, n)
		}
	}
	return nil
}

// place is an expert with what it is worth: its part of its layer's mass.
type place struct {
	layer  int
	index  int32
	share  float64
	chosen uint64
	must   bool // the first tier cannot do without it
}

// ranked lists all experts, best first: by their part of the weight mass of
// their layer, for the output of a layer is what it adds up to, whatever scale
// the weights of another layer have. Equal ones are in canonical order.
func (u *Usage) ranked() []place {
	var all []place
	for layer, mass := range u.Mass {
		sum := total(mass)
		for i, m := range mass {
			p := place{layer: layer, index: int32(i), chosen: u.Chosen[layer][i]}
			if sum > 0 {
				p.share = m / sum
			}
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(b.chosen, a.chosen), a.layer-b.layer, int(a.index-b.index))
	})
	return all
}

func total[T uint64 | float64](values []T) (sum T) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// Coverage is how much of a model's routing a choice of experts holds.
type Coverage struct {
	// Mass is the part of the weight mass, 0 to 1: the mean over the layers.
	Mass float64 `json:"weight_mass"`
	// Hits is the part of the choices, 0 to 1: the hit rate of a cache that
	// holds these experts and no others.
	Hits float64 `json:"hit_rate"`
}

// coverage adds up experts.
type coverage struct {
	mass        float64
	chosen, all uint64
	layers      int
}

// newCoverage is that of no experts.
func (u *Usage) newCoverage() coverage {
	c := coverage{}
	for _, chosen := range u.Chosen {
		if len(chosen) > 0 {
			c.layers++
			c.all += total(chosen)
		}
	}
	return c
}

func (c *coverage) add(p place) {
	c.mass += p.share
	c.chosen += p.chosen
}

func (c *coverage) of() Coverage {
	if c.layers == 0 || c.all == 0 {
		return Coverage{}
	}
	return Coverage{Mass: c.mass / float64(c.layers), Hits: float64(c.chosen) / float64(c.all)}
}
