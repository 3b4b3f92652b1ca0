package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// The causes of an Error, which errors.Is finds. An object that is not there is
// fs.ErrNotExist, one that is not to be read fs.ErrPermission.
var (
	// ErrChanged says that the object is not the version that was described.
	ErrChanged = errors.New("the object has changed since the model was opened; open it again")
	// ErrFault says that the store, or the way to it, did not do what was asked
	// and may the next time.
	ErrFault = errors.New("the store did not answer as it should")
	// ErrStalled says that no byte came for so long that the request was given up.
	ErrStalled = fmt.Errorf("%w: no byte came", ErrFault)
	// ErrRefused says that the store takes the request for a wrong one. To a request
	// without an answer's body, a store says no more when credentials have expired.
	ErrRefused = errors.New("the store refused the request: are the credentials and the region right?")
	// ErrKey says that a name is none that a bucket can hold.
	ErrKey = errors.New("it cannot be a key")
	// ErrRange says that a range is not inside its object: a mistake of the caller.
	ErrRange = errors.New("the range is outside of the object")
)

// Error says what could not be done with an object. It never holds credentials,
// nor text that a server chose beyond a word of letters and digits.
type Error struct {
	Op     string // "look at", "read", "write", "list", "remove", "name"
	Bucket string // Bucket.Name
	Key    string
	Code   string // what the store, or the check of its answer, calls it; may be empty
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	place := e.Key
	if e.Bucket != "" {
		place = e.Bucket + "/" + e.Key
	}
	if e.Code != "" {
		return fmt.Sprintf("%s %s: %v (%s)", e.Op, place, e.Err, e.Code)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, place, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says that the same request may succeed later.
func Temporary(err error) bool { return errors.Is(err, ErrFault) }

// Final says that no attempt will do better: the object is not there, is not
// for us, is another, or nobody waits any more.
func Final(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrChanged) ||
		errors.Is(err, context.Canceled) || !Temporary(err)
}
