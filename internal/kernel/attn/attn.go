// Package attn computes attention over blocks of keys and values. It stands
// on the token's road, between the KV cache, whose block layout it defines,
// and the blocks of a model.
//
// The order of additions is that of docs/format/numerics-attention.md: a score
// is one chain over the head dimension; keys are folded in blocks of 128 at
// absolute positions, blocks inside super-blocks of 4,096, super-blocks from
// left to right. The result of a query depends on its own positions only,
// whatever prompt chunk, batch or prefix it came with.
package attn

import (
	"fmt"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/vec"
)

//go:generate go -C _asm run . -out ../attn_amd64.s -stubs ../stubs_amd64.go -pkg attn

// Lengths of the fold, in positions.
const (
	BlockLen = 128
	SuperLen = 4096

	superBlocks = SuperLen / BlockLen
)

// Block is one block of a KV head: K holds the keys transposed, [DK][BlockLen],
// so that lanes of a score are keys; V the values, [BlockLen][DV], so that
// lanes of an output are head dimensions. Positions that no query sees yet may
// hold anything.
type Block struct{ K, V []byte }

// KeyValues is what a query sees of one KV head: its blocks in order of
// position.
type KeyValues struct {
	Elem   Elem
	DK, DV int
	Blocks []Block
}

// Kernels computes with one implementation. Its methods can be called
// concurrently, with a Scratch for each caller.
type Kernels struct {
	impl kernel.Impl
	vec  *vec.Kernels
}

var all = [...]Kernels{
	kernel.Reference: {kernel.Reference, vec.For(kernel.Reference)},
	kernel.AVX2:      {kernel.AVX2, vec.For(kernel.AVX2)},
}

// For returns the kernels of an implementation.
func For(impl kernel.Impl) *Kernels { return &all[impl] }

// Attend writes the attention output of n queries of one KV head (Vaswani et
// al., 2017): query i is q[i*ldq:][:DK], sees positions [0, lens[i]) and writes
// out[i*ldo:][:DV]. Every lens[i] is at least one. A NaN or an infinity among
// the scores of a query makes its output NaN, and no other's.
//
// Queries that are called together share the work of widening the keys and
// values: the heads of a group, and rows of one sequence next to each other.
func (k *Kernels) Attend(out []float32, ldo int, q []float32, ldq, n int, kv KeyValues, lens []int, scale float32, s *Scratch) {
	k.AttendSinks(out, ldo, q, ldq, n, kv, lens, nil, scale, s)
}

// AttendSinks is Attend with a sink (Xiao et al., 2023) of logit sinks[i] for
// query i: a last part of the fold that has weight and no value. Nil sinks are
// none.
func (k *Kernels) AttendSinks(
	out []float32, ldo int, q []float32, ldq, n int, kv KeyValues, lens []int, sinks []float32, scale float32, s *Scratch,
) {
	qs := queries{q, ldq, lens[:n], scale}
	blocks := qs.blocks()
	s.begin(n, kv.DV)
	for b := range blocks {
		k.block(qs, kv, b, s)
		if b+1 == blocks || (b+1)%superBlocks == 0 {
			k.closeSuper(qs, b/superBlocks, s)
		}
	}
	for i := range n {
		if sinks != nil {
			k.sink(sinks[i], i, s)
		}
		k.vec.Div(out[i*ldo:][:kv.DV], s.vector(levelWhole, i), s.whole[i].l)
	}
}

// queries are the arguments of a call that do not change with the block.
type queries struct {
	q     []float32
	ld    int
	lens  []int
	scale float32
}

// blocks is the number of blocks that the longest query reads.
func (qs queries) blocks() int {
	longest := 0
	for i, n := range qs.lens {
		if n < 1 {
			panic(fmt.Sprintf("attn: query %d sees %d positions: want at least its own", i, n))
		}
		longest = max(longest, n)
	}
	return (longest + BlockLen - 1) / BlockLen
}

// seen is how many keys of block b query i sees, at most BlockLen; it is not
// positive when the query ends before the block.
func (qs queries) seen(i, b int) int { return min(BlockLen, qs.lens[i]-b*BlockLen) }

// rows is the range of queries that see a part of block b, with the fewest
// and the most keys that one of them sees. Queries in it may see none, but a
// prompt's rows come in order, so that there is none of these as a rule.
func (qs queries) rows(b int) (lo, hi, fewest, most int) {
	lo, fewest = len(qs.lens), BlockLen
	for i := range qs.lens {
		if n := qs.seen(i, b); n > 0 {
			lo, hi, most = min(lo, i), i+1, max(most, n)
		}
	}
	for i := lo; i < hi; i++ {
		fewest = min(fewest, max(0, qs.seen(i, b)))
	}
	return lo, hi, fewest, most
}
