package expert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
)

// disk is a rung that computes the bytes it holds, so that a test knows what
// every part must be, and that can fail or hold back reads.
type disk struct {
	align  int
	fail   func(n int64) error
	before func(obj base.Object, off int64, n int) // called by the reader, may block
	reads  atomic.Int64
}

func (*disk) Name() string { return "disk" }
func (d *disk) Align() int { return max(1, d.align) }
func (*disk) Close() error { return nil }

// contents is the byte of an object at an offset.
func contents(obj base.Object, off int64) byte {
	return byte(off*7 + off>>8 + int64(len(obj.Name)))
}

func (d *disk) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	n := d.reads.Add(1)
	if d.before != nil {
		d.before(obj, off, len(p))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.fail != nil {
		if err := d.fail(n); err != nil {
			return err
		}
	}
	for i := range p {
		p[i] = contents(obj, off+int64(i))
	}
	return nil
}

// object holds the experts of the tests.
var object = base.Object{Name: "model", Size: 30_000_000}

// testLayout has 3 layers of 8 small and 4 large experts, at odd offsets. Layer 1 is
// dense.
func testLayout() Layout {
	l := make(Layout, 4)
	for layer := range l {
		if layer == 1 {
			continue
		}
		base0 := int64(layer)*7_000_000 + 33
		pool := func(first, count, size, off int64) Pool {
			p := Pool{First: first, Count: count}
			for i := range int64(3) {
				p.Parts = append(p.Parts, base.Range{Object: object, Off: base0 + off + i*1_000_000, Len: size * count})
				p.Sizes = append(p.Sizes, size)
			}
			return p
		}
		l[layer].Pools = []Pool{pool(0, 8, 5000, 0), pool(8, 4, 9001, 4_000_000)}
	}
	return l
}

// layersWithExperts are those of testLayout.
var layersWithExperts = []int32{0, 2, 3}

// open opens a cache that the test's end closes, and holds that it leaves
// nothing behind.
func open(t *testing.T, opt Options) *Cache {
	t.Helper()
	before := memory.InUse()
	c, err := New(opt)
	require.NoError(t, err)
	c.mu.Lock()
	c.piece = 4096 // the experts of the tests are small
	c.mu.Unlock()
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		require.Equal(t, before, memory.InUse(), "memory is lost")
	})
	return c
}

// mistake compares a lease's bytes with those of the disk.
func mistake(l Layout, lease Lease) error {
	for i := range l.pool(lease.ID()).Parts {
		r := l.Range(lease.ID(), i)
		part := lease.Part(i)
		if len(part) != int(r.Len) || cap(part) != len(part) {
			return fmt.Errorf("%v part %d has %d bytes and room for %d, not %d", lease.ID(), i, len(part), cap(part), r.Len)
		}
		for k := 0; k < len(part); k += max(1, len(part)/50) {
			if want := contents(r.Object, r.Off+int64(k)); part[k] != want {
				return fmt.Errorf("%v part %d byte %d is %d, not %d", lease.ID(), i, k, part[k], want)
			}
		}
	}
	return nil
}

// drain runs a batch to its end and returns what it yielded.
func drain(t testing.TB, c *Cache, ids []ID) (map[ID]bool, error) {
	t.Helper()
	b := c.Acquire(ids)
	defer b.Close()
	got := map[ID]bool{}
	for {
		lease, err := b.Next(context.Background())
		if errors.Is(err, io.EOF) {
			require.Len(t, got, len(ids))
			return got, nil
		}
		if err != nil {
			return got, err
		}
		require.False(t, got[lease.ID()], "%v twice", lease.ID())
		require.Contains(t, ids, lease.ID())
		got[lease.ID()] = true
		require.NoError(t, mistake(c.layout, lease))
		lease.Release()
	}
}

// draw picks n experts of a layer of testLayout.
func draw(r *rand.Rand, n int) (ids []ID) {
	layer := layersWithExperts[r.IntN(len(layersWithExperts))]
	for _, i := range r.Perm(12)[:n] {
		ids = append(ids, ID{layer, 0, int64(i)})
	}
	return ids
}

// verify holds a cache's state to what must be true whenever its lock is free.
func verify(t testing.TB, c *Cache) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	used, resident, count, reading := int64(0), int64(0), 0, 0
	guesses, guessed := 0, int64(0)
	for id, e := range c.mu.entries {
		require.Equal(t, id, e.id)
		require.GreaterOrEqual(t, e.pins, 0)
		used += int64(len(e.slot))
		if e.slot != nil {
			count++
		}
		require.Equal(t, e.guess, slices.Contains(c.mu.guesses, e))
		if e.guess {
			guesses++
			guessed += int64(len(e.slot))
			require.Zero(t, e.pins)
			require.NotNil(t, e.slot)
			require.True(t, !e.idle() || e.left == 0 || c.hinting(id), "%v is in part there, and no hint names it", id)
		} else {
			require.Empty(t, e.rest)
		}
		switch {
		case e.guess && e.left > 0:
		case e.left > 0:
			reading++
		case e.slot != nil:
			resident += int64(len(e.slot))
			require.Len(t, e.parts, len(e.pool.Parts))
		}
	}
	for _, class := range c.mu.slots.spare {
		for _, slot := range class.free {
			require.Len(t, slot, int(class.size))
			used += class.size
			count++
		}
	}
	require.Equal(t, c.mu.slots.used, used)
	require.Equal(t, c.mu.slots.count, count)
	require.LessOrEqual(t, used, c.budget)
	require.Equal(t, resident, c.resident.Load())
	require.Equal(t, c.mu.reading, reading)
	require.Len(t, c.mu.guesses, guesses)
	require.LessOrEqual(t, guesses, c.guesses)
	require.Equal(t, c.mu.guessed, guessed)
	require.Equal(t, c.begun.Load(), c.right.Load()+c.wrong.Load()+uint64(guesses))
}
