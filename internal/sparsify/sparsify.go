// Package sparsify cuts the feed-forward network of a dense layer into experts.
//
// A gated network is a sum over its hidden neurons: neuron i gives h_i times column
// i of Down. Any partition of the neurons is a set of experts whose sum, each with
// weight one, is the network (Zhang et al., MoEfication, 2022). Which neurons belong
// together, and which experts a token needs, is learned from what the network does
// on a text: neurons that are strong on the same tokens become an expert, those
// that are always strong stand first, and a linear router learns how much each
// expert gives. No weight is changed.
//
// The package is pure: activations in, partition and router out. It is a tool for
// making models, so that float64 and the machine's own functions serve.
package sparsify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Layer is what a network did on a text of some tokens.
type Layer struct {
	Tokens, Dim, Neurons int
	// X is the network's inputs, Tokens × Dim.
	X []float32
	// H is the hidden activations, silu(gate)·up, Tokens × Neurons. Cut turns
	// them into contributions, in place.
	H []float32
	// Down is the length of each neuron's column of the down projection.
	Down []float32
}

// Options say how a network is cut.
type Options struct {
	Experts int // divide the neurons into so many equal parts
	Core    int // of them, how many hold the neurons that are strongest on average
}

// Cut is a network cut into experts, the strongest on average first.
type Cut struct {
	// Experts lists each one's neurons, ascending. Each neuron is there once.
	Experts [][]int
	// Router (Experts × Dim) and Bias predict what an expert contributes.
	Router, Bias []float32
	// Mean is what each expert contributes on average.
	Mean []float64
	// Kept and Ideal are, for each number of experts that a token may run, from 1
	// on, the share of all that experts contribute (its squares) which the router's
	// choice keeps, and the best choice would.
	Kept, Ideal []float64
	// CoreKept is the share that the core alone keeps.
	CoreKept float64
}

// SizeError says that a network cannot be divided as asked.
type SizeError struct{ Neurons, Experts, Core int }

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%d neurons cannot be divided into %d equal experts, %d of them the core", e.Neurons, e.Experts, e.Core)
}

// Check returns a *SizeError unless a network of so many neurons can be cut.
func (o Options) Check(neurons int) error {
	if o.Experts < 1 || o.Core < 0 || o.Core > o.Experts || neurons%o.Experts != 0 {
		return &SizeError{neurons, o.Experts, o.Core}
	}
	return nil
}

// Carve cuts a network. The error is a *SizeError.
func Carve(l *Layer, o Options) (*Cut, error) {
	if err := o.Check(l.Neurons); err != nil {
		return nil, err
	}
	l.contributions()
	c := &Cut{Experts: l.divide(o)}
	given := l.given(c.Experts)
	c.order(l, given, o.Core)
	given = l.given(c.Experts)
	c.fit(l, given)
	c.measure(l, given, o.Core)
	return c, nil
}

// contributions makes H the length of what each neuron adds to a token.
func (l *Layer) contributions() {
	for t := range l.Tokens {
		row := l.H[t*l.Neurons : (t+1)*l.Neurons]
		for i := range row {
			row[i] = float32(math.Abs(float64(row[i])) * float64(l.Down[i]))
		}
	}
}

// divide partitions the neurons: the core by strength, the rest by likeness.
func (l *Layer) divide(o Options) [][]int {
	size := l.Neurons / o.Experts
	strength := make([]float64, l.Neurons)
	for t := range l.Tokens {
		for i, h := range l.H[t*l.Neurons : (t+1)*l.Neurons] {
			strength[i] += float64(h)
		}
	}
	byStrength := make([]int, l.Neurons)
	for i := range byStrength {
		byStrength[i] = i
	}
	slices.SortStableFunc(byStrength, func(i, j int) int { return cmp.Compare(strength[j], strength[i]) })
	var experts [][]int
	for range o.Core {
		experts = append(experts, byStrength[:size:size])
		byStrength = byStrength[size:]
	}
	if len(byStrength) > 0 {
		experts = append(experts, l.cluster(byStrength, size)...)
	}
	for _, e := range experts {
		slices.Sort(e)
	}
	return experts
}

// given is what each expert gives to each token, Tokens × experts: as if its
// neurons' columns stood at right angles, which they nearly do.
func (l *Layer) given(experts [][]int) []float64 {
	g := make([]float64, l.Tokens*len(experts))
	for t := range l.Tokens {
		row := l.H[t*l.Neurons : (t+1)*l.Neurons]
		for e, neurons := range experts {
			sum := 0.0
			for _, i := range neurons {
				sum += float64(row[i]) * float64(row[i])
			}
			g[t*len(experts)+e] = math.Sqrt(sum)
		}
	}
	return g
}

// order puts the experts after the core, too, in the order of what they give.
func (c *Cut) order(l *Layer, given []float64, core int) {
	n := len(c.Experts)
	mean := make([]float64, n)
	for t := range l.Tokens {
		for e := range n {
			mean[e] += given[t*n+e] / float64(l.Tokens)
		}
	}
	by := make([]int, n)
	for e := range by {
		by[e] = e
	}
	slices.SortStableFunc(by[core:], func(i, j int) int { return cmp.Compare(mean[j], mean[i]) })
	experts := make([][]int, n)
	for to, from := range by {
		experts[to] = c.Experts[from]
		c.Mean = append(c.Mean, mean[from])
	}
	c.Experts = experts
}

// measure fills Kept, Ideal and CoreKept.
func (c *Cut) measure(l *Layer, given []float64, core int) {
	n := len(c.Experts)
	c.Kept, c.Ideal = make([]float64, n), make([]float64, n)
	all, scores, by := 0.0, make([]float64, n), make([]int, n)
	add := func(sums, row []float64) {
		slices.SortStableFunc(by, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
		kept := 0.0
		for k, e := range by {
			kept += row[e] * row[e]
			sums[k] += kept
		}
	}
	for t := range l.Tokens {
		row := given[t*n : (t+1)*n]
		for e := range by {
			by[e], scores[e] = e, c.score(e, l.X[t*l.Dim:(t+1)*l.Dim])
			all += row[e] * row[e]
			if e < core {
				c.CoreKept += row[e] * row[e]
			}
		}
		add(c.Kept, row)
		copy(scores, row)
		add(c.Ideal, row)
	}
	all = max(all, math.SmallestNonzeroFloat64)
	c.CoreKept /= all
	for k := range n {
		c.Kept[k] /= all
		c.Ideal[k] /= all
	}
}

// score is the router's for one expert.
func (c *Cut) score(e int, x []float32) float64 {
	sum := float64(c.Bias[e])
	for i, w := range c.Router[e*len(x) : (e+1)*len(x)] {
		sum += float64(w) * float64(x[i])
	}
	return sum
}
