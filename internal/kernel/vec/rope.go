package vec

import (
	"fmt"
	"math"
)

// Scaling is how rotary positions are stretched beyond the trained context.
type Scaling uint8

// The scalings: none, linear interpolation (Chen et al., 2023), and YaRN (Peng
// et al., 2023).
const (
	RopeNone Scaling = iota
	RopeLinear
	RopeYaRN
)

// RopeConfig describes rotary positions (Su et al., 2021).
type RopeConfig struct {
	Dims        int     // rotated values of a head, even
	Base        float64 // of the frequencies, usually 10000
	Interleaved bool    // value 2i pairs with 2i+1; otherwise i with i+Dims/2
	// FreqFactors divide the frequencies one by one (Llama 3.1); or nil.
	FreqFactors []float32

	Scaling            Scaling
	Factor             float64 // of the context, for linear and YaRN
	OriginalContext    int     // trained positions, for YaRN
	BetaFast, BetaSlow float64 // rotations at which YaRN begins and ends to interpolate
	AttnFactor         float64 // of cosine and sine under YaRN; 0 means 1
}

// Rope computes rotations, per position on demand.
type Rope struct {
	config    RopeConfig
	freqs     []float64 // radians per position, one per pair
	magnitude float64   // of cosine and sine
}

// NewRope returns the rotation of a configuration, or an error that names what
// is out of range.
func NewRope(c RopeConfig) (*Rope, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	r := &Rope{config: c, freqs: make([]float64, c.Dims/2), magnitude: 1}
	for i := range r.freqs {
		f := pow64(c.Base, -float64(2*i)/float64(c.Dims))
		if c.FreqFactors != nil {
			f /= float64(c.FreqFactors[i])
		}
		r.freqs[i] = f
	}
	r.scale()
	for i, f := range r.freqs {
		if !(f <= maxFreq) {
			return nil, fmt.Errorf("rope pair %d turns by %v radians per position: want at most %d", i, f, maxFreq)
		}
	}
	return r, nil
}

// maxFreq is the largest frequency that is accepted, in radians per position.
// Without scaling it is 1; more than that says that a file's factors are wrong.
const maxFreq = 1 << 10

// validate returns an error that names the first member out of range.
func (c *RopeConfig) validate() error {
	switch {
	case c.Dims <= 0 || c.Dims%2 != 0:
		return fmt.Errorf("rope over %d values: want a positive even number", c.Dims)
	case !(c.Base > 1) || math.IsInf(c.Base, 0):
		return fmt.Errorf("rope base %v: want more than 1", c.Base)
	case c.Scaling > RopeYaRN:
		return fmt.Errorf("rope scaling %d is unknown", c.Scaling)
	case c.Scaling != RopeNone && (!(c.Factor > 0) || math.IsInf(c.Factor, 0)):
		return fmt.Errorf("rope scaling factor %v: want more than 0", c.Factor)
	case c.FreqFactors != nil && len(c.FreqFactors) != c.Dims/2:
		return fmt.Errorf("%d rope frequency factors for %d pairs", len(c.FreqFactors), c.Dims/2)
	}
	for i, f := range c.FreqFactors {
		if !(f > 0) || f > math.MaxFloat32 {
			return fmt.Errorf("rope frequency factor %v of pair %d: want more than 0", f, i)
		}
	}
	if c.Scaling == RopeYaRN {
		return c.validateYaRN()
	}
	return nil
}

// validateYaRN checks what only YaRN reads.
func (c *RopeConfig) validateYaRN() error {
	switch {
	case c.OriginalContext <= 0:
		return fmt.Errorf("rope scaling from an original context %d: want the trained number of positions", c.OriginalContext)
	case !(c.BetaFast > 0 && c.BetaSlow > 0) || math.IsInf(c.BetaFast+c.BetaSlow, 0):
		return fmt.Errorf("rope scaling beta %v to %v: want more than 0", c.BetaFast, c.BetaSlow)
	case math.IsNaN(c.AttnFactor) || math.Abs(c.AttnFactor) > math.MaxFloat32:
		return fmt.Errorf("rope attention factor %v: want a number", c.AttnFactor)
	}
	return nil
}

// scale stretches the frequencies. Under YaRN, pairs that turn BetaFast times
// and more within the original context keep theirs, those that turn less than
// BetaSlow times are interpolated, and between them the share falls linearly.
func (r *Rope) scale() {
	c := &r.config
	if c.Scaling == RopeNone {
		return
	}
	low, high := 0.0, 0.0
	if c.Scaling == RopeYaRN {
		low, high = math.Max(0, math.Floor(c.pairAt(c.BetaFast))), math.Min(float64(c.Dims-1), math.Ceil(c.pairAt(c.BetaSlow)))
		if r.magnitude = c.AttnFactor; r.magnitude == 0 {
			r.magnitude = 1
		}
		r.magnitude *= 1 + float64(0.1*log64(c.Factor))
	}
	for i, f := range r.freqs {
		keep := 0.0 // the share of the original frequency
		if c.Scaling == RopeYaRN {
			ramp := (float64(i) - low) / math.Max(0.001, high-low)
			keep = 1 - math.Min(1, math.Max(0, ramp))
		}
		r.freqs[i] = float64(f/c.Factor*(1-keep)) + float64(f*keep)
	}
}

// pairAt is the pair that turns so many times within the original context.
func (c *RopeConfig) pairAt(turns float64) float64 {
	return float64(c.Dims) * log64(float64(c.OriginalContext)/float64(turns*2*math.Pi)) / float64(2*log64(c.Base))
}

// Dims is the number of rotated values of a head.
func (r *Rope) Dims() int { return r.config.Dims }

// At writes cosine and sine of every pair (Dims/2 of each) at a position below
// 2^24, times the magnitude, rounded once from float64.
func (r *Rope) At(pos int, cos, sin []float32) {
	for i, f := range r.freqs {
		s, c := sincos64(float64(float64(pos) * f))
		cos[i], sin[i] = float32(c*r.magnitude), float32(s*r.magnitude)
	}
}

// Apply rotates the first Dims values of each of heads vectors of headDim
// values in place, by the angles of one position.
func (r *Rope) Apply(x, cos, sin []float32, heads, headDim int) {
	half, step, apart := len(r.freqs), 1, len(r.freqs)
	if r.config.Interleaved {
		step, apart = 2, 1
	}
	cos, sin = cos[:half], sin[:half]
	for h := range heads {
		v := x[h*headDim:][:2*half]
		for i := range half {
			a, b := v[i*step], v[i*step+apart]
			v[i*step] = float32(a*cos[i]) - float32(b*sin[i])
			v[i*step+apart] = float32(a*sin[i]) + float32(b*cos[i])
		}
	}
}
