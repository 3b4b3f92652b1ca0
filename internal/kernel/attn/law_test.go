package attn

import (
	"testing"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// lawful is a part with its values, computed as the format page is written:
// nothing here is shared with the package but Exp32.
type lawful struct {
	m, l float32
	o    []float32
}

// law is attention of one query over n positions, by docs/format/
// numerics-attention.md.
func (c *cache) law(q []float32, n int, scale float32, sinks []float32) []float32 {
	var whole *lawful
	for super := 0; super < n; super += SuperLen {
		var part *lawful
		for block := super; block < min(n, super+SuperLen); block += BlockLen {
			part = part.fold(c.lawOfBlock(q, block, min(n, block+BlockLen), scale))
		}
		whole = whole.fold(part)
	}
	for _, sink := range sinks {
		whole = whole.fold(&lawful{sink, 1, make([]float32, c.kv.DV)})
	}
	for d := range whole.o {
		whole.o[d] /= whole.l
	}
	return whole.o
}

func (c *cache) lawOfBlock(q []float32, from, to int, scale float32) *lawful {
	p := &lawful{o: make([]float32, c.kv.DV)}
	var scores []float32
	for t := from; t < to; t++ {
		var s float32
		for d := range q {
			s += float32(q[d] * c.k[t][d])
		}
		scores = append(scores, s*scale)
	}
	p.m = scores[0]
	for _, s := range scores {
		p.m = max(p.m, s)
	}
	for i, s := range scores {
		w := vec.Exp32(s - p.m)
		p.l += w
		for d, v := range c.v[from+i] {
			p.o[d] += float32(w * v)
		}
	}
	return p
}

func (p *lawful) fold(next *lawful) *lawful {
	if p == nil {
		return next
	}
	m := max(p.m, next.m)
	a, b := vec.Exp32(p.m-m), vec.Exp32(next.m-m)
	sum := &lawful{m: m, l: float32(p.l*a) + float32(next.l*b)}
	for d := range p.o {
		sum.o = append(sum.o, float32(p.o[d]*a)+float32(next.o[d]*b))
	}
	return sum
}

// TestImplementationsFollowTheLaw is the agreement of every implementation, at
// every shape, with the law as it is written.
func TestImplementationsFollowTheLaw(t *testing.T) {
	dims := [][2]int{
		{8, 8},
		{16, 16},
		{24, 24},
		{32, 32},
		{40, 48},
		{48, 40},
		{64, 64},
		{80, 80},
		{96, 96},
		{128, 128},
		{192, 128},
		{576, 512},
		{20, 12},
		{1, 1},
	}
	for i, dim := range dims {
		for _, e := range []Elem{F16, BF16, F32} {
			c := newCache(normal(uint64(i)), e, dim[0], dim[1], 300)
			for n := 1; n <= 20; n += 1 + n/5 {
				lens := make([]int, n)
				for i := range lens {
					lens[i] = []int{300, 1, 127, 128, 129, 17, 256, 257, 64, 65}[(i+n)%10]
				}
				requireLaw(t, c, lens, nil)
			}
		}
	}
}

// TestPromptsFollowTheLaw has rows that see one key more each, as the chunks
// of a prompt do, across the borders of blocks and super-blocks.
func TestPromptsFollowTheLaw(t *testing.T) {
	for _, c := range []*cache{
		newCache(normal(1), F16, 16, 16, 9000),
		newCache(normal(2), F32, 8, 24, 4200),
	} {
		for _, from := range []int{1, 100, 120, 4090, 8180} {
			lens := make([]int, 20)
			for i := range lens {
				lens[i] = min(from+i, len(c.k))
			}
			requireLaw(t, c, lens, nil)
			requireLaw(t, c, lens, []float32{0.5, 20, -30})
		}
		requireLaw(t, c, []int{4095, 4096, 4097, len(c.k)}, nil)
	}
}

// requireLaw computes queries together and by the law; sinks, if any, are
// dealt out to them in turn.
func requireLaw(t *testing.T, c *cache, lens []int, sinks []float32) {
	t.Helper()
	n, dk, dv := len(lens), c.kv.DK, c.kv.DV
	const scale = 0.21
	q := row(normal(uint64(n)), n*dk)
	var all []float32
	want := make([]float32, 0, n*dv)
	for i := range n {
		var sink []float32
		if sinks != nil {
			all = append(all, sinks[i%len(sinks)])
			sink = all[i:]
		}
		want = append(want, c.law(q[i*dk:(i+1)*dk], lens[i], scale, sink)...)
	}
	for _, impl := range kernel.Available() {
		var s Scratch
		got := make([]float32, n*dv)
		For(impl).AttendSinks(got, dv, q, dk, n, c.kv, lens, all, scale, &s)
		requireBits(t, want, got, impl, c.kv.Elem, dk, dv, n, lens)
	}
}
