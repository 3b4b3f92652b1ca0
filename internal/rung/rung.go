// Package rung is the seam to places where immutable bytes are: memory, disks,
// object stores. It stands on the parameter's road between the files and the
// store of experts.
package rung

import (
	"context"
	"fmt"

	"github.com/lite-llm/lite/internal/base"
)

// Rung is a place that holds immutable bytes. It knows no other rungs and does
// not retry. Its methods may be called by several goroutines at once.
type Rung interface {
	// Name is the rung's word in statistics: "dram", "nvme".
	Name() string
	// Align is what offsets, lengths and addresses of reads must be multiples
	// of; 1 when they are free.
	Align() int
	// ReadAt fills p with the bytes of obj from off on; bytes of p past the
	// object's end are left as they are. p is as full as the object allows
	// exactly when the error is nil; otherwise it is a *ReadError, or ctx's.
	// p is borrowed until ReadAt returns.
	ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error
	// Close gives back files and memory. No read is in flight.
	Close() error
}

// Viewer is a rung whose bytes are in memory already: they can be used where
// they are.
type Viewer interface {
	// View returns the bytes of a range, valid until the rung is closed.
	View(r base.Range) ([]byte, error)
}

// ReadError says that bytes could not be read. What is behind it can be asked
// with errors.Is, such as io.ErrUnexpectedEOF for a file that was cut.
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
