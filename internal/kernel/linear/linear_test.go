package linear

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/quant"
)

// fast are the implementations beside the reference that run here.
func fast() []kernel.Impl { return kernel.Available()[1:] }

// randomMatrix is a matrix of random bytes, which are valid blocks but for
// scales that are not numbers: those are replaced.
func randomMatrix(t testing.TB, r *rand.Rand, typ quant.Type, rows, cols int) Matrix {
	t.Helper()
	size, err := typ.RowBytes(cols)
	require.NoError(t, err)
	data := make([]byte, rows*size)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	tame(r, typ, data)
	m, err := NewMatrix(typ, rows, cols, data)
	require.NoError(t, err)
	return m
}

// tame gives every float of the blocks a small value.
func tame(r *rand.Rand, typ quant.Type, data []byte) {
	little := binary.LittleEndian
	eachFloat(typ, data, func(b []byte, as quant.Type) {
		switch v := float32(r.NormFloat64()); as {
		case quant.F32:
			little.PutUint32(b, math.Float32bits(v))
		case quant.BF16:
			little.PutUint16(b, quant.FloatToBFloat(v))
		default:
			little.PutUint16(b, quant.FloatToHalf(v/16))
		}
	})
}

// eachFloat calls set with every float of the blocks and its format: F32, BF16,
// or F16 for the scales and minima of quantised ones.
func eachFloat(typ quant.Type, data []byte, set func(b []byte, as quant.Type)) {
	for ; len(data) > 0; data = data[typ.BlockBytes():] {
		switch typ {
		case quant.F32, quant.BF16:
			set(data, typ)
		case quant.Q6_K:
			set(data[208:], quant.F16)
		case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
			set(data, quant.F16)
			set(data[2:], quant.F16)
		default:
			set(data, quant.F16)
		}
	}
}

func randomRows(r *rand.Rand, n, cols int) []float32 {
	x := make([]float32, n*cols)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp(r.NormFloat64()))
	}
	return x
}

// product multiplies with one implementation, in outputs of stride ldd whose
// other values stay what they were.
func product(impl kernel.Impl, w Matrix, x []float32, n, r0, r1, ldd int) []float32 {
	k := For(impl)
	var in Input
	var s Scratch
	in.Set(x, n, w.Cols)
	_ = k.Prepare(&in, w.Type) // what is not finite counts as zeros everywhere
	dst := make([]float32, n*ldd)
	for i := range dst {
		dst[i] = -1
	}
	k.Mul(dst, ldd, w, &in, r0, r1, &s)
	return dst
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
		if v != v {
			b[i] = 0x7fc00000 // the payload of a NaN is nobody's business
		}
	}
	return b
}

// TestEqualsReference multiplies matrices of every format, of shapes that do
// and do not fill tiles, by every implementation.
func TestEqualsReference(t *testing.T) {
	for _, typ := range quant.Types() {
		t.Run(typ.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(typ)))
			unit := max(typ.BlockLen(), 16)
			for _, rows := range []int{1, 3, 7, 8, 15, 16, 17, 31, 40} {
				for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 9, 13, 50} {
					cols := unit * (1 + r.IntN(4))
					w := randomMatrix(t, r, typ, rows, cols)
					x := randomRows(r, n, cols)
					r0 := r.IntN(rows)
					r1 := r0 + 1 + r.IntN(rows-r0)
					ldd := rows + r.IntN(3)
					want := product(kernel.Reference, w, x, n, r0, r1, ldd)
					for _, impl := range fast() {
						require.Equal(t, bits(want), bits(product(impl, w, x, n, r0, r1, ldd)),
							"%s: rows [%d, %d) of %d × %d, %d rows of activations", impl, r0, r1, rows, cols, n)
					}
				}
			}
		})
	}
}

