// Package rungtest is the conformance suite of rungs: what every place on the
// parameter's road must hold.
package rungtest

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

// suite is a rung that holds data as an object.
type suite struct {
	rung rung.Rung
	obj  base.Object
	data []byte
}

// Run holds a rung to its contract. create returns a rung that holds data
// under the returned object; Run closes it.
func Run(t *testing.T, create func(t *testing.T, data []byte) (rung.Rung, base.Object)) {
	t.Helper()
	data := make([]byte, 3<<20+777) // no multiple of any alignment
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(data)
	r, obj := create(t, data)
	Hold(t, r, obj, data)
}

// Hold holds a rung to its contract that has an object of these bytes, two MiB of
// them at least, and closes it.
func Hold(t *testing.T, r rung.Rung, obj base.Object, data []byte) {
	t.Helper()
	s := &suite{r, obj, data}
	require.Equal(t, int64(len(data)), obj.Size)
	require.NotEmpty(t, r.Name())
	require.Positive(t, r.Align())
	require.Zero(t, r.Align()&(r.Align()-1), "a power of two")

	t.Run("reads ranges", s.ranges)
	t.Run("reads past the end", s.pastTheEnd)
	t.Run("reads concurrently", s.concurrent)
	t.Run("refuses what is outside", s.outside)
	t.Run("refuses other objects", s.others)
	t.Run("is cancelled", s.cancelled)
	t.Run("views", s.views)
	t.Run("counts", s.counts)
	t.Run("closes", s.closes)
}

// read reads n bytes at off and compares those that the object has.
func (s *suite) read(t *testing.T, p []byte, off int) {
	t.Helper()
	require.NoError(t, s.rung.ReadAt(context.Background(), s.obj, p, int64(off)))
	want := s.data[off:min(off+len(p), len(s.data))]
	require.True(t, bytes.Equal(want, p[:len(want)]), "%d bytes at %d", len(p), off)
}

func (s *suite) ranges(t *testing.T) {
	rnd, align := rand.New(rand.NewPCG(1, 1)), s.rung.Align()
	for range 100 {
		s.read(t, buffer(t, (1+rnd.IntN(200_000)+align-1)/align*align), rnd.IntN(len(s.data))/align*align)
	}
	s.read(t, buffer(t, (len(s.data)+align-1)/align*align), 0)
	require.NoError(t, s.rung.ReadAt(context.Background(), s.obj, nil, 0), "nothing is always there")
}

func (s *suite) pastTheEnd(t *testing.T) {
	align := s.rung.Align()
	for _, sectors := range []int{1, 2, 16} {
		s.read(t, buffer(t, sectors*max(align, 512)), (len(s.data)-1)/align*align)
	}
}

func (s *suite) concurrent(t *testing.T) {
	align := s.rung.Align()
	var wg sync.WaitGroup
	for i := range 8 {
		p := buffer(t, align*16)
		wg.Go(func() {
			for j := range 50 {
				off := (i*50 + j) * align
				err := s.rung.ReadAt(context.Background(), s.obj, p, int64(off))
				if want := s.data[off:]; err != nil || !bytes.Equal(p, want[:len(p)]) {
					t.Errorf("read at %d: %v", off, err)
				}
			}
		})
	}
	wg.Wait()
}

// fails holds that a read is refused with this cause and a whole description.
func (s *suite) fails(t *testing.T, obj base.Object, off int64, cause error) {
	t.Helper()
	p := buffer(t, max(s.rung.Align(), 8))
	err := s.rung.ReadAt(context.Background(), obj, p, off)
	var re *rung.ReadError
	require.ErrorAs(t, err, &re)
	require.Equal(t, rung.ReadError{Object: obj, Off: off, Len: len(p), Err: re.Err}, *re)
	if cause != nil {
		require.ErrorIs(t, err, cause)
	}
	require.ErrorContains(t, err, obj.Name)
}

func (s *suite) outside(t *testing.T) {
	align := int64(s.rung.Align())
	s.fails(t, s.obj, -align, rung.ErrOutside)
	s.fails(t, s.obj, (s.obj.Size+align)/align*align, rung.ErrOutside)
	s.fails(t, s.obj, 1<<62, rung.ErrOutside)
}

func (s *suite) others(t *testing.T) {
	s.fails(t, base.Object{Name: "nothing-of-that-name", Size: 1 << 20}, 0, fs.ErrNotExist)
	// The object that the caller believes in is longer than the real one.
	align := int64(s.rung.Align())
	s.fails(t, base.Object{Name: s.obj.Name, Size: s.obj.Size + 1<<20}, (s.obj.Size+align)/align*align, rung.ErrChanged)
}

func (s *suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := buffer(t, s.rung.Align())
	require.ErrorIs(t, s.rung.ReadAt(ctx, s.obj, p, 0), context.Canceled)
	s.read(t, p, 0)
}

func (s *suite) views(t *testing.T) {
	v, ok := s.rung.(rung.Viewer)
	if !ok {
		t.Skip("the rung has no views")
	}
	got, err := v.View(base.Range{Object: s.obj, Off: 5, Len: 1000})
	require.NoError(t, err)
	require.True(t, bytes.Equal(s.data[5:1005], got))
	require.Equal(t, len(got), cap(got), "an append must not write to what comes after")
	for _, r := range []base.Range{
		{Object: s.obj, Off: s.obj.Size, Len: 1},
		{Object: s.obj, Off: -1, Len: 1},
		{Object: s.obj, Off: 0, Len: -1},
		{Object: s.obj, Off: 1 << 62, Len: 1 << 62},
		{Object: base.Object{Name: "nothing-of-that-name", Size: 9}, Len: 1},
	} {
		_, err := v.View(r)
		var re *rung.ReadError
		require.ErrorAs(t, err, &re, "%+v", r)
	}
}

func (s *suite) counts(t *testing.T) {
	c, ok := s.rung.(rung.Counter)
	if !ok {
		t.Skip("the rung does not count")
	}
	before := c.Counts()
	n := max(s.rung.Align(), 100)
	s.read(t, buffer(t, n), 0)
	s.fails(t, s.obj, -int64(n), nil)
	after := c.Counts()
	require.Equal(t, rung.Counts{Reads: before.Reads + 1, Bytes: before.Bytes + int64(n), Failed: before.Failed + 1}, after)
}

func (s *suite) closes(t *testing.T) {
	require.NoError(t, s.rung.Close())
	s.fails(t, s.obj, 0, fs.ErrClosed)
}

// buffer returns memory that suits every alignment.
func buffer(t *testing.T, n int) []byte {
	t.Helper()
	b, err := memory.Alloc(n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, memory.Free(b)) })
	return b
}
