package object

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

// Files shows objects as files, for what reads the description of a model: what
// they read comes through the rungs, and is counted and cached there.
type Files struct {
	// Stat describes the object of a name, as Rung.Stat does.
	Stat func(ctx context.Context, name string) (base.Object, error)
	// Rung has the bytes. Its reads need no alignment.
	Rung rung.Rung
}

// Open implements vfs.FS.
func (f Files) Open(name string) (vfs.File, error) {
	obj, err := f.Stat(context.Background(), name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: cause(err)}
	}
	return &file{obj: obj, rung: f.Rung}, nil
}

// cause is what is behind a read error that the caller would describe again.
func cause(err error) error {
	if e, ok := errors.AsType[*rung.ReadError](err); ok {
		return e.Err
	}
	return err
}

// file is an object as a file.
type file struct {
	obj    base.Object
	rung   rung.Rung
	closed atomic.Bool
}

// Name implements vfs.File.
func (f *file) Name() string { return f.obj.Name }

// Size implements vfs.File.
func (f *file) Size() int64 { return f.obj.Size }

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case f.closed.Load():
		return 0, &fs.PathError{Op: "read", Path: f.obj.Name, Err: fs.ErrClosed}
	case off < 0:
		return 0, &fs.PathError{Op: "read", Path: f.obj.Name, Err: fs.ErrInvalid}
	case len(p) == 0:
		return 0, nil
	case off >= f.obj.Size:
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.obj.Size-off))
	if err := f.rung.ReadAt(context.Background(), f.obj, p[:n], off); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements vfs.File.
func (f *file) Close() error {
	if f.closed.Swap(true) {
		return &fs.PathError{Op: "close", Path: f.obj.Name, Err: fs.ErrClosed}
	}
	return nil
}
