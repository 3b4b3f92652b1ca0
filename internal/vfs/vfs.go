// Package vfs is the seam through which Lite reads files: the operating
// system's, bytes in memory, or either of them with scripted faults
// (vfs/errorfs). It is the start of the parameter's road: the weights readers
// and the nvme rung open files here and nowhere else, so that a test can stand
// in for a disk.
package vfs

import (
	"errors"
	"fmt"
	"io"
)

// FS opens files for reading. Implementations are safe for concurrent use.
type FS interface {
	// Open opens the named file. The error wraps fs.ErrNotExist when there is
	// none, ErrDirectory when it is a directory and ErrNotRegular when it is a
	// device, a pipe or a socket.
	Open(name string) (File, error)
}

// File is an open file whose bytes do not change while it is open.
type File interface {
	// ReadAt follows io.ReaderAt: n < len(p) comes with an error, which is
	// io.EOF at the end of the file. It is safe for concurrent use and keeps no
	// reference to p.
	io.ReaderAt
	// Close releases the file. Reads after it fail with fs.ErrClosed.
	io.Closer
	// Name is the name that the file was opened by.
	Name() string
	// Size is the number of bytes when the file was opened. A file that has
	// been cut since gives io.EOF before it.
	Size() int64
}

// DirectFS is an FS that can also read past the page cache.
type DirectFS interface {
	FS
	// OpenDirect opens the named file for direct reads. The error is a
	// *DirectError when the file exists and can be read, but not directly.
	OpenDirect(name string) (DirectFile, error)
}

// DirectFile is a File read past the page cache. The offset, the length and
// the address of every read must be multiples of Align, else it fails with an
// *AlignError. A read that reaches past the end of the file is aligned too: it
// returns the bytes there are and io.EOF.
type DirectFile interface {
	File
	// Align is the alignment of reads in bytes, a power of two.
	Align() int
}

// Resident is a File whose bytes are in memory already, so that a caller may
// use them where they are instead of copying them.
type Resident interface {
	File
	// Bytes is the whole file. The caller must not write to it.
	Bytes() []byte
}

var (
	// ErrDirectory is returned when the name to open is a directory.
	ErrDirectory = errors.New("is a directory, not a file")
	// ErrNotRegular is returned when the name to open is neither a file nor a
	// directory. Opening a pipe would wait for its writer.
	ErrNotRegular = errors.New("is not a regular file")
	// ErrNoDirect is the cause of a DirectError on a system or a file system
	// without direct reads.
	ErrNoDirect = errors.New("direct reads are not supported")
)

// DirectError is returned by OpenDirect for a file that can be read, but not
// past the page cache. The caller opens it with Open instead.
type DirectError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *DirectError) Error() string {
	return fmt.Sprintf("open %s past the page cache: %v", e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *DirectError) Unwrap() error { return e.Err }

// AlignError is returned by a direct read that is not aligned. It is a mistake
// of the caller, found here because the kernel's own EINVAL does not say why.
type AlignError struct {
	Name  string
	Off   int64 // the read's offset in the file
	Len   int   // its length
	Align int   // what both, and the buffer's address, must be multiples of
}

// Error implements error.
func (e *AlignError) Error() string {
	return fmt.Sprintf("direct read of %d bytes at %d of %s: offset, length and buffer must be multiples of %d",
		e.Len, e.Off, e.Name, e.Align)
}

// OpenDirect opens name on fsys past the page cache. The error is a
// *DirectError when fsys cannot, or will not for this file.
func OpenDirect(fsys FS, name string) (DirectFile, error) {
	d, ok := fsys.(DirectFS)
	if !ok {
		return nil, &DirectError{Name: name, Err: ErrNoDirect}
	}
	return d.OpenDirect(name)
}
