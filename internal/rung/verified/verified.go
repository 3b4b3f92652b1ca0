// Package verified is a rung that checks what another one gives before anybody
// uses it: the bytes of an expert against the hashes of its pack. On the
// parameter's road it stands where bytes enter memory from a place that is not
// trusted, such as a bucket.
//
// The check costs what hashing costs, some 0.5 ms for each MB on one core, by the
// goroutine that reads.
package verified

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/vfs"
)

// Checker holds bytes against what they should be. Where p ends inside of what
// has one hash, it asks read for the whole and gives p its part of that. pack.Pack
// is one.
type Checker interface {
	Check(obj base.Object, p []byte, off int64, read func(p []byte, off int64) error) error
}

// Rung checks what inner reads. It has no views, even where inner has: what is in
// memory must be checked too.
type Rung struct {
	inner rung.Rung
	check Checker
	wrong atomic.Uint64 // reads of bytes that were not right
}

// New returns a rung that hands on what inner reads and check finds right. It
// owns inner.
func New(inner rung.Rung, check Checker) *Rung { return &Rung{inner: inner, check: check} }

// Name implements rung.Rung.
func (r *Rung) Name() string { return r.inner.Name() }

// Align implements rung.Rung.
func (r *Rung) Align() int { return r.inner.Align() }

// Whole implements rung.Whole.
func (*Rung) Whole() bool { return true }

// Counts implements rung.Counter. What was read to check is counted too.
func (r *Rung) Counts() (n rung.Counts) {
	if c, ok := r.inner.(rung.Counter); ok {
		n = c.Counts()
	}
	n.Failed += r.wrong.Load()
	return n
}

// ReadAt implements rung.Rung. The cause of its error is that of the checker where
// bytes are not the right ones, and all of p is zeroed then.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := r.inner.ReadAt(ctx, obj, p, off); err != nil {
		return err
	}
	err := r.check.Check(obj, p, off, func(p []byte, off int64) error { return r.aligned(ctx, obj, p, off) })
	if err == nil {
		return nil
	}
	clear(p)
	r.wrong.Add(1)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*rung.ReadError](err); ok { // of a read for the check
		err = e.Err
	}
	return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: err}
}

// aligned fills p by an aligned read of what is around it.
func (r *Rung) aligned(ctx context.Context, obj base.Object, p []byte, off int64) error {
	align := int64(r.inner.Align())
	lead := off & (align - 1)
	span := (lead + int64(len(p)) + align - 1) &^ (align - 1)
	buf := vfs.AlignedBuffer(int(span), int(align))
	if err := r.inner.ReadAt(ctx, obj, buf, off-lead); err != nil {
		return err
	}
	copy(p, buf[lead:])
	return nil
}

// Close implements rung.Rung.
func (r *Rung) Close() error { return r.inner.Close() }
