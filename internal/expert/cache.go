package expert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

// Options configure a Cache.
type Options struct {
	Rung   rung.Rung
	Layout Layout
	// Budget is the memory that experts may take. Reads in flight and leases
	// count.
	Budget base.ByteSize
	// Depth is how many reads are in flight at most; 0 means 8, which
	// saturates the disks measured.
	Depth int
	// Policy decides what leaves; nil means an LRU.
	Policy policy.Policy
}

// MinSlots is how many of the largest experts must fit the budget: one that is
// computed and one that is read meanwhile.
const MinSlots = 2

// BudgetError says that experts need more memory than they may take.
type BudgetError struct{ Need, Have base.ByteSize }

// Error implements error.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("experts need at least %v of memory, and %v is left for them", e.Need, e.Have)
}

// Cache is a Store that keeps the experts last used within a budget and reads
// the others from a rung. Everything but the reads themselves happens on the
// goroutine that leads the engine, so that decisions need no lock; readers
// only fill memory and report.
type Cache struct {
	opt     Options
	view    rung.Viewer // when the bytes are in memory already
	align   int
	entries map[ID]*entry
	step    uint64
	batch   Batch
	hints   []ID

	used     int64              // bytes of slots, spare ones included
	spare    map[int64][][]byte // slots without an expert, by size
	inflight int                // entries being read

	requests chan request
	results  chan result
	readers  sync.WaitGroup
	cancel   context.CancelFunc

	hits, misses, evictions, reads atomic.Uint64
	readBytes, resident            atomic.Int64
}

// entry is an expert that is resident or being read.
type entry struct {
	id     ID
	parts  [][]byte
	slot   []byte
	pins   int
	left   int   // parts still being read
	err    error // of the first part that failed
	wanted bool  // a batch waits for it
}

// request asks a reader for one part.
type request struct {
	e   *entry
	obj base.Object
	p   []byte
	off int64
}

// result is a finished request.
type result struct {
	e   *entry
	n   int
	err error
}

