// Package kv holds the keys and values of sequences: pages of 128 positions,
// taken from a pool of fixed size, so that the memory of a context is known
// before its first token. It stands on the token's road, between the model's
// blocks that append to it and the attention kernel that reads it.
package kv

import (
	"fmt"
	"unsafe"

	"github.com/lite-llm/lite/internal/kernel/attn"
)

// Shape is what one layer stores per position: Heads vectors of DK key values
// and as many of DV values.
type Shape struct {
	Heads, DK, DV int
}

// Layout says where the blocks of every layer and head stand in a page. A page
// holds one block, attn.BlockLen positions at absolute positions, of all
// layers and heads.
type Layout struct {
	elem   attn.Elem
	shapes []Shape
	first  []int // offset of each layer's first block
	page   int   // bytes of a page
}

// NewLayout returns the layout of a model whose layer i stores shapes[i].
func NewLayout(elem attn.Elem, shapes []Shape) *Layout {
	l := &Layout{elem: elem, shapes: shapes, first: make([]int, len(shapes))}
	for i, s := range shapes {
		l.first[i] = l.page
		l.page += s.Heads * (attn.KeyBytes(elem, s.DK) + attn.ValueBytes(elem, s.DV))
	}
	return l
}

// Elem is the type in which values are stored.
func (l *Layout) Elem() attn.Elem { return l.elem }

// PageBytes is the size of a page: attn.BlockLen positions of all layers.
func (l *Layout) PageBytes() int { return l.page }

// PageMemory is what a page takes of the process: its bytes, in whole pages of
// the system, and its places in a sequence's lists of blocks, which are copied
// when they grow.
func (l *Layout) PageMemory(systemPage int) int64 {
	heads := 0
	for _, s := range l.shapes {
		heads += s.Heads
	}
	page := (l.page + systemPage - 1) / systemPage * systemPage
	return int64(page) + 2*int64(heads)*int64(unsafe.Sizeof(attn.Block{}))
}

// Pages is the number of pages that n positions take.
func Pages(n int) int { return (n + attn.BlockLen - 1) / attn.BlockLen }

// block returns the keys and values of one layer and head in a page.
func (l *Layout) block(page []byte, layer, head int) attn.Block {
	s := l.shapes[layer]
	kb, vb := attn.KeyBytes(l.elem, s.DK), attn.ValueBytes(l.elem, s.DV)
	at := l.first[layer] + head*(kb+vb)
	return attn.Block{K: page[at : at+kb : at+kb], V: page[at+kb : at+kb+vb : at+kb+vb]}
}

// FullError says that a sequence needs more positions than the pool has room
// for.
type FullError struct {
	Need, Have int // positions
}

// Error implements error.
func (e *FullError) Error() string {
	return fmt.Sprintf("the context is full: %d positions needed, room for %d; raise --context or --memory", e.Need, e.Have)
}
