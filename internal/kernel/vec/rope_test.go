package vec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRopeRotates(t *testing.T) {
	for _, interleaved := range []bool{false, true} {
		rope, err := NewRope(RopeConfig{Dims: 8, Base: 10000, Interleaved: interleaved})
		require.NoError(t, err)
		cos, sin := make([]float32, 4), make([]float32, 4)
		rope.At(7, cos, sin)
		for i := range cos {
			a := 7 * math.Pow(10000, -float64(i)/4)
			require.InDelta(t, math.Cos(a), float64(cos[i]), 1e-7)
			require.InDelta(t, math.Sin(a), float64(sin[i]), 1e-7)
		}
		// Two heads of ten values, of which the last two are not rotated.
		x := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
		before := append([]float32(nil), x...)
		rope.Apply(x, cos, sin, 2, 10)
		for h := range 2 {
			for i := range 4 {
				a, b := i, i+4
				if interleaved {
					a, b = 2*i, 2*i+1
				}
				a, b = 10*h+a, 10*h+b
				require.InDelta(t, before[a]*cos[i]-before[b]*sin[i], x[a], 1e-5)
				require.InDelta(t, before[a]*sin[i]+before[b]*cos[i], x[b], 1e-5)
			}
			require.Equal(t, before[10*h+8:10*h+10], x[10*h+8:10*h+10])
		}
	}
}

// TestRopeIsExactFarOut compares angles at positions where a float32 angle
// would have lost the turn. The reduction of math.Cos is exact there.
func TestRopeIsExactFarOut(t *testing.T) {
	rope, err := NewRope(RopeConfig{Dims: 128, Base: 1e6})
	require.NoError(t, err)
	cos, sin := make([]float32, 64), make([]float32, 64)
	for _, pos := range []int{0, 1, 4095, 131071, 1<<20 + 7, 1<<24 - 1} {
		rope.At(pos, cos, sin)
		for i, f := range rope.freqs {
			a := float64(pos) * f
			require.InDelta(t, math.Cos(a), float64(cos[i]), 6e-8, "position %d pair %d", pos, i)
			require.InDelta(t, math.Sin(a), float64(sin[i]), 6e-8, "position %d pair %d", pos, i)
		}
	}
}

func TestLinearScalingAndFactors(t *testing.T) {
	plain, err := NewRope(RopeConfig{Dims: 4, Base: 10000})
	require.NoError(t, err)
	linear, err := NewRope(RopeConfig{Dims: 4, Base: 10000, Scaling: RopeLinear, Factor: 4})
	require.NoError(t, err)
	factors, err := NewRope(RopeConfig{Dims: 4, Base: 10000, FreqFactors: []float32{1, 8}})
	require.NoError(t, err)
	require.Equal(t, []float64{plain.freqs[0] / 4, plain.freqs[1] / 4}, linear.freqs)
	require.Equal(t, []float64{plain.freqs[0], plain.freqs[1] / 8}, factors.freqs)
	require.Equal(t, 4, plain.Dims())
	require.Equal(t, 1.0, linear.magnitude)
}

func TestYaRNKeepsFastAndStretchesSlow(t *testing.T) {
	plain, err := NewRope(RopeConfig{Dims: 64, Base: 10000})
	require.NoError(t, err)
	c := RopeConfig{Dims: 64, Base: 10000, Scaling: RopeYaRN, Factor: 40, OriginalContext: 4096, BetaFast: 32, BetaSlow: 1}
	yarn, err := NewRope(c)
	require.NoError(t, err)
	// Pairs that turn 32 times and more within 4,096 positions are kept, those
	// that turn less than once are stretched, and between them is a ramp.
	low := math.Floor(64 * math.Log(4096/(32*2*math.Pi)) / (2 * math.Log(10000)))
	high := math.Ceil(64 * math.Log(4096/(2*math.Pi)) / (2 * math.Log(10000)))
	for i, f := range plain.freqs {
		keep := 1 - min(1, max(0, (float64(i)-low)/(high-low)))
		require.InEpsilon(t, f/40*(1-keep)+f*keep, yarn.freqs[i], 1e-12, "pair %d", i)
	}
	require.Equal(t, plain.freqs[0], yarn.freqs[0])
	require.InEpsilon(t, plain.freqs[31]/40, yarn.freqs[31], 1e-12)
	require.InEpsilon(t, 1+0.1*math.Log(40), yarn.magnitude, 1e-12)
	c.AttnFactor = 0.5
	yarn, err = NewRope(c)
	require.NoError(t, err)
	require.InEpsilon(t, 0.5*(1+0.1*math.Log(40)), yarn.magnitude, 1e-12)
}

