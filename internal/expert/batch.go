package expert

import (
	"context"
	"fmt"
	"io"
)

// pin makes a readable entry the batch's, to be yielded. The cache's lock is
// held, here and in what follows.
func (b *Batch) pin(e *entry) {
	e.pins++
	b.ready = append(b.ready, e)
}

// asked says that every expert of the batch that was missing is being read, or
// has been, or never will be.
func (b *Batch) asked() bool { return !b.open || b.err != nil || b.begun == len(b.missing) }

// next returns the batch's next lease.
func (c *Cache) next(ctx context.Context, b *Batch) (Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case !b.open || c.mu.closed:
			return Lease{}, ErrClosed
		case b.err != nil:
			return Lease{}, b.err
		case ctx.Err() != nil:
			b.err = ctx.Err()
		case b.yielded < len(b.ready):
			return c.lend(b), nil
		case b.waiting == 0 && b.begun == len(b.missing):
			b.err = io.EOF
		case c.mu.reading+c.mu.guessing == 0 && !c.begin(b):
			// Nothing is on its way that could make room.
			if b.err == nil {
				b.err = &HeldError{Held: len(b.held), Next: b.missing[b.begun].id}
			}
		default:
			c.wait(ctx)
		}
	}
}

// lend yields the first of the batch's readable entries.
func (c *Cache) lend(b *Batch) Lease {
	e := b.ready[b.yielded]
	b.yielded++
	e.place = len(b.held)
	b.held = append(b.held, e)
	e.gen++
	e.lent = lend(e.parts, e.lent)
	return Lease{e, c, e.gen}
}

// wait waits until a read has finished, or ctx is done. It lets go of the lock
// meanwhile. A token that is left from before costs one more look.
func (c *Cache) wait(ctx context.Context) {
	c.mu.work.Signal()
	c.mu.Unlock()
	defer c.mu.Lock()
	c.waits.Add(1)
	if c.clock != nil {
		begin := c.clock()
		defer func() { c.waited.Add(int64(c.clock() - begin)) }()
	}
	select {
	case <-c.wake:
	case <-ctx.Done():
	}
}

// release takes a lease back.
func (c *Cache) release(l Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.mu.batch
	if l.gen != l.e.gen {
		panic(fmt.Sprintf("expert: a lease of %v was released twice, or after its batch was closed", l.e.id))
	}
	last := b.held[len(b.held)-1]
	b.held[l.e.place], last.place = last, l.e.place
	b.held = b.held[:len(b.held)-1]
	c.back(l.e)
	c.mu.work.Signal()
}

// back takes an entry back that was lent.
func (c *Cache) back(e *entry) {
	e.gen++
	spoil(e.lent)
	c.unpin(e)
}

// unpin lets an entry be evicted again.
func (c *Cache) unpin(e *entry) {
	e.pins--
	switch {
	case c.view != nil:
		c.forget(e)
	case c.off && e.pins == 0:
		c.leave(e)
	}
}

// end closes a batch.
func (c *Cache) end(b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !b.open {
		return
	}
	b.open = false
	for _, e := range b.held {
		c.back(e)
	}
	for _, e := range b.ready[b.yielded:] {
		c.unpin(e)
	}
	for _, e := range b.missing[b.begun:] {
		c.forget(e)
	}
	b.ready, b.yielded, b.held, b.missing, b.begun = b.ready[:0], 0, b.held[:0], b.missing[:0], 0
	c.mu.work.Signal()
}
