// Package dram is the rung of bytes that are in memory already, such as an
// embedded model. It is where the parameter's road is shortest: leases point
// straight into its bytes.
package dram

import (
	"context"
	"io/fs"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
)

// Rung holds objects by name.
type Rung struct {
	objects map[string][]byte
	closed  atomic.Bool
}

// New returns a rung of these objects. Their bytes, and the map, must not
// change.
func New(objects map[string][]byte) *Rung { return &Rung{objects: objects} }

// Name implements rung.Rung.
func (*Rung) Name() string { return "dram" }

// Align implements rung.Rung.
func (*Rung) Align() int { return 1 }

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := rung.Span(obj, off, len(p))
	if err != nil {
		return err
	}
	src, err := r.View(base.Range{Object: obj, Off: off, Len: int64(n)})
	copy(p, src)
	return err
}

// View implements rung.Viewer.
func (r *Rung) View(at base.Range) ([]byte, error) {
	all, ok := r.objects[at.Object.Name]
	var err error
	switch {
	case r.closed.Load():
		err = fs.ErrClosed
	case !ok:
		err = fs.ErrNotExist
	case int64(len(all)) != at.Object.Size:
		err = rung.ErrChanged
	case at.Off < 0 || at.Len < 0 || at.Off > int64(len(all))-at.Len:
		err = rung.ErrOutside
	default:
		return all[at.Off : at.Off+at.Len : at.Off+at.Len], nil
	}
	return nil, &rung.ReadError{Object: at.Object, Off: at.Off, Len: int(at.Len), Err: err}
}

// Close implements rung.Rung. The bytes stay where they are.
func (r *Rung) Close() error {
	r.closed.Store(true)
	return nil
}
