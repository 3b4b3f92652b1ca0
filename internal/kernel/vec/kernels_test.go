package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// input is what an operation reads: three rows of one length and two scalars.
type input struct {
	x, y, w []float32
	s, t    float32
}

// operation is a method under test; dst has the length of the rows.
type operation struct {
	name string
	run  func(k *Kernels, dst []float32, in input)
}

var operations = []operation{
	{"exp", func(k *Kernels, dst []float32, in input) { k.Exp(dst, in.x) }},
	{"exp-shift", func(k *Kernels, dst []float32, in input) { k.ExpShift(dst, in.x, in.s) }},
	{"sigmoid", func(k *Kernels, dst []float32, in input) { k.Sigmoid(dst, in.x) }},
	{"silu", func(k *Kernels, dst []float32, in input) { k.SiLUMul(dst, in.x, in.y) }},
	{"add", func(k *Kernels, dst []float32, in input) { k.Add(dst, in.x, in.y) }},
	{"mul", func(k *Kernels, dst []float32, in input) { k.Mul(dst, in.x, in.y) }},
	{"scale", func(k *Kernels, dst []float32, in input) { k.Scale(dst, in.x, in.s) }},
	{"div", func(k *Kernels, dst []float32, in input) { k.Div(dst, in.x, in.s) }},
	{"add-scaled", func(k *Kernels, dst []float32, in input) { copy(dst, in.y); k.AddScaled(dst, in.x, in.s) }},
	{"blend", func(k *Kernels, dst []float32, in input) { copy(dst, in.y); k.Blend(dst, in.x, in.s, in.t) }},
	{"rms-norm", func(k *Kernels, dst []float32, in input) { k.RMSNorm(dst, in.x, in.w, 1e-5) }},
	{"rms-norm-ones", func(k *Kernels, dst []float32, in input) { k.RMSNorm(dst, in.x, nil, 1e-6) }},
	{"softmax", func(k *Kernels, dst []float32, in input) { k.Softmax(dst, in.x) }},
	{"max", func(k *Kernels, dst []float32, in input) {
		if len(dst) > 0 && !hasNaN(in.x) {
			dst[0] = k.Max(in.x)
		}
	}},
}

func hasNaN(x []float32) bool {
	for _, v := range x {
		if v != v {
			return true
		}
	}
	return false
}

// requireSame compares bits; one NaN is as good as another.
func requireSame(t *testing.T, want, got []float32, what ...any) {
	t.Helper()
	for i := range want {
		if want[i] != want[i] && got[i] != got[i] {
			continue
		}
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Fatalf("%v at %d: %x, want %x", what, i, math.Float32bits(got[i]), math.Float32bits(want[i]))
		}
	}
}

// requireAgreement runs an operation by every implementation.
func requireAgreement(t *testing.T, op operation, in input) {
	t.Helper()
	want := make([]float32, len(in.x))
	op.run(For(kernel.Reference), want, in)
	for _, impl := range kernel.Available()[1:] {
		got := make([]float32, len(in.x)+1)
		got[len(in.x)] = 42 // a canary behind the row
		op.run(For(impl), got[:len(in.x):len(in.x)], in)
		requireSame(t, want, got, op.name, impl, len(in.x))
		require.Equal(t, float32(42), got[len(in.x)], "%s writes behind its row", op.name)
	}
}

// random is a row of ordinary values, some large, some subnormal.
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

// wild is a row of any bits: infinities and NaNs occur.
func wild(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(r.Uint32())
		if r.IntN(40) == 0 {
			x[i] = math.Float32frombits(0x7f800000 | r.Uint32()&0x80000001)
		}
	}
	return x
}

func TestImplementationsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, op := range operations {
		for n := range 70 {
			requireAgreement(t, op, input{random(r, n), random(r, n), random(r, n), 0.3, 1.7})
			requireAgreement(t, op, input{wild(r, n), wild(r, n), wild(r, n), -2.5, 1e-20})
		}
		for _, n := range []int{172, 576, 1000, 2048, 4099} {
			requireAgreement(t, op, input{random(r, n), random(r, n), random(r, n), 0.3, 1.7})
		}
	}
}

func FuzzImplementationsAgree(f *testing.F) {
	f.Add(uint8(0), []byte{}, uint32(0), uint32(0))
	f.Add(uint8(1), make([]byte, 4*17), uint32(0x3f800000), uint32(0x80000000))
	f.Add(uint8(12), []byte("a softmax of sixteen and of one more value, which are letters here: 17 floats"), uint32(1), uint32(0x7f800000))
	f.Fuzz(func(t *testing.T, which uint8, data []byte, s, u uint32) {
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
		}
		y := make([]float32, len(x))
		for i := range y {
			y[i] = x[len(x)-1-i]
		}
		in := input{x, y, y, math.Float32frombits(s), math.Float32frombits(u)}
		requireAgreement(t, operations[int(which)%len(operations)], in)
	})
}

