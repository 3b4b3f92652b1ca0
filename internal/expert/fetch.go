package expert

import (
	"context"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
	"github.com/lite-llm/lite/internal/rung"
)

// job is a read: one part of an expert, or several that adjoin.
type job struct {
	e     *entry
	obj   base.Object
	p     []byte
	off   int64
	guess bool // it is read because of a hint
}

// queue is jobs that wait for a reader, first in, first out.
type queue struct {
	jobs []job
	head int
}

func (q *queue) empty() bool { return q.head == len(q.jobs) }

func (q *queue) push(j job) { q.jobs = append(q.jobs, j) }

func (q *queue) pop() job {
	j := q.jobs[q.head]
	q.jobs[q.head] = job{} // a slot must not look used because a queue remembers it
	if q.head++; q.empty() {
		q.jobs, q.head = q.jobs[:0], 0
	}
	return j
}

// read is a reader: it fills slots until the cache is closed.
func (c *Cache) read(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.mu.closed {
		j, ok := c.pick()
		if !ok {
			c.mu.work.Wait()
			continue
		}
		c.mu.work.Signal() // there may be work for one more
		err := j.e.err
		if err == nil { // else the expert has failed already
			c.mu.Unlock()
			err = c.rung.ReadAt(ctx, j.obj, j.p, j.off)
			c.mu.Lock()
		}
		c.finish(j, err)
	}
}

// pick returns the next read: a demand before a guess, and a guess only while
// nobody waits for the disk.
func (c *Cache) pick() (job, bool) {
	m := &c.mu
	if m.demands.empty() {
		c.begin(&m.batch)
	}
	if !m.demands.empty() {
		return m.demands.pop(), true
	}
	if m.reading > 0 || !m.batch.asked() {
		return job{}, false
	}
	// The other readers stay free for the demand that comes next.
	if m.guessing >= max(1, min(guessDepth, c.depth/2)) {
		return job{}, false
	}
	j, ok := c.guess()
	if ok {
		m.guessing++
	}
	return j, ok
}

// begin makes room for the batch's next missing expert and queues its reads. It
// says false when there is none, or no room: then a release makes some.
func (c *Cache) begin(b *Batch) bool {
	if b.asked() {
		return false
	}
	e := b.missing[b.begun]
	size := e.pool.slotBytes(int(c.align))
	for !c.fits(e.tier, size) {
		if !c.evictOf(e.tier) {
			return false
		}
	}
	slot, err := c.room(size, (*Cache).evict)
	if err != nil {
		b.err = err
		c.poke()
	}
	if slot == nil {
		return false
	}
	b.begun++
	b.waiting++
	c.miss(e)
	c.mu.reading++
	c.fetch(e, slot)
	c.demand(e)
	return true
}

// miss counts a lease that had to wait for its bytes.
func (c *Cache) miss(e *entry) {
	c.misses.Add(1)
	c.missed.Add(e.pool.expertBytes())
	c.mu.tiers[e.tier].Misses++
	c.mu.tiers[e.tier].MissedBytes += e.pool.expertBytes()
}

// join makes an expert the batch's that is being read already: for a hint, or
// for a batch that was given up.
func (c *Cache) join(b *Batch, e *entry) {
	b.waiting++
	c.miss(e)
	if !e.guess {
		return
	}
	c.used(e)
	c.mu.reading++
	c.demand(e)
}

// demand queues what is left to read of an expert.
func (c *Cache) demand(e *entry) {
	for _, j := range e.rest {
		c.mu.demands.push(j)
	}
	clear(e.rest) // a slot must not look used because an entry remembers it
	e.rest = e.rest[:0]
}

// fetch lays out the reads of an expert into its slot. Parts that adjoin in the
// object are one read, and so are those of a pool with a stride.
func (c *Cache) fetch(e *entry, slot []byte) {
	e.slot = slot
	c.mu.tiers[e.tier].Slots += int64(len(slot))
	at := int64(0)
	for i := 0; i < len(e.pool.Parts); {
		first := e.pool.part(e.at, i)
		lead := first.Off & (c.align - 1)
		n := int64(0)
		for ; i < len(e.pool.Parts); i++ {
			r := e.pool.part(e.at, i)
			if e.pool.Stride != 0 {
				n = r.Off - first.Off // whatever stands between them
			} else if r.Object != first.Object || r.Off != first.Off+n {
				break
			}
			from := at + lead + n
			e.parts = append(e.parts, slot[from:from+r.Len:from+r.Len])
			n += r.Len
		}
		span := round(lead+n, c.align)
		e.rest = append(e.rest, job{e: e, obj: first.Object, p: slot[at : at+span : at+span], off: first.Off - lead})
		at = round(at+span, rung.LineSize)
		e.left++
	}
}

// room returns a slot of that size within the budget, or nil when evict makes
// no room either.
func (c *Cache) room(size int64, evict func(*Cache) bool) ([]byte, error) {
	for {
		slot, err := c.mu.slots.take(size)
		if slot != nil || err != nil || !evict(c) {
			return slot, err
		}
	}
}

// evict drops a guess, or else the expert that the policy names, and says
// whether there is one.
func (c *Cache) evict() bool { return c.evictGuess(false) || c.evictUsed(c.unpinned) }

// evictUsed drops the expert that the policy names among those that free
// accepts, and says whether there is one.
func (c *Cache) evictUsed(free func(policy.Key) bool) bool {
	k, ok := c.mu.policy.Victim(free)
	if !ok {
		return false
	}
	c.leave(c.mu.entries[ID(k)])
	c.evictions.Add(1)
	return true
}

// leave drops a resident expert.
func (c *Cache) leave(e *entry) {
	c.mu.policy.Remove(policy.Key(e.id))
	c.resident.Add(-int64(len(e.slot)))
	c.drop(e)
}

// drop makes an entry's slot spare.
func (c *Cache) drop(e *entry) {
	slot := e.slot
	c.mu.tiers[e.tier].Slots -= int64(len(slot))
	c.forget(e)
	c.mu.slots.put(slot)
}

// finish takes in a finished read.
func (c *Cache) finish(j job, err error) {
	e := j.e
	if j.guess {
		c.mu.guessing--
	}
	if err == nil {
		c.reads.Add(1)
		c.readBytes.Add(int64(len(j.p)))
		if j.guess {
			c.guessBytes.Add(int64(len(j.p)))
		}
	} else if e.err == nil {
		e.err = err
	}
	e.left--
	if e.guess {
		c.finishGuess(e)
		return
	}
	if e.left > 0 {
		return
	}
	c.mu.reading--
	c.poke()
	b := &c.mu.batch
	wanted := b.open && e.step == c.mu.step
	if wanted {
		b.waiting--
	}
	if e.err != nil {
		if wanted && b.err == nil {
			b.err = e.err
		}
		c.drop(e)
		return
	}
	c.resident.Add(int64(len(e.slot)))
	c.mu.policy.Insert(policy.Key(e.id), c.mu.step)
	if wanted {
		b.pin(e)
	}
}

// poke lets Next look again.
func (c *Cache) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
