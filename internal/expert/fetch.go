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
	// Half of the readers stay free for the demand that comes next.
	if m.guessed >= max(1, c.depth/2) {
		return job{}, false
	}
	if m.guesses.empty() {
		c.beginHint()
	}
	if m.guesses.empty() {
		return job{}, false
	}
	j := m.guesses.pop()
	j.guess = true
	m.guessed++
	return j, true
}

// begin makes room for the batch's next missing expert and queues its reads. It
// says false when there is none, or no room: then a release makes some.
func (c *Cache) begin(b *Batch) bool {
	if b.asked() {
		return false
	}
	e := b.missing[b.begun]
	slot, err := c.room(e.pool.slotBytes(int(c.align)), true)
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
	c.fetch(e, slot, &c.mu.demands)
	return true
}

// beginHint does the same for the next hint that is not there yet; but evicts
// nothing, because what is resident was used, and a hint is a guess.
func (c *Cache) beginHint() {
	for m := &c.mu; m.hinted < len(m.hints); {
		id := m.hints[m.hinted]
		m.hinted++
		if m.entries[id] != nil || c.view != nil {
			continue
		}
		slot, err := c.room(c.layout.pool(id).slotBytes(int(c.align)), false)
		if err != nil || slot == nil {
			m.hinted = len(m.hints) // a demand reports the error, if it is one
			return
		}
		e := c.entry(id)
		e.guess = true
		m.guessing++
		c.fetch(e, slot, &m.guesses)
		return
	}
}

// miss counts a lease that had to wait for its bytes.
func (c *Cache) miss(e *entry) {
	c.misses.Add(1)
	c.missed.Add(e.pool.expertBytes())
}

// join makes an expert the batch's that is being read already: for a hint, or
// for a batch that was given up.
func (c *Cache) join(b *Batch, e *entry) {
	b.waiting++
	c.miss(e)
	if !e.guess {
		return
	}
	e.guess = false
	c.mu.guessing--
	c.mu.reading++
	for n := len(c.mu.guesses.jobs) - c.mu.guesses.head; n > 0; n-- {
		if j := c.mu.guesses.pop(); j.e == e {
			c.mu.demands.push(j)
		} else {
			c.mu.guesses.push(j)
		}
	}
}

// fetch queues the reads of an expert into its slot. Parts that adjoin in the
// object are one read.
func (c *Cache) fetch(e *entry, slot []byte, q *queue) {
	e.slot = slot
	at := int64(0)
	for i := 0; i < len(e.pool.Parts); {
		first := e.pool.part(e.at, i)
		lead := first.Off & (c.align - 1)
		n := int64(0)
		for ; i < len(e.pool.Parts); i++ {
			r := e.pool.part(e.at, i)
			if r.Object != first.Object || r.Off != first.Off+n {
				break
			}
			from := at + lead + n
			e.parts = append(e.parts, slot[from:from+r.Len:from+r.Len])
			n += r.Len
		}
		span := round(lead+n, c.align)
		q.push(job{e: e, obj: first.Object, p: slot[at : at+span : at+span], off: first.Off - lead})
		at = round(at+span, rung.LineSize)
		e.left++
	}
}

// room returns a slot of that size within the budget, or nil.
func (c *Cache) room(size int64, evict bool) ([]byte, error) {
	for {
		slot, err := c.mu.slots.take(size)
		if slot != nil || err != nil || !evict || !c.evict() {
			return slot, err
		}
	}
}

// evict drops the expert that the policy names, and says whether there is one.
func (c *Cache) evict() bool {
	k, ok := c.mu.policy.Victim(c.unpinned)
	if !ok {
		return false
	}
	e := c.mu.entries[ID(k)]
	c.mu.policy.Remove(k)
	c.resident.Add(-int64(len(e.slot)))
	c.evictions.Add(1)
	c.drop(e)
	return true
}

// drop makes an entry's slot spare.
func (c *Cache) drop(e *entry) {
	slot := e.slot
	c.forget(e)
	c.mu.slots.put(slot)
}

// finish takes in a finished read.
func (c *Cache) finish(j job, err error) {
	e := j.e
	if j.guess {
		c.mu.guessed--
	}
	if err == nil {
		c.reads.Add(1)
		c.readBytes.Add(int64(len(j.p)))
	} else if e.err == nil {
		e.err = err
	}
	if e.left--; e.left > 0 {
		return
	}
	if e.guess {
		c.mu.guessing--
	} else {
		c.mu.reading--
	}
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
	e.guess = false
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
