// Package nvme is the rung of local files, read in place: ranges of a GGUF
// file, past the page cache when the model does not fit memory, through it
// when it does.
package nvme

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/vfs"
)

// Rung reads open files.
type Rung struct {
	files map[string]vfs.File
	align int
}

// Open opens the objects, whose names are paths on fsys. With direct, reads go
// past the page cache; the error is a *vfs.DirectError when the file system
// refuses that, and the caller opens without.
func Open(fsys vfs.FS, objects []base.Object, direct bool) (*Rung, error) {
	r := &Rung{files: map[string]vfs.File{}, align: 1}
	for _, obj := range objects {
		if err := r.open(fsys, obj, direct); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

func (r *Rung) open(fsys vfs.FS, obj base.Object, direct bool) error {
	if !direct {
		f, err := fsys.Open(obj.Name)
		if err == nil {
			r.files[obj.Name] = f
		}
		return err
	}
	f, err := vfs.OpenDirect(fsys, obj.Name)
	if err == nil {
		r.files[obj.Name] = f
		r.align = max(r.align, f.Align())
	}
	return err
}

// Name implements rung.Rung.
func (*Rung) Name() string { return "nvme" }

// Align implements rung.Rung.
func (r *Rung) Align() int { return r.align }

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, ok := r.files[obj.Name]
	if !ok {
		return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: fs.ErrNotExist}
	}
	want := int(min(int64(len(p)), obj.Size-off))
	// A read may return less than was asked for, and only the end of the file
	// excuses it.
	for got := 0; got < want; {
		n, err := f.ReadAt(p[got:], off+int64(got))
		got += n
		if got >= want {
			break
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file was cut after it was opened
		}
		if err != nil {
			return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: err}
		}
		if n == 0 || got%r.align != 0 {
			return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: io.ErrNoProgress}
		}
	}
	return nil
}

// Close implements rung.Rung.
func (r *Rung) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files = nil
	return errors.Join(errs...)
}
