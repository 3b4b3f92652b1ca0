package lite

import (
	"context"
	"errors"
	"fmt"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/vfs"
)

// ErrChanged is the cause of a ReadError when a file is not as long as it was
// when the model was opened: somebody has written to it since. Open it again.
var ErrChanged = rung.ErrChanged

// ReadError says that bytes of a model could not be read. It ends the answer
// that needed them: an expert that cannot be read is never replaced by another,
// or left out. What had been answered before is right, the model and the
// session stay usable, and the same request may be tried again, since the
// trouble of a disk can pass. The cause can be asked for with errors.Is:
// ErrChanged, or the system's error, such as syscall.EIO.
type ReadError struct {
	Path string // the file
	Off  int64  // where in it
	Len  int    // the bytes that were asked for
	Err  error  // the cause
}

// Error implements error.
func (e *ReadError) Error() string {
	return fmt.Sprintf("reading %d bytes at %d of %s: %v", e.Len, e.Off, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// DirectError says that a file cannot be read past the page cache, which
// DirectAlways asks for. DirectAuto then reads through it.
type DirectError = vfs.DirectError

// readError makes a rung's error the caller's.
func readError(err error) error {
	if e, ok := errors.AsType[*rung.ReadError](err); ok {
		return &ReadError{Path: e.Object.Name, Off: e.Off, Len: e.Len, Err: e.Err}
	}
	return err
}

// step runs a step of the engine.
func (m *Model) step(ctx context.Context, jobs []engine.Job, emit engine.Emit) error {
	err := m.eng.Step(ctx, jobs, emit)
	if err != nil && m.remote != nil {
		err = m.remote.doubt(err)
	}
	return readError(err)
}
