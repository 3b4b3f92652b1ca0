package attn

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

func requireBits(t *testing.T, want, got []float32, what ...any) {
	t.Helper()
	for i := range want {
		if want[i] != want[i] && got[i] != got[i] {
			continue // one NaN is as good as another
		}
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Fatalf("%v at %d: %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestAttendIsAccurate(t *testing.T) {
	for _, e := range []Elem{F16, BF16, F32} {
		for _, n := range []int{1, 2, 127, 128, 129, 300, 4095, 4096, 4097} {
			c := newCache(normal(1), e, 16, 24, n)
			q, out := row(normal(2), 16), make([]float32, 24)
			var s Scratch
			for _, sinks := range [][]float32{nil, {1.5}} {
				For(kernel.Reference).AttendSinks(out, 24, q, 16, 1, c.kv, []int{n}, sinks, 0.25, &s)
				for d, want := range c.exact(q, n, 0.25, sinks) {
					require.InDelta(t, want, float64(out[d]), 2e-6, "%s, %d positions", e, n)
				}
			}
		}
	}
}

// TestQueriesAreAlone computes queries together, with strides and in another
// order, and one by one.
func TestQueriesAreAlone(t *testing.T) {
	const dk, dv, n, ldq, ldo = 40, 40, 11, 43, 51
	c := newCache(normal(3), F16, dk, dv, 400)
	q := row(normal(4), n*ldq)
	lens := []int{1, 400, 128, 129, 127, 17, 256, 399, 400, 5, 300}
	for _, impl := range kernel.Available() {
		var s Scratch
		together := row(normal(5), n*ldo)
		before := append([]float32(nil), together...)
		For(impl).Attend(together, ldo, q, ldq, n, c.kv, lens, 0.125, &s)
		for i := n - 1; i >= 0; i-- {
			one := make([]float32, dv)
			For(impl).Attend(one, dv, q[i*ldq:], dk, 1, c.kv, lens[i:], 0.125, &s)
			requireBits(t, one, together[i*ldo:i*ldo+dv], impl, i)
			requireBits(t, before[i*ldo+dv:(i+1)*ldo], together[i*ldo+dv:(i+1)*ldo], "between the outputs")
		}
	}
}

// TestOneQueryCannotSpoilAnother puts a NaN into one query, and into a position
// that only later queries see.
func TestOneQueryCannotSpoilAnother(t *testing.T) {
	const dim, n = 32, 9
	for _, e := range []Elem{F16, BF16, F32} {
		c := newCache(normal(6), e, dim, dim, 200)
		q := row(normal(7), n*dim)
		lens := []int{150, 151, 152, 153, 154, 155, 156, 157, 158}
		for _, impl := range kernel.Available() {
			var s Scratch
			good, got := make([]float32, n*dim), make([]float32, n*dim)
			For(impl).Attend(good, dim, q, dim, n, c.kv, lens, 0.2, &s)

			bad := append([]float32(nil), q...)
			bad[3*dim+5] = float32(math.NaN())
			For(impl).Attend(got, dim, bad, dim, n, c.kv, lens, 0.2, &s)
			requireBits(t, good[:3*dim], got[:3*dim], impl)
			requireBits(t, good[4*dim:], got[4*dim:], impl)
			requireNaN(t, got[3*dim:4*dim])

			nans := row(func() float32 { return float32(math.Inf(1)) }, dim)
			blk, kept := &c.kv.Blocks[1], c.kv.Blocks[1]
			*blk = Block{append([]byte(nil), kept.K...), append([]byte(nil), kept.V...)}
			PutValue(blk.V, e, 154-BlockLen, nans)
			PutKey(blk.K, e, 155-BlockLen, nans)
			For(impl).Attend(got, dim, q, dim, n, c.kv, lens, 0.2, &s)
			*blk = kept
			requireBits(t, good[:5*dim], got[:5*dim], impl)
			requireNaN(t, got[6*dim:])
		}
	}
}

func requireNaN(t *testing.T, x []float32) {
	t.Helper()
	for _, v := range x {
		require.True(t, math.IsNaN(float64(v)))
	}
}

func TestAttendAllocatesNothing(t *testing.T) {
	c := newCache(normal(8), F16, 64, 64, 200)
	q, out, lens := row(normal(9), 7*64), make([]float32, 7*64), []int{200, 190, 200, 129, 1, 2, 3}
	var s Scratch
	for _, impl := range kernel.Available() {
		require.Zero(t, testing.AllocsPerRun(10, func() {
			For(impl).Attend(out, 64, q, 64, 7, c.kv, lens, 0.125, &s)
			For(impl).Attend(out, 64, q, 64, 2, c.kv, lens, 0.125, &s)
		}))
	}
}

func TestMisuseIsRefused(t *testing.T) {
	c := newCache(normal(10), F16, 8, 8, 10)
	for _, impl := range kernel.Available() {
		k, q, out := For(impl), make([]float32, 16), make([]float32, 16)
		var s Scratch
		require.PanicsWithValue(t, "attn: query 1 sees 0 positions: want at least its own", func() {
			k.Attend(out, 8, q, 8, 2, c.kv, []int{1, 0}, 1, &s)
		})
		require.Panics(t, func() { k.Attend(out, 8, q[:15:15], 8, 2, c.kv, []int{1, 1}, 1, &s) }, "queries end early")
		require.Panics(t, func() { k.Attend(out[:15:15], 8, q, 8, 2, c.kv, []int{1, 1}, 1, &s) }, "output ends early")
		require.Panics(t, func() { k.Attend(out, 8, q, 8, 2, c.kv, []int{1, 129}, 1, &s) }, "no such block")
		short := KeyValues{F16, 8, 8, []Block{{c.kv.Blocks[0].K[:100:100], c.kv.Blocks[0].V}}}
		require.Panics(t, func() { k.Attend(out, 8, q, 8, 2, short, []int{1, 1}, 1, &s) }, "block ends early")
	}
}

func TestElem(t *testing.T) {
	for _, e := range []Elem{F16, BF16, F32} {
		got, err := ParseElem(e.String())
		require.NoError(t, err)
		require.Equal(t, e, got)
		require.Equal(t, 3*BlockLen*e.Bytes(), KeyBytes(e, 3))
		require.Equal(t, 5*BlockLen*e.Bytes(), ValueBytes(e, 5))
	}
	_, err := ParseElem("f64")
	require.ErrorContains(t, err, `"f64" is unknown: choose f16, bf16 or f32`)
}

// TestPutRoundsToEven stores values that lie between two elements.
func TestPutRoundsToEven(t *testing.T) {
	for _, c := range []struct {
		e        Elem
		in, want float32
	}{
		{F16, 2049, 2048},
		{F16, 2051, 2052},
		{F16, 65520, float32(math.Inf(1))},
		{F16, 0x1p-25, 0},
		{F16, 0x1.8p-24, 0x1p-23},
		{BF16, 257, 256},
		{BF16, 259, 260},
		{F32, 0x1.fffffep-127, 0x1.fffffep-127},
	} {
		k, v := make([]byte, KeyBytes(c.e, 2)), make([]byte, ValueBytes(c.e, 2))
		PutKey(k, c.e, 77, []float32{1, c.in})
		PutValue(v, c.e, 77, []float32{1, c.in})
		var got [1]float32
		c.e.widen(got[:], k, BlockLen+77)
		require.Equal(t, c.want, got[0], "%s key", c.e)
		c.e.widen(got[:], v, 77*2+1)
		require.Equal(t, c.want, got[0], "%s value", c.e)
	}
}

func BenchmarkAttend(b *testing.B) {
	const dim = 128
	for _, n := range []int{1, 4, 8, 32} {
		for _, keys := range []int{16, 1024} {
			for _, impl := range kernel.Available() {
				b.Run(fmt.Sprintf("queries=%d/keys=%d/kernels=%s", n, keys, impl), func(b *testing.B) {
					c := newCache(normal(11), F16, dim, dim, keys)
					q, out, lens := row(normal(12), n*dim), make([]float32, n*dim), make([]int, n)
					for i := range lens {
						lens[i] = keys
					}
					var s Scratch
					for b.Loop() {
						For(impl).Attend(out, dim, q, dim, n, c.kv, lens, 0.125, &s)
					}
					b.ReportMetric(float64(b.N)*float64(n*keys*2*dim*2)/b.Elapsed().Seconds()/1e9, "GOP/s")
				})
			}
		}
	}
}

func BenchmarkPut(b *testing.B) {
	const dim = 128
	for _, e := range []Elem{F16, BF16, F32} {
		b.Run("elem="+e.String(), func(b *testing.B) {
			x, k, v := row(normal(13), dim), make([]byte, KeyBytes(e, dim)), make([]byte, ValueBytes(e, dim))
			for b.Loop() {
				PutKey(k, e, 5, x)
				PutValue(v, e, 5, x)
			}
		})
	}
}
