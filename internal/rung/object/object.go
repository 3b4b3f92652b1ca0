// Package object is the rung of object stores, and of directories that are used
// like one: ranges of objects in a bucket, read with the patience of
// bucket/steady. On the parameter's road it is the farthest rung; rung/cache
// stands before it.
//
// An object is looked at once, when it is first named, and read in that version
// from then on: one that has changed since is an error of rung.ErrChanged.
package object

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/steady"
	"github.com/lite-llm/lite/internal/rung"
)

// Rung reads objects of buckets. It looks up the bucket by the key's prefix, so
// that a tier may have one, or credentials, of its own.
type Rung struct {
	mu struct {
		sync.RWMutex
		routes []route
		known  map[string]bucket.Object
		closed bool
	}
	reads, failed atomic.Uint64
	bytes         atomic.Int64
}

// route is the bucket of the keys that begin with prefix.
type route struct {
	prefix string
	bucket *steady.Bucket
}

// New returns a rung over a bucket. Object names are its keys.
func New(b *steady.Bucket) *Rung {
	r := &Rung{}
	r.mu.routes = []route{{"", b}}
	r.mu.known = map[string]bucket.Object{}
	return r
}

// Route has keys that begin with prefix read from another bucket from now on,
// such as the same one by other credentials. The longest prefix counts. What
// was looked at under the prefix is looked at anew.
func (r *Rung) Route(prefix string, b *steady.Bucket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.routes = append(r.mu.routes, route{prefix, b})
	for key := range r.mu.known {
		if strings.HasPrefix(key, prefix) {
			delete(r.mu.known, key)
		}
	}
}

// Name implements rung.Rung.
func (*Rung) Name() string { return "object" }

// Align implements rung.Rung.
func (*Rung) Align() int { return 1 }

// Counts implements rung.Counter.
func (r *Rung) Counts() rung.Counts {
	return rung.Counts{Reads: r.reads.Load(), Bytes: r.bytes.Load(), Failed: r.failed.Load()}
}

// Requests are the counts of all buckets together.
func (r *Rung) Requests() (sum steady.Counts) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, route := range r.mu.routes {
		c := route.bucket.Counts()
		sum.Gets += c.Gets
		sum.Stats += c.Stats
		sum.Attempts += c.Attempts
		sum.Retries += c.Retries
		sum.Hedges += c.Hedges
		sum.Stalls += c.Stalls
	}
	return sum
}

// find is the object of that name in the version that counts, and its bucket.
func (r *Rung) find(ctx context.Context, name string) (bucket.Object, *steady.Bucket, error) {
	r.mu.RLock()
	obj, ok := r.mu.known[name]
	b, closed := r.bucketOf(name), r.mu.closed
	r.mu.RUnlock()
	switch {
	case closed:
		return obj, b, fs.ErrClosed
	case ok:
		return obj, b, nil
	}
	found, err := b.Stat(ctx, name)
	if err != nil {
		return found, b, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if obj, ok := r.mu.known[name]; ok {
		return obj, b, nil // somebody else looked: one version counts
	}
	r.mu.known[name] = found
	return found, b, nil
}

// bucketOf is the bucket of a key. The lock is held.
func (r *Rung) bucketOf(key string) *steady.Bucket {
	best := r.mu.routes[0]
	for _, route := range r.mu.routes[1:] {
		if strings.HasPrefix(key, route.prefix) && len(route.prefix) >= len(best.prefix) {
			best = route
		}
	}
	return best.bucket
}

// Stat describes the object of that name. The error is a *rung.ReadError, or
// ctx's.
func (r *Rung) Stat(ctx context.Context, name string) (base.Object, error) {
	obj, _, err := r.find(ctx, name)
	if err != nil {
		return base.Object{}, r.fail(ctx, base.Object{Name: name}, 0, 0, err)
	}
	return base.Object{Name: name, Size: obj.Size}, nil
}

// Identity says which bytes an object is, for a cache that outlives the process:
// equal identities are equal bytes.
func (r *Rung) Identity(ctx context.Context, name string) (string, error) {
	obj, b, err := r.find(ctx, name)
	if err != nil {
		return "", r.fail(ctx, base.Object{Name: name}, 0, 0, err)
	}
	return fmt.Sprintf("%s\x00%s\x00%s\x00%d", b.Name(), obj.Key, obj.Version, obj.Size), nil
}

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := rung.Span(obj, off, len(p))
	if err == nil {
		err = r.read(ctx, obj, p[:n], off)
	}
	if err != nil {
		r.failed.Add(1)
		return r.fail(ctx, obj, off, len(p), err)
	}
	r.reads.Add(1)
	r.bytes.Add(int64(n))
	return nil
}

func (r *Rung) read(ctx context.Context, obj base.Object, p []byte, off int64) error {
	at, b, err := r.find(ctx, obj.Name)
	switch {
	case err != nil:
		return err
	case at.Size != obj.Size:
		r.forget(obj.Name, at)
		return rung.ErrChanged
	}
	return b.ReadAt(ctx, at, p, off)
}

// forget has an object looked at again that has another size than was described:
// nothing was read of it, so that nothing would be a mixture.
func (r *Rung) forget(name string, at bucket.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.known[name] == at {
		delete(r.mu.known, name)
	}
}

// fail is the error of a read, in the words of package rung.
func (r *Rung) fail(ctx context.Context, obj base.Object, off int64, n int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, bucket.ErrChanged) {
		err = &changedError{err}
	}
	if _, ok := errors.AsType[*rung.ReadError](err); ok {
		return err
	}
	return &rung.ReadError{Object: obj, Off: off, Len: n, Err: err}
}

// changedError is rung.ErrChanged in the words of a bucket.
type changedError struct{ error }

// Is implements errors.Is.
func (*changedError) Is(target error) bool { return target == rung.ErrChanged }

// Unwrap returns the bucket's error.
func (e *changedError) Unwrap() error { return e.error }

// Close implements rung.Rung. The buckets are the caller's.
func (r *Rung) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.closed = true
	return nil
}
