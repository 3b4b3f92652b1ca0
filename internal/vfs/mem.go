package vfs

import (
	"io"
	"io/fs"
	"sync/atomic"
)

// Mem is a file system of byte slices by name: the embedded model, and tests.
// Neither the map nor the bytes may change while a file is open.
type Mem map[string][]byte

// memFile is an open file of a Mem.
type memFile struct {
	name   string
	data   []byte
	closed atomic.Bool
}

// Open implements FS.
func (m Mem) Open(name string) (File, error) {
	f, err := m.open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenDirect implements DirectFS as strictly as a disk: reads must be aligned
// to DirectAlign.
func (m Mem) OpenDirect(name string) (DirectFile, error) {
	f, err := m.open(name)
	if err != nil {
		return nil, err
	}
	return memDirect{f}, nil
}

func (m Mem) open(name string) (*memFile, error) {
	data, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{name: name, data: data}, nil
}

// Name implements File.
func (f *memFile) Name() string { return f.name }

// Size implements File.
func (f *memFile) Size() int64 { return int64(len(f.data)) }

// Bytes implements Resident.
func (f *memFile) Bytes() []byte { return f.data }

// ReadAt implements File.
func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case f.closed.Load():
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrClosed}
	case off < 0:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	case off >= int64(len(f.data)):
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements File.
func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	return nil
}

// memDirect is a memFile that insists on aligned reads.
type memDirect struct{ *memFile }

// Align implements DirectFile.
func (memDirect) Align() int { return DirectAlign }

// ReadAt implements File.
func (f memDirect) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || !aligned(p, off, DirectAlign) {
		return 0, &AlignError{Name: f.name, Off: off, Len: len(p), Align: DirectAlign}
	}
	return f.memFile.ReadAt(p, off)
}