func TestRopeRefuses(t *testing.T) {
	good := RopeConfig{
		Dims: 8, Base: 10000, Scaling: RopeYaRN, Factor: 2, OriginalContext: 100, BetaFast: 32, BetaSlow: 1,
		FreqFactors: []float32{1, 1, 1, 1},
	}
	_, err := NewRope(good)
	require.NoError(t, err)
	for want, spoil := range map[string]func(c *RopeConfig){
		"even number":          func(c *RopeConfig) { c.Dims = 7 },
		"positive even":        func(c *RopeConfig) { c.Dims = 0 },
		"rope base 1":          func(c *RopeConfig) { c.Base = 1 },
		"rope base NaN":        func(c *RopeConfig) { c.Base = math.NaN() },
		"scaling factor 0":     func(c *RopeConfig) { c.Factor = 0 },
		"scaling factor +Inf":  func(c *RopeConfig) { c.Factor = math.Inf(1) },
		"3 rope frequency":     func(c *RopeConfig) { c.FreqFactors = c.FreqFactors[:3] },
		"frequency factor 0":   func(c *RopeConfig) { c.FreqFactors = []float32{1, 1, 0, 1} },
		"frequency factor NaN": func(c *RopeConfig) { c.FreqFactors = []float32{1, nan, 1, 1} },
		"original context 0":   func(c *RopeConfig) { c.OriginalContext = 0 },
		"beta":                 func(c *RopeConfig) { c.BetaSlow = -1 },
		"attention factor":     func(c *RopeConfig) { c.AttnFactor = math.Inf(-1) },
	} {
		c := good
		spoil(&c)
		_, err := NewRope(c)
		require.ErrorContains(t, err, want)
	}
}

// FuzzNewRope feeds what a file may claim: any result is finite.
func FuzzNewRope(f *testing.F) {
	f.Add(8, 10000.0, 2.0, 4096, 32.0, 1.0, 0.0, float32(1))
	f.Add(64, 5e5, 40.0, 1, 1e300, 1e-300, 1.0, float32(8))
	f.Add(2, 1.0000000000000002, 5e-324, 1<<40, 0.0, 0.0, -1.0, float32(1e-45))
	f.Fuzz(func(t *testing.T, dims int, base, factor float64, context int, fast, slow, magnitude float64, div float32) {
		if dims > 256 {
			return
		}
		c := RopeConfig{
			Dims: dims, Base: base, Scaling: RopeYaRN, Factor: factor, OriginalContext: context,
			BetaFast: fast, BetaSlow: slow, AttnFactor: magnitude,
		}
		for range dims / 2 {
			c.FreqFactors = append(c.FreqFactors, div)
		}
		rope, err := NewRope(c)
		if err != nil {
			return
		}
		cos, sin := make([]float32, dims/2), make([]float32, dims/2)
		rope.At(1<<24-1, cos, sin)
		for i := range cos {
			require.False(t, math.IsNaN(float64(cos[i])) || math.IsNaN(float64(sin[i])), "pair %d of %+v", i, c)
		}
	})
}

func BenchmarkRopeAt(b *testing.B) {
	rope, err := NewRope(RopeConfig{Dims: 128, Base: 10000})
	require.NoError(b, err)
	cos, sin := make([]float32, 64), make([]float32, 64)
	for b.Loop() {
		rope.At(12345, cos, sin)
	}
}
