package bucket

import (
	"errors"
	"io"
)

// exact is a body that is as long as it was promised, or fails.
type exact struct {
	io.ReadCloser
	left int64
	fail func(code string, err error) error
	end  func() error
}

// Exactly holds body to n bytes: one that ends early, or goes on, or breaks
// fails with what fail makes of it. end, if it is there, has the last word
// before io.EOF.
func Exactly(body io.ReadCloser, n int64, fail func(code string, err error) error, end func() error) io.ReadCloser {
	return &exact{body, n, fail, end}
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, e.ended()
	}
	n, err := e.ReadCloser.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	switch {
	case err == nil, e.left == 0 && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, e.fail("truncated", io.ErrUnexpectedEOF)
	}
	return n, e.fail("", err)
}

// ended is what comes after the last byte: io.EOF, if nothing does.
func (e *exact) ended() error {
	var more [1]byte
	n, err := e.ReadCloser.Read(more[:])
	switch {
	case n > 0:
		return e.fail("longer", ErrFault)
	case err != nil && !errors.Is(err, io.EOF):
		return e.fail("", err)
	case e.end != nil:
		if err := e.end(); err != nil {
			return err
		}
	}
	return io.EOF
}
