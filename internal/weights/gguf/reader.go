package gguf

import (
	"errors"
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/vfs"
)

// windowLen is how much of the file is read at once, in bytes.
const windowLen = 256 << 10

// reader reads the header of a file from front to back. The first error sticks:
// from then on every read gives zero values, and loops look at err.
//
// Strings that it returns are parts of the window that they were read in, so
// that the half million strings of a vocabulary take a few allocations.
type reader struct {
	file vfs.File
	path string
	size int64
	what string // the item being read, for errors

	text string // the window
	base int64  // its offset in the file
	at   int    // the next byte in it
	err  error
}

func newReader(f vfs.File, path string) *reader {
	return &reader{file: f, path: path, size: f.Size(), what: "the header"}
}

// pos is the offset in the file of the next byte.
func (r *reader) pos() int64 { return r.base + int64(r.at) }

// left is the number of bytes from pos to the end of the file.
func (r *reader) left() int64 { return r.size - r.pos() }

// fail records a format error, unless there is an error already.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{Path: r.path, What: fmt.Sprintf(format, args...)}
	}
}

// take returns the next n bytes, n zero bytes of which none were read after an
// error. The caller holds n against a limit of its own.
func (r *reader) take(n int) string {
	switch {
	case r.err != nil:
		return ""
	case int64(n) > r.left():
		r.fail("ends at byte %d, %s needs %d", r.size, r.what, r.pos()+int64(n))
		return ""
	case r.pos()+int64(n) > MaxHeader:
		r.fail("has a header of more than %d bytes", MaxHeader)
		return ""
	}
	if r.at+n > len(r.text) && !r.slide(n) {
		return ""
	}
	s := r.text[r.at : r.at+n]
	r.at += n
	return s
}

// slide reads a window that begins at pos and holds at least n bytes, which
// the file has.
func (r *reader) slide(n int) bool {
	r.base, r.at = r.pos(), 0
	buf := make([]byte, min(int64(max(n, windowLen)), r.size-r.base))
	r.text = ""
	if r.err = r.readFull(buf, r.base); r.err != nil {
		return false
	}
	r.text = string(buf)
	return true
}

// readFull fills p from offset off, which the file had when it was opened.
func (r *reader) readFull(p []byte, off int64) error {
	n, err := r.file.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return &FormatError{Path: r.path, What: fmt.Sprintf(
			"was cut while it was read: it had %d bytes and ends at byte %d now", r.size, off+int64(n))}
	}
	return fmt.Errorf("read %s at byte %d: %w", r.path, off+int64(n), err)
}

// checkTail reports whether what stands after the data is padding: few bytes,
// all zero. Anything else may be a second file that another program would see
// in this one.
func (r *reader) checkTail(dataEnd int64) error {
	n := r.size - dataEnd
	if n <= 0 {
		return nil
	}
	if n <= MaxGap {
		tail := make([]byte, n)
		if err := r.readFull(tail, dataEnd); err != nil {
			return err
		}
		if allZero(tail) {
			return nil
		}
	}
	return &FormatError{Path: r.path, What: fmt.Sprintf("has %d bytes after its last tensor, which are not padding", n)}
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// The fixed-size integers, from a string of their length or, after an error,
// an empty one.

func le16(s string) uint16 {
	if len(s) < 2 {
		return 0
	}
	return uint16(s[0]) | uint16(s[1])<<8
}

func le32(s string) uint32 {
	if len(s) < 4 {
		return 0
	}
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string) uint64 {
	if len(s) < 8 {
		return 0
	}
	return uint64(le32(s)) | uint64(le32(s[4:]))<<32
}

func (r *reader) u32() uint32 { return le32(r.take(4)) }
func (r *reader) u64() uint64 { return le64(r.take(8)) }

// count reads a number of things of at least size bytes each, named by the
// plural, and holds it against the limit and the bytes that are left. It is 0
// after an error.
func (r *reader) count(limit, size int64, things string) int {
	n := r.u64()
	switch {
	case r.err != nil:
		return 0
	case n > uint64(limit): //nolint:gosec // limits are constants of this package
		r.fail("declares %d %s in %s, the limit is %d", n, things, r.what, limit)
		return 0
	case int64(n)*size > r.left(): //nolint:gosec // n is at most the limit, both factors are small
		r.fail("ends at byte %d, %s needs more for its %d %s", r.size, r.what, n, things)
		return 0
	}
	return int(n) //nolint:gosec // at most the limit
}

// str reads a string of at most limit bytes.
func (r *reader) str(limit int64) string { return r.take(r.count(limit, 1, "bytes")) }

// label reads a key or a name: not empty and of printable ASCII only, since
// labels are printed to terminals and compared by eye.
func (r *reader) label(limit int64) string {
	s := r.str(limit)
	if r.err != nil {
		return ""
	}
	if !isLabel(s) {
		r.fail("has %.80q where %s should be, which is not a printable ASCII name", s, r.what)
	}
	return s
}

// isLabel says whether s can be a key or a name.
func isLabel(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
