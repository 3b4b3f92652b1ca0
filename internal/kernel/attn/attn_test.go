package attn

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel"
)

// cache is a KV head filled with random keys and values.
type cache struct {
	kv   KeyValues
	k, v [][]float32 // as stored, after rounding
}

func newCache(r *rand.Rand, e Elem, dk, dv, n int) *cache {
	c := &cache{kv: KeyValues{Elem: e, DK: dk, DV: dv}}
	for b := 0; b*BlockLen < n; b++ {
		c.kv.Blocks = append(c.kv.Blocks, Block{K: make([]byte, KeyBytes(e, dk)), V: make([]byte, ValueBytes(e, dv))})
	}
	for pos := range n {
		b, at := c.kv.Blocks[pos/BlockLen], pos%BlockLen
		k, v := random(r, dk), random(r, dv)
		PutKey(b.K, e, at, k)
		PutValue(b.V, e, at, v)
		for i := range k {
			k[i] = e.at(b.K, i*BlockLen+at)
		}
		for i := range v {
			v[i] = e.at(b.V, at*dv+i)
		}
		c.k, c.v = append(c.k, k), append(c.v, v)
	}
	return c
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// exact is attention in float64.
func (c *cache) exact(q []float32, n int, scale float64) []float64 {
	s, top := make([]float64, n), math.Inf(-1)
	for t := range n {
		for d, v := range q {
			s[t] += float64(v) * float64(c.k[t][d])
		}
		s[t] *= scale
		top = max(top, s[t])
	}
	sum, out := 0.0, make([]float64, c.kv.DV)
	for t := range n {
		p := math.Exp(s[t] - top)
		sum += p
		for d := range out {
			out[d] += p * float64(c.v[t][d])
		}
	}
	for d := range out {
		out[d] /= sum
	}
	return out
}

func TestAttendIsAccurate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, e := range []Elem{F16, BF16, F32} {
		for _, n := range []int{1, 2, 127, 128, 129, 300, 4095, 4096, 4097} {
			c := newCache(r, e, 16, 24, n)
			q, out := random(r, 16), make([]float32, 24)
			var s Scratch
			For(kernel.Reference).Attend(out, 24, q, 16, 1, c.kv, []int{n}, 0.25, &s)
			for d, want := range c.exact(q, n, 0.25) {
				require.InDelta(t, want, float64(out[d]), 2e-5)
			}
		}
	}
}

// TestImplementationsAgree holds every implementation to the reference, bit
// for bit; each query is also computed alone, which must change nothing.
func TestImplementationsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var s, alone Scratch
	for _, dim := range [][2]int{{8, 8}, {24, 16}, {32, 32}, {40, 32}, {64, 64}, {80, 80}, {128, 128}, {192, 128}, {576, 512}, {20, 12}} {
		for _, e := range []Elem{F16, BF16, F32} {
			dk, dv := dim[0], dim[1]
			c := newCache(r, e, dk, dv, 300)
			const n = 7
			q := random(r, n*dk)
			lens := []int{1, 300, 128, 129, 127, 17, 256}
			want := make([]float32, n*dv)
			For(kernel.Reference).Attend(want, dv, q, dk, n, c.kv, lens, 0.125, &s)
			for _, impl := range kernel.Available() {
				got := make([]float32, n*dv)
				For(impl).Attend(got, dv, q, dk, n, c.kv, lens, 0.125, &s)
				requireBits(t, want, got, impl, dim, e)
				for i := range n {
					one := make([]float32, dv)
					For(impl).Attend(one, dv, q[i*dk:], dk, 1, c.kv, lens[i:i+1], 0.125, &alone)
					requireBits(t, want[i*dv:(i+1)*dv], one, impl, dim, e, i)
				}
			}
		}
	}
}

func requireBits(t *testing.T, want, got []float32, what ...any) {
	t.Helper()
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "%v at %d", what, i)
	}
}

func TestAttendAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	c := newCache(r, F16, 64, 64, 200)
	q, out, lens := random(r, 4*64), make([]float32, 4*64), []int{200, 200, 200, 200}
	var s Scratch
	for _, impl := range kernel.Available() {
		require.Zero(t, testing.AllocsPerRun(10, func() {
			For(impl).Attend(out, 64, q, 64, 4, c.kv, lens, 0.125, &s)
		}))
	}
}

func BenchmarkAttend(b *testing.B) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, impl := range kernel.Available() {
		b.Run("kernels="+impl.String(), func(b *testing.B) {
			c := newCache(r, F16, 128, 128, 1024)
			q, out, lens := random(r, 8*128), make([]float32, 8*128), []int{1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}
			var s Scratch
			for b.Loop() {
				For(impl).Attend(out, 128, q, 128, 8, c.kv, lens, 0.125, &s)
			}
		})
	}
}
