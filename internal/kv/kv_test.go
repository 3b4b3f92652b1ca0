package kv_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/kv"
)

// shapes are layers of different sizes: pages hold all of them.
var shapes = []kv.Shape{{Heads: 2, DK: 4, DV: 6}, {Heads: 1, DK: 3, DV: 5}}

// heap counts the pages that a pool takes and gives back.
type heap struct {
	alive int
	fail  error
}

func (h *heap) alloc(n int) ([]byte, error) {
	if h.fail != nil {
		return nil, h.fail
	}
	h.alive++
	return make([]byte, n), nil
}

func (h *heap) free([]byte) error { h.alive--; return nil }

// position fills a position's keys and values of a layer with values that tell
// it from all others. They are small integers: every type stores them exactly.
func position(layer, pos, version int) (k, v []float32) {
	s := shapes[layer]
	k, v = make([]float32, s.Heads*s.DK), make([]float32, s.Heads*s.DV)
	for i := range k {
		k[i] = float32((pos*7+layer*31+version*53+i)%256 - 128)
	}
	for i := range v {
		v[i] = float32((pos*11+layer*17+version*29+i)%256 - 128)
	}
	return k, v
}

func put(s *kv.Sequence, pos, version int) {
	for layer := range shapes {
		k, v := position(layer, pos, version)
		s.Append(layer, pos, k, v)
	}
}

// requirePosition holds what the views show of a position to what was appended.
func requirePosition(t *testing.T, s *kv.Sequence, pos, version int) {
	t.Helper()
	at := pos % attn.BlockLen
	for layer, shape := range shapes {
		k, v := position(layer, pos, version)
		for head := range shape.Heads {
			view := s.View(layer, head)
			if view.DK != shape.DK || view.DV != shape.DV {
				t.Fatalf("layer %d: a view of %d and %d values, want %v", layer, view.DK, view.DV, shape)
			}
			b := view.Blocks[pos/attn.BlockLen]
			for i := range shape.DK { // keys are transposed
				same(t, k[head*shape.DK+i], load(view.Elem, b.K, i*attn.BlockLen+at), layer, head, pos)
			}
			for i := range shape.DV {
				same(t, v[head*shape.DV+i], load(view.Elem, b.V, at*shape.DV+i), layer, head, pos)
			}
		}
	}
}

// same compares without require, which would take most of a fuzzer's time.
func same(t *testing.T, want, got float32, layer, head, pos int) {
	t.Helper()
	if want != got {
		t.Fatalf("layer %d, head %d, position %d: %v, want %v", layer, head, pos, got, want)
	}
}

func TestLayout(t *testing.T) {
	for elem, bytes := range map[attn.Elem]int{attn.F32: 4, attn.F16: 2, attn.BF16: 2} {
		l := kv.NewLayout(elem, shapes)
		require.Equal(t, elem, l.Elem())
		require.Equal(t, 128*bytes*(2*(4+6)+1*(3+5)), l.PageBytes())
	}
	for n, want := range map[int]int{0: 0, 1: 1, 127: 1, 128: 1, 129: 2, 256: 2, 257: 3} {
		require.Equal(t, want, kv.Pages(n), "%d positions", n)
	}
}

// TestSequence appends across pages, in every element type, and reads all back.
func TestSequence(t *testing.T) {
	for _, elem := range []attn.Elem{attn.F32, attn.F16, attn.BF16} {
		h := &heap{}
		pool := kv.NewPool(kv.NewLayout(elem, shapes), 3, h.alloc)
		require.Equal(t, 3*128, pool.Positions())
		s := pool.NewSequence()
		require.Zero(t, h.alive, "memory is taken when it is needed")
		require.NoError(t, s.Reserve(300))
		require.Equal(t, 3, h.alive)
		require.Zero(t, s.Len(), "reserved is not there yet")
		for pos := range 300 {
			put(s, pos, 0)
		}
		s.Advance(300)
		require.Equal(t, 300, s.Len())
		require.Len(t, s.View(0, 1).Blocks, 3)
		for pos := range 300 {
			requirePosition(t, s, pos, 0)
		}
		s.Close()
		require.Zero(t, s.Len())
		require.Equal(t, 3, h.alive, "pages wait in the pool")
		require.NoError(t, pool.Close(h.free))
		require.Zero(t, h.alive)
	}
}

// TestTruncate cuts inside a page, at its edges and to nothing; what stays is as
// it was, and the pages behind it serve another sequence.
func TestTruncate(t *testing.T) {
	h := &heap{}
	pool := kv.NewPool(kv.NewLayout(attn.F16, shapes), 3, h.alloc)
	s, other := pool.NewSequence(), pool.NewSequence()
	for _, cut := range []int{299, 257, 256, 255, 129, 128, 127, 1, 0} {
		require.NoError(t, s.Reserve(300))
		for pos := range 300 {
			put(s, pos, cut)
		}
		s.Advance(300)
		s.Truncate(cut)
		require.Equal(t, cut, s.Len())
		require.Len(t, s.View(1, 0).Blocks, kv.Pages(cut))
		room := (3 - kv.Pages(cut)) * 128
		require.NoError(t, other.Reserve(room))
		for pos := range room {
			put(other, pos, 1)
		}
		for pos := range cut {
			requirePosition(t, s, pos, cut)
		}
		other.Close()
		require.Equal(t, 3, h.alive)
	}
	s.Truncate(5) // longer than it is: nothing to forget
	require.Zero(t, s.Len())
	s.Close()
	s.Close() // again does nothing
	require.NoError(t, pool.Close(h.free))
	require.Zero(t, h.alive)
}

// TestFull holds that a pool refuses by its numbers, keeps what was reserved,
// and serves again once something is given back.
func TestFull(t *testing.T) {
	h := &heap{}
	pool := kv.NewPool(kv.NewLayout(attn.F16, shapes), 2, h.alloc)
	a, b := pool.NewSequence(), pool.NewSequence()
	require.NoError(t, a.Reserve(128))
	put(a, 127, 3)
	require.NoError(t, b.Reserve(1))
	var full *kv.FullError
	require.ErrorAs(t, a.Reserve(129), &full)
	require.Equal(t, kv.FullError{Need: 129, Have: 256}, *full)
	require.EqualError(t, full, "the context is full: 129 positions needed, room for 256; raise --context or --memory")
	requirePosition(t, a, 127, 3)
	b.Close()
	require.NoError(t, a.Reserve(129))
	requirePosition(t, a, 127, 3)
}

// TestNoMemory passes on the system's refusal; the page counts for nothing.
func TestNoMemory(t *testing.T) {
	h := &heap{fail: errors.New("no memory")}
	pool := kv.NewPool(kv.NewLayout(attn.F16, shapes), 1, h.alloc)
	s := pool.NewSequence()
	require.ErrorIs(t, s.Reserve(1), h.fail)
	h.fail = nil
	require.NoError(t, s.Reserve(1))
	put(s, 0, 0)
	requirePosition(t, s, 0, 0)
}
