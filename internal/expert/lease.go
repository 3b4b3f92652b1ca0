package expert

import (
	"context"
	"errors"
	"fmt"
)

// Lease is the right to read one expert's bytes until it is released. It is a
// small value, made to be passed on.
type Lease struct {
	e   *entry
	c   *Cache
	gen uint64 // the entry's, when it was lent
}

// ID is the expert.
func (l Lease) ID() ID { return l.e.id }

// Part is the bytes of part i: the layout's order, gate, up, down. They stay as
// they are until Release, and the caller must not write to them. In a build with
// the tag invariants they are a copy that Release spoils.
func (l Lease) Part(i int) []byte { return l.e.lent[i] }

// Release gives the lease back, from any goroutine. Releasing twice, or after
// the batch was closed, is a mistake and panics.
func (l Lease) Release() { l.c.release(l) }

// Batch yields the leases of one Acquire. Its methods are called by the
// goroutine that leads the engine. The same Batch is used again by the next
// Acquire.
type Batch struct {
	c *Cache
	// The rest is the cache's, under its lock.
	open    bool
	err     error
	ready   []*entry // readable and pinned; ready[:yielded] have been yielded
	yielded int
	held    []*entry // yielded and not released
	missing []*entry // not resident when the batch was opened
	begun   int      // missing[:begun] are being read, or have been
	waiting int      // entries of the batch that are being read
}

// Next returns the next lease: resident experts first, in the order of Acquire,
// then in the order in which reads finish. It returns io.EOF after the last
// one. Any other error ends the batch, and every call after it returns the
// same: a *rung.ReadError, ctx's own, a *HeldError, a *memory.AllocError, or
// ErrClosed.
func (b *Batch) Next(ctx context.Context) (Lease, error) { return b.c.next(ctx, b) }

// Close ends the batch. Leases that are still held are released with it; reads
// that are under way go on, and what they bring is resident for the next batch.
// Closing again does nothing.
func (b *Batch) Close() { b.c.end(b) }

// ErrClosed is returned by Next when the batch, or the store, has been closed.
var ErrClosed = errors.New("expert: closed")

// HeldError says that there is no room for the next expert of a batch, because
// all of it is held by the one who asks. It would wait for itself.
type HeldError struct {
	Held int // leases
	Next ID
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("expert: %d leases are held and leave no room for %v; release one first", e.Held, e.Next)
}
