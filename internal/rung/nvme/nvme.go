// Package nvme is the rung of local files, read in place: ranges of a GGUF
// file, past the page cache when the model does not fit memory, through it
// when it does. On the parameter's road it is the last one before memory.
//
// It starts no goroutines. A read blocks the one that asks, and as many are in
// flight as there are askers: the store of experts has a pool of them, whose
// size is the depth of the disk's queue.
package nvme

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/vfs"
)

// Rung reads open files.
type Rung struct {
	files  map[string]vfs.File
	align  int
	closed atomic.Bool

	reads, failed atomic.Uint64
	bytes         atomic.Int64
}

// Open opens the objects, whose names are paths on fsys. With direct, reads go
// past the page cache; the error is a *vfs.DirectError when the file system
// refuses that, and the caller opens without. A file that is not as long as its
// object is a *rung.ReadError of rung.ErrChanged.
func Open(fsys vfs.FS, objects []base.Object, direct bool) (*Rung, error) {
	r := &Rung{files: map[string]vfs.File{}, align: 1}
	for _, obj := range objects {
		if err := r.open(fsys, obj, direct); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// open adds a file.
func (r *Rung) open(fsys vfs.FS, obj base.Object, direct bool) error {
	if r.files[obj.Name] != nil {
		return nil
	}
	f, align, err := openFile(fsys, obj.Name, direct)
	if err != nil {
		return err
	}
	r.files[obj.Name], r.align = f, max(r.align, align)
	if f.Size() != obj.Size {
		return &rung.ReadError{Object: obj, Off: f.Size(), Err: rung.ErrChanged}
	}
	return nil
}

func openFile(fsys vfs.FS, name string, direct bool) (vfs.File, int, error) {
	if !direct {
		f, err := fsys.Open(name)
		return f, 1, err
	}
	f, err := vfs.OpenDirect(fsys, name)
	if err != nil {
		return nil, 0, err
	}
	return f, f.Align(), nil
}

// Name implements rung.Rung.
func (*Rung) Name() string { return "nvme" }

// Align implements rung.Rung.
func (r *Rung) Align() int { return r.align }

// Counts implements rung.Counter.
func (r *Rung) Counts() rung.Counts {
	return rung.Counts{Reads: r.reads.Load(), Bytes: r.bytes.Load(), Failed: r.failed.Load()}
}

// ReadAt implements rung.Rung. A read that the system has begun is not
// cancelled.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := rung.Span(obj, off, len(p))
	if err == nil {
		if err = r.fill(obj.Name, p, off, n); err != nil {
			err = &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: err}
		}
	}
	if err != nil {
		r.failed.Add(1)
		return err
	}
	r.reads.Add(1)
	r.bytes.Add(int64(n))
	return nil
}

// fill reads until the first n bytes of p are there. A read may return fewer
// bytes than it was asked for, and only the end of the file excuses it.
func (r *Rung) fill(name string, p []byte, off int64, n int) error {
	f, ok := r.files[name]
	if !ok {
		return fs.ErrNotExist
	}
	if r.closed.Load() {
		return fs.ErrClosed
	}
	for got := 0; got < n; {
		m, err := f.ReadAt(p[got:], off+int64(got))
		got += m
		switch {
		case got >= n: // err may be the end of the file
		case errors.Is(err, io.EOF):
			return rung.ErrChanged // it was cut after it was opened
		case err != nil:
			return err
		case m == 0 || got%r.align != 0:
			return io.ErrNoProgress
		}
	}
	return nil
}

// Close implements rung.Rung.
func (r *Rung) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
