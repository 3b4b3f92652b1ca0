// Package rung is the seam to places where immutable bytes are: memory, disks,
// object stores. It stands on the parameter's road between the files and the
// store of experts.
package rung

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lite-llm/lite/internal/base"
)

// Rung is a place that holds immutable bytes. It knows no other rungs and does
// not retry. Its methods may be called by several goroutines at once.
type Rung interface {
	// Name is the rung's word in statistics: "dram", "nvme".
	Name() string
	// Align is what offsets, lengths and addresses of reads must be multiples
	// of, a power of two; 1 when they are free.
	Align() int
	// ReadAt fills p with the bytes of obj from off on. Where p reaches past
	// the object's end, as an aligned read may, the rest of p is undefined (the
	// kernel fills whole sectors); a read that begins outside the object is an
	// error. p is as full as the object allows exactly when the error is nil;
	// otherwise it is a *ReadError, or ctx's, and all of p is undefined. ReadAt
	// may block, and looks at ctx before it does. p is borrowed until it returns.
	ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error
	// Close gives back files and memory. No read is in flight. Reads after it
	// fail with fs.ErrClosed.
	Close() error
}

// Viewer is a rung whose bytes are in memory already: they can be used where
// they are.
type Viewer interface {
	// View returns the bytes of a range, valid until the rung is closed. The
	// caller must not write to them. The error is a *ReadError.
	View(r base.Range) ([]byte, error)
}

// Whole is a rung that is best asked for whole experts: a part of one costs as
// much, because all of it must be seen to know that it is right.
type Whole interface {
	// Whole says that reads should not be cut into pieces.
	Whole() bool
}

// Counter is a rung that counts what it was asked for.
type Counter interface {
	// Counts returns the counts so far. Any goroutine may call it.
	Counts() Counts
}

// Counts is what a rung has read since it was opened.
type Counts struct {
	Reads  uint64 // those that succeeded
	Bytes  int64  // of them, padding of aligned reads included
	Failed uint64 // reads that gave an error, cancelled ones apart
}

var (
	// ErrOutside is the cause of a ReadError whose range does not begin in its
	// object: a mistake of the caller, or of the file that named the range.
	ErrOutside = errors.New("the range is outside of the object")
	// ErrChanged is the cause of a ReadError when an object is not as long as
	// the description of the model says: it was written to since that was read.
	ErrChanged = errors.New("the file has changed since the model was opened; open it again")
)

// ReadError says that bytes could not be read. What is behind it can be asked
// with errors.Is: ErrOutside, ErrChanged, fs.ErrNotExist for an object that the
// rung does not hold, or the system's own error.
type ReadError struct {
	Object base.Object
	Off    int64
	Len    int
	Err    error
}

// Error implements error.
func (e *ReadError) Error() string {
	return fmt.Sprintf("reading %d bytes at %d of %s: %v", e.Len, e.Off, e.Object.Name, e.Err)
}

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// LineSize is what bytes begin at multiples of in memory when reads need no
// alignment.
const LineSize = 64

// Superset is the most memory that the aligned superset of n bytes takes,
// wherever they begin.
func Superset(n int64, align int) int64 {
	unit, lead := int64(align), int64(align)
	if align == 1 {
		unit, lead = LineSize, 0
	}
	return (n+unit-1)/unit*unit + lead
}

// Span is how many of the n bytes from off on the object has. The error is a
// *ReadError of ErrOutside when the read begins outside of it.
func Span(obj base.Object, off int64, n int) (int, error) {
	if off < 0 || off > obj.Size || off == obj.Size && n > 0 {
		return 0, &ReadError{Object: obj, Off: off, Len: n, Err: ErrOutside}
	}
	return int(min(int64(n), obj.Size-off, math.MaxInt)), nil
}
