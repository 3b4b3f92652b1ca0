// Package attn computes attention over blocks of keys and values. It stands
// on the token's road, between the KV cache, whose block layout it defines,
// and the blocks of a model.
//
// The order of additions is docs/format/numerics.md, rule 7: a score is one
// chain over the head dimension; keys are folded in blocks of 128 at absolute
// positions, blocks inside super-blocks of 4,096, super-blocks from left to
// right. The result of a query depends on its own positions only, whatever
// prompt chunk, batch or prefix it came with.
package attn

import (
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

// Lengths of the fold, in positions.
const (
	BlockLen = 128
	SuperLen = 4096
)

// Block is one block of a KV head: K holds the keys transposed, [DK][BlockLen],
// so that lanes of a score are keys; V the values, [BlockLen][DV], so that
// lanes of an output are head dimensions.
type Block struct{ K, V []byte }

// KeyValues is what a query sees of one KV head: its blocks in order of
// position.
type KeyValues struct {
	Elem   Elem
	DK, DV int
	Blocks []Block
}

// Scratch is the memory of one worker; it grows and is reused.
type Scratch struct {
	scores []float32 // queries × BlockLen
	wide   []float32 // a block of keys or values as float32
	states []state   // two per query: the super-block's and the whole
	out    []float32 // block, super-block and whole outputs: 3 × queries × DV
}

// state is the running maximum and sum of a fold; empty until the first block.
type state struct {
	m, l  float32
	begun bool
	block partial // of the block at work
}

// partial is the maximum score of a block and the sum of exp(score - m).
type partial struct{ m, l float32 }

// Kernels computes with one implementation.
type Kernels struct{ impl kernel.Impl }

var all = [...]Kernels{kernel.Reference: {kernel.Reference}, kernel.AVX2: {kernel.AVX2}}

// For returns the kernels of an implementation.
func For(impl kernel.Impl) *Kernels { return &all[impl] }

// Attend writes the attention output of n queries of one KV head: query i is
// q[i*ldq:][:DK], sees positions [0, lens[i]) and writes out[i*ldo:][:DV].
// Every lens[i] is at least one.
func (k *Kernels) Attend(out []float32, ldo int, q []float32, ldq, n int, kv KeyValues, lens []int, scale float32, s *Scratch) {
	s.begin(n, kv.DV)
	longest := 0
	for _, l := range lens[:n] {
		longest = max(longest, l)
	}
	for b := 0; b*BlockLen < longest; b++ {
		if b > 0 && b%(SuperLen/BlockLen) == 0 {
			s.closeSuper(n, kv.DV)
		}
		k.block(q, ldq, n, kv, b, lens, scale, s)
	}
	s.closeSuper(n, kv.DV)
	for i := range n {
		whole, l := s.vector(2, n, i, kv.DV), s.states[n+i].l
		for j, v := range whole {
			out[i*ldo+j] = v / l
		}
	}
}

// begin empties the folds of n queries.
func (s *Scratch) begin(n, dv int) {
	s.scores = grow(s.scores, n*BlockLen)
	s.states = grow(s.states, 2*n)
	s.out = grow(s.out, 3*n*dv)
	clear(s.states)
}

// vector is the output of query i at a level: 0 block, 1 super-block, 2 whole.
func (s *Scratch) vector(level, n, i, dv int) []float32 {
	return s.out[(level*n+i)*dv : (level*n+i+1)*dv]
}

// closeSuper folds the super-blocks' states into the whole ones.
func (s *Scratch) closeSuper(n, dv int) {
	for i := range n {
		if super := &s.states[i]; super.begun {
			fold(&s.states[n+i], s.vector(2, n, i, dv), super.m, super.l, s.vector(1, n, i, dv))
			super.begun = false
		}
	}
}

// block folds block b into every query that sees a part of it.
func (k *Kernels) block(q []float32, ldq, n int, kv KeyValues, b int, lens []int, scale float32, s *Scratch) {
	blk := kv.Blocks[b]
	keys := 0
	for _, l := range lens[:n] {
		keys = max(keys, min(BlockLen, l-b*BlockLen))
	}
	k.scores(q, ldq, n, kv, blk, keys, scale, s)
	for i := range n {
		seen := min(BlockLen, lens[i]-b*BlockLen)
		if seen <= 0 {
			continue
		}
		p := s.scores[i*BlockLen : i*BlockLen+seen]
		m := maximum(p)
		for j := range p {
			p[j] -= m
		}
		vec.For(k.impl).Exp(p, p)
		var l float32
		for _, v := range p {
			l += v
		}
		s.states[i].block = partial{m, l}
	}
	k.values(n, kv, blk, b, lens, s)
	for i := range n {
		if lens[i] > b*BlockLen {
			part := s.states[i].block
			fold(&s.states[i], s.vector(1, n, i, kv.DV), part.m, part.l, s.vector(0, n, i, kv.DV))
		}
	}
}

// fold adds a later part (m, l, o) to a state and its output vector. The
// first part is taken as it is.
func fold(st *state, acc []float32, m, l float32, o []float32) {
	if !st.begun {
		st.m, st.l, st.begun = m, l, true
		copy(acc, o)
		return
	}
	top := max(st.m, m)
	a, b := vec.Exp32(st.m-top), vec.Exp32(m-top)
	st.l = float32(st.l*a) + float32(l*b)
	for j, v := range o {
		acc[j] = float32(acc[j]*a) + float32(v*b)
	}
	st.m = top
}

// maximum is the largest of x, exact in any order.
func maximum(x []float32) float32 {
	m := x[0]
	for _, v := range x[1:] {
		if v > m {
			m = v
		}
	}
	return m
}

// grow returns s with length n, keeping its memory when it is large enough.
// The content is unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
