package main

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/lite-llm/lite/internal/vfs"
)

// bufferBytes is how much a file writes at once.
const bufferBytes = 4 << 20

// file writes past the page cache where the file system allows it: a model that
// is written once would only push out of memory what others have there, and
// making room takes longer than the disk does.
type file struct {
	f    *os.File
	buf  []byte // aligned for direct writes
	n    int    // bytes of buf that are filled
	size int64  // bytes written and filled
}

// create makes or empties the file at path.
func create(path string) (io.WriteCloser, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	f, err := os.OpenFile(path, flags|directFlag, 0o644) //nolint:gosec // writing the caller's file is the purpose
	if errors.Is(err, syscall.EINVAL) {
		f, err = os.OpenFile(path, flags, 0o644) //nolint:gosec // as above
	}
	if err != nil {
		return nil, err
	}
	return &file{f: f, buf: vfs.AlignedBuffer(bufferBytes, vfs.DirectAlign)}, nil
}

// Write implements io.Writer.
func (w *file) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := copy(w.buf[w.n:], p[done:])
		w.n, w.size, done = w.n+n, w.size+int64(n), done+n
		if w.n == len(w.buf) {
			if err := w.flush(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// flush writes what is filled, up to the next multiple of the alignment.
func (w *file) flush() error {
	n := (w.n + vfs.DirectAlign - 1) / vfs.DirectAlign * vfs.DirectAlign
	clear(w.buf[w.n:n])
	_, err := w.f.Write(w.buf[:n])
	w.n = 0
	return err
}

// Close writes the rest, cuts off the alignment's excess and closes the file.
func (w *file) Close() error {
	err := w.flush()
	if err == nil {
		err = w.f.Truncate(w.size)
	}
	return errors.Join(err, w.f.Close())
}
