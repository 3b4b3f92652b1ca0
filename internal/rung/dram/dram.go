// Package dram is the rung of bytes that are in memory already, such as an
// embedded model.
package dram

import (
	"context"
	"io/fs"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
)

// Rung holds objects by name.
type Rung struct{ objects map[string][]byte }

// New returns a rung of these objects. Their bytes must not change.
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
	n := min(int64(len(p)), obj.Size-off)
	src, err := r.View(base.Range{Object: obj, Off: off, Len: n})
	if err == nil {
		copy(p, src)
	}
	return err
}

// View implements rung.Viewer.
func (r *Rung) View(at base.Range) ([]byte, error) {
	all, ok := r.objects[at.Object.Name]
	if !ok || at.Off < 0 || at.Len < 0 || at.Off > int64(len(all))-at.Len {
		return nil, &rung.ReadError{Object: at.Object, Off: at.Off, Len: int(at.Len), Err: fs.ErrNotExist}
	}
	return all[at.Off : at.Off+at.Len : at.Off+at.Len], nil
}

// Close implements rung.Rung.
func (*Rung) Close() error { return nil }
