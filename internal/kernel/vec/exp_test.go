package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// ulps is the distance of got from the exact value in units in the last place
// of float32.
func ulps(got float32, exact float64) float64 {
	next := math.Nextafter32(float32(math.Abs(exact)), float32(math.Inf(1)))
	unit := float64(next) - math.Abs(float64(float32(exact)))
	return math.Abs(float64(got)-exact) / unit
}

// TestExp32IsAccurate holds the figure of docs/format/numerics-vector.md, which
// was measured over a fifth of all bit patterns: 0.978 units.
func TestExp32IsAccurate(t *testing.T) {
	worst := 0.0
	for bits := uint64(0); bits < 1<<32; bits += 1009 {
		x := math.Float32frombits(uint32(bits))
		exact := math.Exp(float64(x))
		if got := Exp32(x); exact > math.SmallestNonzeroFloat32 && exact < math.MaxFloat32 {
			worst = max(worst, ulps(got, exact))
		}
	}
	require.Less(t, worst, 0.98, "units in the last place")
	require.Greater(t, worst, 0.5, "a float32 polynomial is not correctly rounded: the measure is broken")
}

func TestExp32AtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name string
		x    float32
		want uint32
	}{
		{"zero", 0, 0x3f800000},
		{"negative zero", float32(math.Copysign(0, -1)), 0x3f800000},
		{"least subnormal", math.SmallestNonzeroFloat32, 0x3f800000},
		{"-Inf", -inf, 0},
		{"+Inf", inf, 0x7f800000},
		{"last finite", 88.72283, 0x7f7fff84},
		{"overflow", 88.73, 0x7f800000},
		{"gradual underflow", -103.5, 1},
		{"underflow", -103.98, 0},
		{"NaN with a payload", math.Float32frombits(0xffabcdef), 0x7fc00000},
		{"signalling NaN", math.Float32frombits(0x7f800001), 0x7fc00000},
	} {
		require.Equal(t, c.want, math.Float32bits(Exp32(c.x)), c.name)
	}
}

// TestExpIsMonotone would see a wrong boundary between two reductions.
func TestExpIsMonotone(t *testing.T) {
	last := float32(0)
	for x := float32(-104); x < 88; x += 0.00037 {
		y := Exp32(x)
		require.GreaterOrEqual(t, y, last, "exp(%v)", x)
		last = y
	}
}

// TestExpAgreesOnAllRanges compares implementations on 8 million bit patterns
// spread over the whole line.
func TestExpAgreesOnAllRanges(t *testing.T) {
	x, got := make([]float32, 4096), make([]float32, 4096)
	for _, impl := range kernel.Available()[1:] {
		for base := uint64(0); base < 1<<32; base += 4096 * 523 {
			for i := range x {
				x[i] = math.Float32frombits(uint32(base) + uint32(i)*523)
			}
			For(impl).Exp(got, x)
			for i := range x {
				if want := Exp32(x[i]); math.Float32bits(want) != math.Float32bits(got[i]) {
					t.Fatalf("exp(%x): %x, want %x", math.Float32bits(x[i]), math.Float32bits(got[i]), math.Float32bits(want))
				}
			}
		}
	}
}

func TestLogAndTrigonometryAreAccurate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x := math.Exp(r.Float64()*170 - 85)
		require.InEpsilon(t, 1+math.Abs(math.Log(x)), 1+math.Abs(log64(x)), 1e-15)
		y := r.Float64()*600 - 300
		require.InEpsilon(t, math.Exp(y), exp64(y), 1e-14)
		a := r.Float64() * (1 << 24)
		sin, cos := sincos64(a)
		require.InDelta(t, math.Sin(a), sin, 1e-15)
		require.InDelta(t, math.Cos(a), cos, 1e-15)
	}
}

func TestLog32(t *testing.T) {
	worst := 0.0
	for bits := uint32(1); bits < 0x7f800000; bits += 20011 {
		x := math.Float32frombits(bits)
		if exact := math.Log(float64(x)); exact != 0 {
			worst = max(worst, ulps(Log32(x), exact))
		}
	}
	require.Less(t, worst, 0.5001)
	inf := math.Inf(1)
	require.Equal(t, float32(0), Log32(1))
	require.Equal(t, float32(-inf), Log32(0))
	require.Equal(t, float32(inf), Log32(float32(inf)))
	require.True(t, math.IsNaN(float64(Log32(-1))))
	require.True(t, math.IsNaN(float64(Log32(nan))))
}
