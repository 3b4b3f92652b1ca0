// Package bucket is the seam to places where whole objects are kept by key and
// read in ranges: object stores (bucket/s3), and a plain directory (Dir), which
// is the default. It stands at the start of the parameter's road, beside files:
// the object rung reads through it.
//
// A bucket tries once. What is tried again, how long it is waited for and when
// a second request runs beside the first is decided in bucket/steady, which
// wraps a bucket.
package bucket

import (
	"context"
	"io"
	"strings"
)

// Object is one version of an object, as Stat found it.
type Object struct {
	Key  string
	Size int64 // bytes
	// Version changes whenever the bytes do: an ETag, or what a file system
	// knows. Reads give the bytes of this version or an error, never a mixture.
	Version string
}

// Bucket holds objects. Implementations are safe for concurrent use, and their
// errors are *Error, or the context's.
type Bucket interface {
	// Name says which bucket it is, such as "s3://models/olmoe": no credentials
	// are in it. Equal names hold equal objects.
	Name() string
	// Stat looks for the object now.
	Stat(ctx context.Context, key string) (Object, error)
	// Get begins to read n bytes of obj from off on, a range inside the object.
	// The body gives exactly n bytes and io.EOF, or an *Error. Who gets it
	// closes it; ctx ends it.
	Get(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, error)
}

// Sink is a Bucket that takes objects.
type Sink interface {
	Bucket
	// Put stores size bytes of body under key, in whole or not at all: nobody
	// sees a part of it.
	Put(ctx context.Context, key string, body io.Reader, size int64) error
	// List names the objects whose keys begin with prefix, in ascending order,
	// until yield says false.
	List(ctx context.Context, prefix string, yield func(Object) bool) error
	// Remove removes an object. One that is not there is no error.
	Remove(ctx context.Context, key string) error
}

// maxKey is the longest key that S3 takes, in bytes.
const maxKey = 1024

// CheckKey returns an *Error of ErrKey for a key that could mean another place
// than it says, or that some store would not take.
func CheckKey(key string) error {
	bad := key == "" || len(key) > maxKey || strings.ContainsAny(key, "\\\x00")
	for part := range strings.SplitSeq(key, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return &Error{Op: "name", Key: key, Err: ErrKey}
	}
	return nil
}

// CheckRange returns an *Error of ErrRange for a range that is not inside obj.
func CheckRange(obj Object, off, n int64) error {
	if off < 0 || n < 0 || off > obj.Size || n > obj.Size-off {
		return &Error{Op: "read", Key: obj.Key, Err: ErrRange}
	}
	return nil
}