// TestExtremes multiplies the largest integers of every format, where sums of
// 16 bits would overflow first.
func TestExtremes(t *testing.T) {
	for _, typ := range quant.Types() {
		if formOf(typ) < 0 {
			continue
		}
		for _, fill := range []byte{0x00, 0x7f, 0x80, 0x81, 0xff} {
			for _, sign := range []float32{1, -1, 0} {
				cols := 512
				size, err := typ.RowBytes(cols)
				require.NoError(t, err)
				data := make([]byte, 16*size)
				for i := range data {
					data[i] = fill
				}
				tame(rand.New(rand.NewPCG(2, 2)), typ, data)
				w := Matrix{typ, 16, cols, data}
				x := make([]float32, 7*cols)
				for i := range x {
					x[i] = sign
					if sign == 0 {
						x[i] = float32(i%2)*2 - 1
					}
				}
				for _, n := range []int{1, 2, 4, 6, 7} {
					want := product(kernel.Reference, w, x[:n*cols], n, 0, 16, 16)
					for _, impl := range fast() {
						require.Equal(t, bits(want), bits(product(impl, w, x[:n*cols], n, 0, 16, 16)), "%s %s of %#x", impl, typ, fill)
					}
				}
			}
		}
	}
}

// FuzzQuantize compares the quantised forms of arbitrary floats.
func FuzzQuantize(f *testing.F) {
	f.Add(uint64(1), uint32(0), uint32(0))
	f.Add(uint64(2), uint32(infinite), uint32(0x7fc00000))
	f.Add(uint64(3), uint32(minNormal-1), uint32(minNormal))
	f.Add(uint64(4), uint32(0x7f7fffff), uint32(1))
	f.Fuzz(func(t *testing.T, seed uint64, a, b uint32) {
		r := rand.New(rand.NewPCG(seed, 0))
		x := randomRows(r, 3, 512)
		if seed%3 == 0 {
			for i := range x {
				x[i] = math.Float32frombits(r.Uint32())
			}
		}
		x[r.IntN(len(x))], x[r.IntN(len(x))] = math.Float32frombits(a), math.Float32frombits(b)
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_K} {
			var want Input
			want.Set(x, 3, 512)
			wantErr := For(kernel.Reference).Prepare(&want, typ)
			for _, impl := range fast() {
				var got Input
				got.Set(x, 3, 512)
				require.Equal(t, wantErr, For(impl).Prepare(&got, typ))
				w, g := &want.forms[formOf(typ)], &got.forms[formOf(typ)]
				require.Equal(t, w.q, g.q)
				require.Equal(t, w.meta32, g.meta32)
				require.Equal(t, w.meta256, g.meta256)
			}
		}
	})
}

// FuzzMul compares products of arbitrary blocks, scales included.
func FuzzMul(f *testing.F) {
	for i, typ := range quant.Types() {
		f.Add(uint64(i), uint32(typ), uint8(i), uint8(3*i), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, seed uint64, which uint32, rows, n uint8, raw []byte) {
		types := quant.Types()
		typ := types[int(which)%len(types)]
		r := rand.New(rand.NewPCG(seed, 1))
		height, width := 1+int(rows)%40, 1+int(n)%14
		cols := max(typ.BlockLen(), 16) * (1 + r.IntN(3))
		w := randomMatrix(t, r, typ, height, cols)
		copy(w.Data[r.IntN(len(w.Data)):], raw)
		x := randomRows(r, width, cols)
		want := product(kernel.Reference, w, x, width, 0, height, height)
		for _, impl := range fast() {
			require.Equal(t, bits(want), bits(product(impl, w, x, width, 0, height, height)), "%s %s", impl, typ)
		}
	})
}

// BenchmarkMul measures products by one thread: rows of activations × weights
// that fit the second cache.
func BenchmarkMul(b *testing.B) {
	for _, typ := range quant.Types() {
		for _, impl := range kernel.Available() {
			for _, n := range []int{1, 2, 3, 4, 8, 16, 64, 512} {
				if impl == kernel.Reference && n > 1 {
					continue
				}
				b.Run(fmt.Sprintf("type=%s/kernels=%s/rows=%d", typ, impl, n), func(b *testing.B) {
					const rows, cols = 512, 2048
					r := rand.New(rand.NewPCG(3, 3))
					w := randomMatrix(b, r, typ, rows, cols)
					k := For(impl)
					var in Input
					var s Scratch
					in.Set(randomRows(r, n, cols), n, cols)
					require.NoError(b, k.Prepare(&in, typ))
					dst := make([]float32, n*rows)
					b.SetBytes(int64(len(w.Data)))
					for b.Loop() {
						k.Mul(dst, rows, w, &in, 0, rows, &s)
					}
					b.ReportMetric(2*float64(n*rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOP/s")
				})
			}
		}
	}
}