// New returns a cache, or a *BudgetError when its budget is below the floor.
func New(opt Options) (*Cache, error) {
	if opt.Depth <= 0 {
		opt.Depth = 8
	}
	if opt.Policy == nil {
		opt.Policy = policy.NewLRU()
	}
	c := &Cache{opt: opt, align: opt.Rung.Align(), entries: map[ID]*entry{}, spare: map[int64][][]byte{}}
	c.batch.c = c
	c.view, _ = opt.Rung.(rung.Viewer)
	if c.view == nil {
		if _, largest := opt.Layout.Slots(c.align); int64(opt.Budget) < MinSlots*largest {
			return nil, &BudgetError{Need: base.ByteSize(MinSlots * largest), Have: opt.Budget}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	// No send ever blocks: every entry has at most maxParts requests, and at
	// most Depth entries are being read.
	c.requests = make(chan request, opt.Depth*maxParts)
	c.results = make(chan result, opt.Depth*maxParts)
	for range opt.Depth {
		c.readers.Go(func() { c.read(ctx) })
	}
	return c, nil
}

// maxParts bounds the parts of an expert.
const maxParts = 8

// read is a reader: it fills parts until the cache is closed.
func (c *Cache) read(ctx context.Context) {
	for r := range c.requests {
		c.results <- result{e: r.e, n: len(r.p), err: c.opt.Rung.ReadAt(ctx, r.obj, r.p, r.off)}
	}
}

// Acquire implements Store.
func (c *Cache) Acquire(ids []ID) *Batch {
	b := &c.batch
	if b.open {
		panic("expert: a batch is open already")
	}
	c.step++
	*b = Batch{c: c, open: true, ready: b.ready[:0], held: b.held[:0], missing: b.missing[:0]}
	c.collect()
	// Residents are pinned first, so that reading the others cannot evict
	// them.
	for _, id := range ids {
		if e := c.entries[id]; e != nil && e.left == 0 {
			c.hit(b, e)
		} else {
			b.missing = append(b.missing, id)
		}
	}
	return b
}

// hit makes a resident expert the batch's.
func (c *Cache) hit(b *Batch, e *entry) {
	c.opt.Policy.Touch(policy.Key(e.id), c.step)
	c.pin(b, e)
	c.hits.Add(1)
}

// pin makes a readable entry the batch's.
func (c *Cache) pin(b *Batch, e *entry) {
	e.pins++
	b.ready = append(b.ready, e)
}

// next returns the batch's next lease.
func (c *Cache) next(ctx context.Context, b *Batch) (Lease, error) {
	for b.err == nil {
		c.collect()
		if b.err == nil {
			b.err = ctx.Err()
		}
		c.pump(b)
		switch {
		case b.err != nil:
		case len(b.ready) > 0:
			e := b.ready[0]
			b.ready = b.ready[:copy(b.ready, b.ready[1:])]
			b.held = append(b.held, e)
			return Lease{e, b}, nil
		case b.waiting == 0 && b.begun == len(b.missing):
			b.err = io.EOF // what is still being read is a hint
		case c.inflight == 0:
			// Only leases that the caller holds can be in the way.
			b.err = fmt.Errorf("expert: %d leases are held and leave no room for %v", len(b.held), b.missing[b.begun])
		default:
			select {
			case r := <-c.results:
				c.finish(r)
			case <-ctx.Done():
				b.err = ctx.Err()
			}
		}
	}
	return Lease{}, b.err
}

// collect takes in what readers have finished.
func (c *Cache) collect() {
	for {
		select {
		case r := <-c.results:
			c.finish(r)
		default:
			return
		}
	}
}

// pump starts reads of the batch's experts while there is room, and of hints
// when nothing else is to be done.
func (c *Cache) pump(b *Batch) {
	for b.open && b.err == nil && c.inflight < c.opt.Depth && b.begun < len(b.missing) {
		id := b.missing[b.begun]
		if c.entries[id] == nil && !c.start(id, true) {
			return // a release makes room
		}
		b.begun++
		if e := c.entries[id]; e.left > 0 {
			e.wanted = true
			b.waiting++
			c.misses.Add(1)
		} else { // a hint's read has finished since
			c.hit(b, e)
		}
	}
	for b.begun == len(b.missing) && len(c.hints) > 0 && c.inflight < c.opt.Depth {
		id := c.hints[0]
		c.hints = c.hints[1:]
		if c.entries[id] == nil && !c.start(id, false) {
			c.hints = c.hints[:0]
		}
	}
}

// start begins to read an expert. It says false when there is no room; only a
// demand may evict to make some.
func (c *Cache) start(id ID, demand bool) bool {
	p := c.opt.Layout.pool(id)
	e := &entry{id: id, parts: make([][]byte, len(p.Parts))}
	if c.view != nil {
		return c.viewParts(e)
	}
	slot := c.room(roundPage(p.slotBytes(c.align)), demand)
	if slot == nil {
		return false
	}
	e.slot, e.left = slot, len(p.Parts)
	c.entries[id] = e
	c.inflight++
	at := int64(0)
	for i := range e.parts {
		r := c.opt.Layout.Range(id, i)
		lead := r.Off & int64(c.align-1)
		span := (lead + r.Len + int64(c.align) - 1) / int64(c.align) * int64(c.align)
		e.parts[i] = slot[at+lead : at+lead+r.Len : at+lead+r.Len]
		c.requests <- request{e, r.Object, slot[at : at+span : at+span], r.Off - lead}
		at += padded(r.Len, c.align)
	}
	return true
}

// viewParts makes an expert readable where it is.
func (c *Cache) viewParts(e *entry) bool {
	for i := range e.parts {
		v, err := c.view.View(c.opt.Layout.Range(e.id, i))
		if err != nil {
			e.err = err
		}
		e.parts[i] = v
	}
	e.left = 1
	c.entries[e.id] = e
	c.inflight++
	c.results <- result{e: e, err: e.err}
	return true
}

// room returns a slot of that size within the budget, or nil.
func (c *Cache) room(size int64, evict bool) []byte {
	for {
		if free := c.spare[size]; len(free) > 0 {
			c.spare[size] = free[:len(free)-1]
			return free[len(free)-1]
		}
		if c.used+size <= int64(c.opt.Budget) {
			slot, err := memory.Alloc(int(size))
			if err != nil {
				return nil
			}
			c.used += size
			return slot
		}
		if !c.dropSpare() && !(evict && c.evict()) {
			return nil
		}
	}
}

// dropSpare gives back a slot of a size that is not wanted now.
func (c *Cache) dropSpare() bool {
	for size, free := range c.spare { // any will do: the result never shows
		if n := len(free); n > 0 {
			_ = memory.Free(free[n-1])
			c.spare[size] = free[:n-1]
			c.used -= size
			return true
		}
	}
	return false
}

// evict drops the expert that the policy names.
func (c *Cache) evict() bool {
	k, ok := c.opt.Policy.Victim(func(k policy.Key) bool { return c.entries[ID(k)].pins == 0 })
	if !ok {
		return false
	}
	c.opt.Policy.Remove(k)
	c.drop(c.entries[ID(k)])
	c.evictions.Add(1)
	return true
}

// drop makes an entry's slot spare.
func (c *Cache) drop(e *entry) {
	delete(c.entries, e.id)
	if e.slot != nil {
		c.resident.Add(-int64(len(e.slot)))
		scribble(e.slot)
		c.spare[int64(len(e.slot))] = append(c.spare[int64(len(e.slot))], e.slot)
	}
}

// finish takes in a finished part.
func (c *Cache) finish(r result) {
	e := r.e
	if e.slot != nil {
		c.reads.Add(1)
		c.readBytes.Add(int64(r.n))
	}
	if e.err == nil {
		e.err = r.err
	}
	if e.left--; e.left > 0 {
		return
	}
	c.inflight--
	b, wanted := &c.batch, e.wanted && c.batch.open
	if wanted {
		b.waiting--
	}
	c.resident.Add(int64(len(e.slot)))
	if e.err != nil {
		c.drop(e)
		if wanted && b.err == nil {
			b.err = e.err
		}
		return
	}
	e.wanted = false
	c.opt.Policy.Insert(policy.Key(e.id), c.step)
	if wanted {
		c.pin(b, e)
	}
}

// release unpins a lease.
func (b *Batch) release(e *entry) {
	for i, h := range b.held {
		if h == e {
			b.held[i] = b.held[len(b.held)-1]
			b.held = b.held[:len(b.held)-1]
			e.pins--
			b.c.pump(b)
			return
		}
	}
	panic(fmt.Sprintf("expert: the lease of %v was released twice", e.id))
}

// end closes a batch: what is being read stays on its way and becomes
// resident.
func (c *Cache) end(b *Batch) {
	if !b.open {
		return
	}
	b.open = false
	for _, e := range b.ready {
		e.pins--
	}
	for _, e := range b.held {
		e.pins--
	}
	b.ready, b.held = b.ready[:0], b.held[:0]
	for _, id := range b.missing {
		if e := c.entries[id]; e != nil {
			e.wanted = false
		}
	}
}

// Hint implements Store. It is called by the goroutine that leads the engine.
func (c *Cache) Hint(ids []ID) { c.hints = append(c.hints[:0], ids...) }

// Stats implements Store; any goroutine may call it.
func (c *Cache) Stats() Stats {
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Evictions: c.evictions.Load(), Reads: c.reads.Load(),
		ReadBytes: c.readBytes.Load(), Resident: c.resident.Load(), Budget: int64(c.opt.Budget), Rung: c.opt.Rung.Name(),
	}
}

// Close implements Store. It waits for reads that are under way.
func (c *Cache) Close() error {
	c.cancel()
	close(c.requests)
	c.readers.Wait()
	c.collect()
	var errs []error
	for _, e := range c.entries {
		if e.slot != nil {
			errs = append(errs, memory.Free(e.slot))
		}
	}
	for _, free := range c.spare {
		for _, slot := range free {
			errs = append(errs, memory.Free(slot))
		}
	}
	c.entries, c.spare = nil, nil
	return errors.Join(errs...)
}
