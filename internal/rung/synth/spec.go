// Package synth is the rung of synthetic models: native models of any number of
// parameters whose bytes are made when they are read, from a seed and their place.
// It is how a model of 10^15 parameters is run on a laptop, to see what capacity
// costs a token (docs/adr/0010-what-does-capacity-cost.md). Nothing about it is a shortcut
// on the parameter's road: experts and routing heads are fetched through ReadAt,
// held to their digests, cached, and multiplied.
package synth

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Prefix begins the name of a synthetic model, such as "synth:1e15".
const Prefix = "synth:"

// Spec describes a synthetic model. Its active shape is the same whatever its
// size: what grows is the number of tiers, of groups in a tier, and of experts
// in a group, alike.
type Spec struct {
	// Params is the number of parameters that is aimed at. Whole tiers of whole
	// groups come near it.
	Params float64
	Layers int
	Dim    int // width of the residual stream
	FF     int // hidden size of an expert
	Seed   uint64
}

// The active shape: K = 12 experts of 3.1 million parameters at each of four
// layers, 151 million in all, beside 6 million of the trunk. At 10^9 parameters
// a layer has 80 experts, and they take 0.9 of a token's time. Wide experts on a
// narrow stream make a routing row cheap beside an expert: a row is as long as the
// stream is wide, and an expert three times as large as that times FF.
const (
	defaultLayers = 4
	defaultDim    = 512
	defaultFF     = 2048
	headDim       = 64
	vocabulary    = 4096
	positions     = 4096
	kTier         = 2
	kGroup        = 2
	kExpert       = 3
)

// leastSide is the fewest groups of a tier, and experts of a group.
const leastSide = max(kGroup, kExpert)

// Limits of a Spec. The largest model has 8·10^18 parameters, whose bytes are
// counted in 63 bits.
const (
	maxParams = 8e18
	maxLayers = 256
	maxWidth  = 1 << 16
	maxTiers  = 1 << 16 // of any native model
)

// NameError says that the name of a synthetic model is none.
type NameError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *NameError) Error() string {
	return fmt.Sprintf("%q names no synthetic model: %v; write %sPARAMETERS and, behind commas, layers, dim, ff or seed, such as %s1e12,seed=7", e.Name, e.Err, Prefix, Prefix)
}

// Unwrap returns the cause.
func (e *NameError) Unwrap() error { return e.Err }

// Is says whether a model's name is that of a synthetic one.
func Is(name string) bool { return strings.HasPrefix(name, Prefix) }

// Parse reads "synth:1e15" or "synth:1e9,layers=2,dim=256,ff=512,seed=7". The
// error is a *NameError.
func Parse(name string) (Spec, error) {
	s := Spec{Layers: defaultLayers, Dim: defaultDim, FF: defaultFF}
	parts := strings.Split(strings.TrimPrefix(name, Prefix), ",")
	var err error
	if s.Params, err = strconv.ParseFloat(parts[0], 64); err != nil {
		return s, &NameError{name, errors.New("no number of parameters")}
	}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || key != "seed" && n > maxWidth {
			return s, &NameError{name, fmt.Errorf("%q is no number that fits", part)}
		}
		switch key {
		case "layers":
			s.Layers = int(n) //nolint:gosec // at most maxWidth, as below
		case "dim":
			s.Dim = int(n) //nolint:gosec // as above
		case "ff":
			s.FF = int(n) //nolint:gosec // as above
		case "seed":
			s.Seed = n
		default:
			return s, &NameError{name, fmt.Errorf("%q is unknown", key)}
		}
	}
	if err := s.check(); err != nil {
		return s, &NameError{name, err}
	}
	return s, nil
}

// check refuses what cannot be.
func (s *Spec) check() error {
	switch {
	case s.Layers < 1 || s.Layers > maxLayers:
		return fmt.Errorf("%d layers: want 1 to %d", s.Layers, maxLayers)
	case s.Dim < headDim || s.Dim%headDim != 0:
		return fmt.Errorf("dim %d: want a multiple of %d", s.Dim, headDim)
	case s.FF < 32 || s.FF%32 != 0:
		return fmt.Errorf("ff %d: want a multiple of 32", s.FF)
	case !(s.Params >= s.least() && s.Params <= maxParams): // nor NaN
		return fmt.Errorf("%g parameters: want %.3g to %g with this shape", s.Params, s.least(), maxParams)
	}
	if tiers, _, _ := s.sizes(); tiers > maxTiers {
		return fmt.Errorf("%g parameters need %d tiers of experts as small as these: want at most %d", s.Params, tiers, maxTiers)
	}
	return nil
}

// theta is the parameters of an expert.
func (s *Spec) theta() float64 { return float64(3 * float64(s.Dim) * float64(s.FF)) }

// least is the parameters of the smallest model: tiers, groups and experts as many
// as a token chooses, or more where a cube needs it.
func (s *Spec) least() float64 { return float64(s.Layers) * kTier * leastSide * leastSide * s.theta() }

// sizes are the tiers of the model, the groups of each, and the experts of each
// group: as near to a cube as comes near the number of parameters.
func (s *Spec) sizes() (tiers, groups, experts int) {
	layer := s.Params / float64(s.Layers) / (s.theta() + float64(s.Dim)) // experts of a layer; each has a row of a head
	side := max(leastSide, math.Round(math.Cbrt(layer)))
	return int(max(kTier, math.Round(layer/(side*side)))), int(side), int(side)
}
