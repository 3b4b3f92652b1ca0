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

func TestExp32IsAccurate(t *testing.T) {
	worst := 0.0
	for bits := uint64(0); bits < 1<<32; bits += 1009 {
		x := math.Float32frombits(uint32(bits))
		exact := math.Exp(float64(x))
		if got := Exp32(x); exact > math.SmallestNonzeroFloat32 && exact < math.MaxFloat32 {
			worst = max(worst, ulps(got, exact))
		}
	}
	require.Less(t, worst, 1.5, "units in the last place")
}

func TestExp32AtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	require.Equal(t, float32(1), Exp32(0))
	require.Equal(t, float32(0), Exp32(-inf))
	require.Equal(t, inf, Exp32(inf))
	require.Equal(t, inf, Exp32(88.73))
	require.Equal(t, uint32(0x7fc00000), math.Float32bits(Exp32(math.Float32frombits(0xffabcdef))))
	require.Equal(t, float32(math.SmallestNonzeroFloat32), Exp32(-103.5), "gradual underflow")
}

func TestLogAndTrigonometryAreAccurate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x := math.Exp(r.Float64()*170 - 85)
		require.InEpsilon(t, 1+math.Abs(math.Log(x)), 1+math.Abs(log64(x)), 1e-14)
		y := r.Float64()*600 - 300
		require.InEpsilon(t, math.Exp(y), exp64(y), 1e-13)
		a := r.Float64() * (1 << 24)
		sin, cos := sincos64(a)
		require.InDelta(t, math.Sin(a), sin, 1e-14)
		require.InDelta(t, math.Cos(a), cos, 1e-14)
	}
}

// TestImplementationsAgree holds every implementation to the reference, bit
// for bit, at lengths with and without tails.
func TestImplementationsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ref := For(kernel.Reference)
	for _, impl := range kernel.Available() {
		k := For(impl)
		for _, n := range []int{0, 1, 5, 15, 16, 17, 31, 32, 48, 64, 172, 576, 1000} {
			x, y, w := random(r, n), random(r, n), random(r, n)
			for name, f := range map[string]func(k *Kernels, dst []float32){
				"exp":     func(k *Kernels, dst []float32) { k.Exp(dst, x) },
				"sigmoid": func(k *Kernels, dst []float32) { k.Sigmoid(dst, x) },
				"silu":    func(k *Kernels, dst []float32) { k.SiLUMul(dst, x, y) },
				"rmsnorm": func(k *Kernels, dst []float32) { k.RMSNorm(dst, x, w, 1e-5) },
				"softmax": func(k *Kernels, dst []float32) { k.Softmax(dst, x) },
				"add":     func(k *Kernels, dst []float32) { k.Add(dst, x, y) },
				"axpy":    func(k *Kernels, dst []float32) { copy(dst, y); k.AddScaled(dst, x, 0.3) },
			} {
				want, got := make([]float32, n), make([]float32, n)
				f(ref, want)
				f(k, got)
				for i := range want {
					require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "%s %s n=%d i=%d", impl, name, n, i)
				}
			}
		}
	}
}

// random mixes usual values with ones that overflow, underflow or vanish.
func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch r.IntN(12) {
		case 0:
			x[i] = float32(r.NormFloat64() * 100)
		case 1:
			x[i] = math.Float32frombits(r.Uint32() & 0x807fffff)
		default:
			x[i] = float32(r.NormFloat64())
		}
	}
	return x
}

// TestExpAgreesOnAllRanges compares implementations over the whole line.
func TestExpAgreesOnAllRanges(t *testing.T) {
	x, want, got := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
	for _, impl := range kernel.Available()[1:] {
		for base := uint64(0); base < 1<<32; base += 4096 * 523 {
			for i := range x {
				x[i] = math.Float32frombits(uint32(base) + uint32(i)*523)
			}
			For(kernel.Reference).Exp(want, x)
			For(impl).Exp(got, x)
			for i := range x {
				require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "exp(%x)", math.Float32bits(x[i]))
			}
		}
	}
}

func TestSoftmaxSumsToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	k := For(kernel.Reference)
	for _, n := range []int{1, 2, 8, 64, 100} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64() * 5)
		}
		k.Softmax(x, x)
		sum := 0.0
		for _, v := range x {
			sum += float64(v)
		}
		require.InDelta(t, 1, sum, 1e-5)
	}
}

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
		x := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} // the last two are not rotated
		rope.Apply(x, cos, sin, 1, 10)
		first := float32(5)
		if interleaved {
			first = 2
		}
		require.InDelta(t, math.Cos(7)-float64(first)*math.Sin(7), float64(x[0]), 1e-5)
		require.Equal(t, []float32{9, 10}, x[8:])
	}
}

func TestYaRNKeepsFastAndStretchesSlow(t *testing.T) {
	plain, err := NewRope(RopeConfig{Dims: 64, Base: 10000})
	require.NoError(t, err)
	yarn, err := NewRope(RopeConfig{Dims: 64, Base: 10000, Scaling: RopeYaRN, Factor: 40, OriginalContext: 4096, BetaFast: 32, BetaSlow: 1})
	require.NoError(t, err)
	require.InEpsilon(t, plain.freqs[0], yarn.freqs[0], 1e-12)
	require.InEpsilon(t, plain.freqs[31]/40, yarn.freqs[31], 1e-12)
	require.InEpsilon(t, 1+0.1*math.Log(40), yarn.magnitude, 1e-12)
	_, err = NewRope(RopeConfig{Dims: 7, Base: 10000})
	require.Error(t, err)
}