func TestDestinationMayBeASource(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, impl := range kernel.Available() {
		k, x := For(impl), random(r, 53)
		for name, f := range map[string]func(dst, x []float32){
			"softmax":  k.Softmax,
			"rms-norm": func(dst, x []float32) { k.RMSNorm(dst, x, nil, 1e-5) },
			"silu":     func(dst, x []float32) { k.SiLUMul(dst, x, x) },
			"sigmoid":  k.Sigmoid,
		} {
			apart, inPlace := make([]float32, len(x)), append([]float32(nil), x...)
			f(apart, x)
			f(inPlace, inPlace)
			requireSame(t, apart, inPlace, name, impl)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	in, dst := input{random(r, 100), random(r, 100), random(r, 100), 0.5, 2}, make([]float32, 100)
	for _, impl := range kernel.Available() {
		for _, op := range operations {
			require.Zero(t, testing.AllocsPerRun(5, func() { op.run(For(impl), dst, in) }), op.name)
		}
	}
}

func TestShortSlicesPanic(t *testing.T) {
	for _, impl := range kernel.Available() {
		k := For(impl)
		require.Panics(t, func() { k.Add(make([]float32, 31), make([]float32, 32), make([]float32, 32)) })
		require.Panics(t, func() { k.RMSNorm(make([]float32, 32), make([]float32, 32), make([]float32, 16), 1) })
	}
}

// TestRowsAgainstFloat64 holds the reductions to what they approximate.
func TestRowsAgainstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	k := For(kernel.Reference)
	for _, n := range []int{1, 2, 8, 64, 100, 1537} {
		x, w, dst := make([]float32, n), make([]float32, n), make([]float32, n)
		top, squares := math.Inf(-1), 0.0
		for i := range x {
			x[i], w[i] = float32(r.NormFloat64()*5), float32(r.NormFloat64())
			top, squares = max(top, float64(x[i])), squares+float64(x[i])*float64(x[i])
		}
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(float64(v) - top)
		}
		k.Softmax(dst, x)
		for i, v := range x {
			require.InDelta(t, math.Exp(float64(v)-top)/sum, float64(dst[i]), 1e-6)
		}
		k.RMSNorm(dst, x, w, 1e-5)
		for i, v := range x {
			want := float64(v) / math.Sqrt(squares/float64(n)+1e-5) * float64(w[i])
			require.InDelta(t, want, float64(dst[i]), 1e-5*(1+math.Abs(want)))
		}
		k.SiLUMul(dst, x, w)
		for i, v := range x {
			want := float64(v) / (1 + math.Exp(-float64(v))) * float64(w[i])
			require.InDelta(t, want, float64(dst[i]), 1e-6*(1+math.Abs(want)))
		}
	}
}

// TestSumsTakeVirtualLanes shows the order of rule 6: a large value cancels in
// its lane before the small ones of other lanes reach it.
func TestSumsTakeVirtualLanes(t *testing.T) {
	x := make([]float32, 32)
	for i := range x {
		x[i] = 1
	}
	x[3], x[19] = 1<<30, -1<<30 // both of lane 3
	for _, impl := range kernel.Available() {
		require.Equal(t, float32(30), For(impl).sum(x), impl)
	}
}

func TestSoftmaxWithoutANumber(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, x := range [][]float32{{nan}, {1, nan, 2}, {inf, 0}, {-inf, -inf}} {
		for _, impl := range kernel.Available() {
			row := make([]float32, 20)
			for i := range row {
				row[i] = x[i%len(x)]
			}
			For(impl).Softmax(row, row)
			for _, v := range row {
				require.Equal(t, uint32(0x7fc00000), math.Float32bits(v), "%v %s", x, impl)
			}
		}
	}
	For(kernel.Reference).Softmax(nil, nil)
}

func BenchmarkRow(b *testing.B) {
	r := rand.New(rand.NewPCG(11, 12))
	const n = 2048
	in, dst := input{random(r, n), random(r, n), random(r, n), 0.5, 2}, make([]float32, n)
	for _, op := range operations {
		for _, impl := range kernel.Available() {
			b.Run("op="+op.name+"/kernels="+impl.String(), func(b *testing.B) {
				b.SetBytes(4 * n)
				for b.Loop() {
					op.run(For(impl), dst, in)
				}
			})
		}
	}
}
