package main

import "math"

// prediction is what the rate of decoding is computed from, when experts are read
// while others of the same layer are multiplied, and nothing else overlaps.
type prediction struct {
	layers, chosen int
	inMemory       float64 // seconds a token with all experts resident
	expertShare    float64 // the part of them that is experts, by bytes
	expertBytes    float64 // of one expert
	diskRate       float64 // bytes per second
	miss           float64 // the part of the chosen experts that is not resident
}

// rate is tokens per second. A layer whose k of K chosen experts are missing takes
// the longer of all its multiplications and of reading k experts, after the last of
// which one expert's multiplications are left; k is distributed binomially.
func (p *prediction) rate() float64 {
	layer := p.inMemory * p.expertShare / float64(p.layers)
	read := p.expertBytes / p.diskRate
	expected := 0.0
	for k := range p.chosen + 1 {
		t := layer
		if k > 0 {
			t = max(layer, float64(k)*read+layer/float64(p.chosen))
		}
		expected += binomial(p.chosen, k, p.miss) * t
	}
	return 1 / (p.inMemory*(1-p.expertShare) + float64(p.layers)*expected)
}

// binomial is the probability of k of n when each has probability p.
func binomial(n, k int, p float64) float64 {
	c := 1.0
	for i := range k {
		c *= float64(n-i) / float64(i+1)
	}
	return c * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
}
