package attn

import (
	"math"
	"math/rand/v2"
)

// cache is a KV head filled with keys and values, and these as they are
// stored, after rounding.
type cache struct {
	kv   KeyValues
	k, v [][]float32
}

// newCache appends n positions of what next returns. What follows them in the
// last block is NaN, which nobody may read.
func newCache(next func() float32, e Elem, dk, dv, n int) *cache {
	c := &cache{kv: KeyValues{Elem: e, DK: dk, DV: dv}}
	for b := 0; b*BlockLen < n; b++ {
		blk := Block{K: make([]byte, KeyBytes(e, dk)), V: make([]byte, ValueBytes(e, dv))}
		for _, bytes := range [][]byte{blk.K, blk.V} {
			for i := range bytes {
				bytes[i] = 0xff
			}
		}
		c.kv.Blocks = append(c.kv.Blocks, blk)
	}
	for pos := range n {
		b, at := c.kv.Blocks[pos/BlockLen], pos%BlockLen
		k, v := row(next, dk), row(next, dv)
		PutKey(b.K, e, at, k)
		PutValue(b.V, e, at, v)
		for i := range k {
			e.widen(k[i:i+1], b.K, i*BlockLen+at)
		}
		e.widen(v, b.V, at*dv)
		c.k, c.v = append(c.k, k), append(c.v, v)
	}
	return c
}

func row(next func() float32, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = next()
	}
	return x
}

// normal is a source of ordinary values.
func normal(seed uint64) func() float32 {
	r := rand.New(rand.NewPCG(seed, seed))
	return func() float32 { return float32(r.NormFloat64()) }
}

// integers is a source of multiples of 1/1024 within ±2, from integer
// arithmetic alone (Marsaglia's xorshift), so that it is the same everywhere.
func integers(seed uint32) func() float32 {
	x := seed*2654435769 | 1
	return func() float32 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		return float32(int32(x)>>20) / 1024
	}
}

// exact is attention in float64, for one query.
func (c *cache) exact(q []float32, n int, scale float64, sinks []float32) []float64 {
	s, top := make([]float64, n), math.Inf(-1)
	for t := range n {
		for d, v := range q {
			s[t] += float64(v) * float64(c.k[t][d])
		}
		s[t] *= scale
		top = max(top, s[t])
	}
	sum, out := 0.0, make([]float64, c.kv.DV)
	for _, sink := range sinks {
		sum += math.Exp(float64(sink) - top)
	}
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
