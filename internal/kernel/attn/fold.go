package attn

import "github.com/lite-llm/lite/internal/kernel/vec"

// part is what a set of keys gives for one query: m, the largest score, and l,
// the sum of exp(score - m). The weighted values o stand beside it.
type part struct{ m, l float32 }

// The levels of the fold.
const (
	levelBlock = iota
	levelSuper
	levelWhole
	levels
)

// Scratch is the memory of one caller: it grows and is reused, so that a call
// like an earlier one allocates nothing. The zero value is ready.
type Scratch struct {
	scores              []float32         // queries × BlockLen: scores, then weights
	block, super, whole []part            // one for each query
	out                 [levels][]float32 // queries × DV: the values of the parts
	dv                  int
}

// begin makes room for n queries.
func (s *Scratch) begin(n, dv int) {
	s.dv = dv
	s.scores = grow(s.scores, n*BlockLen)
	s.block, s.super, s.whole = grow(s.block, n), grow(s.super, n), grow(s.whole, n)
	for i := range s.out {
		s.out[i] = grow(s.out[i], n*dv)
	}
}

// vector is the values of query i at a level.
func (s *Scratch) vector(level, i int) []float32 { return s.out[level][i*s.dv : (i+1)*s.dv] }

// closeSuper folds a finished super-block into the queries that see it.
func (k *Kernels) closeSuper(qs queries, super int, s *Scratch) {
	for i, n := range qs.lens {
		switch {
		case n <= super*SuperLen:
		case super == 0:
			s.whole[i] = s.super[i]
			copy(s.vector(levelWhole, i), s.vector(levelSuper, i))
		default:
			k.fold(&s.whole[i], s.vector(levelWhole, i), s.super[i], s.vector(levelSuper, i))
		}
	}
}

// sink folds a part that has a weight of one and no values into query i.
func (k *Kernels) sink(logit float32, i int, s *Scratch) {
	none := s.vector(levelBlock, i)
	clear(none)
	k.fold(&s.whole[i], s.vector(levelWhole, i), part{logit, 1}, none)
}

// fold adds a later part, with its values o, to acc and its values.
func (k *Kernels) fold(acc *part, values []float32, p part, o []float32) {
	m := max(acc.m, p.m)
	a, b := vec.Exp32(acc.m-m), vec.Exp32(p.m-m)
	acc.l = float32(acc.l*a) + float32(p.l*b)
	k.vec.Blend(values, o, a, b)
	acc.m = m
}

// grow returns s with length n, keeping its memory when it is large enough.
// The content is unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
