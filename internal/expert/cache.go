package expert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
)

// Options configure a Cache.
type Options struct {
	Rung   rung.Rung
	Layout Layout
	// Budget is the memory that experts may take, in bytes; slots of reads in
	// flight and of leases count. A rung with views needs none.
	Budget base.ByteSize
	// Depth is how many reads are in flight at most; 0 means 8, which
	// saturates the disks measured.
	Depth int
	// Guesses is how many experts that hints named may be resident, or on their
	// way, before a batch asks for them; 0 means 8.
	Guesses int
	// Policy decides what leaves; nil means an LRFU whose half-life is 16
	// tokens (package policy says why).
	Policy policy.Policy
	// Off keeps nothing: what a batch has released leaves at once, so that every
	// batch reads all that it asks for. It is for measurements.
	Off bool
	// Tiers bound tiers by themselves, by number; those beyond have no bound.
	Tiers []Tier
	// TierOf says which tier an expert belongs to, where that is not its pool's.
	TierOf TierOf
	// Clock is a monotonic time, for Stats.WaitTime; nil leaves that 0.
	Clock func() time.Duration
}

// Defaults of Options.
const (
	defaultDepth  = 8
	defaultTokens = 16 // the half-life of the policy
)

// BudgetError says that experts need more memory than they may take.
type BudgetError struct{ Need, Have base.ByteSize }

// Error implements error.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("experts need at least %v of memory, and %v is left for them", e.Need, e.Have)
}

// Cache is a Store that keeps the experts that its policy favours within a
// budget, and reads the others from a rung.
type Cache struct {
	rung    rung.Rung
	view    rung.Viewer // when the bytes are in memory already
	layout  Layout
	align   int64
	depth   int
	guesses int
	piece   int64 // most bytes of a read of a guess
	budget  int64
	off     bool
	clock   func() time.Duration
	tierOf  TierOf
	// What may be evicted, for a demand and for a guess; made once: a closure
	// for each eviction would be garbage.
	unpinned, unhinted func(policy.Key) bool

	// wake has a token when something has changed that Next may wait for.
	wake    chan struct{}
	cancel  context.CancelFunc
	readers sync.WaitGroup

	mu struct {
		sync.Mutex
		work     sync.Cond // of readers: there may be something to read
		closed   bool
		step     uint64 // counts batches
		batch    Batch
		entries  map[ID]*entry // those with a place: resident, being read, or asked for
		idle     []*entry      // those without
		policy   policy.Policy // orders the resident ones
		slots    slots
		tiers    []tier
		demands  queue
		reading  int // experts being read because a batch asked
		hints    []ID
		hinted   int      // hints[:hinted] are done with
		guesses  []*entry // with a place because of a hint, oldest first
		guessed  int64    // bytes of their slots
		guessing int      // reads under way that were begun for a hint
	}

	hits, misses, evictions, reads, waits atomic.Uint64
	begun, right, wrong                   atomic.Uint64 // guesses
	missed                                atomic.Int64  // bytes of the misses
	readBytes, guessBytes                 atomic.Int64
	resident, waited                      atomic.Int64
}

// entry is an expert that is asked for, being read, or resident.
type entry struct {
	id    ID
	pool  *Pool
	tier  int
	at    int64    // its place in the pool's storage
	slot  []byte   // nil until it is read
	parts [][]byte // inside slot
	lent  [][]byte // what the lease reads
	step  uint64   // the batch that last asked for it
	gen   uint64   // counts the times that it was lent or taken back
	pins  int      // a pinned expert is not evicted
	place int      // in the batch's held leases
	left  int      // reads that are not finished
	err   error    // of the first read that failed
	guess bool     // a hint named it, and no batch has asked so far
	rest  []job    // of a guess: what is not being read yet; counted in left
}

// New returns a cache. The error is a *LayoutError, or a *BudgetError when the
// budget is below Layout.Floor.
func New(opt Options) (*Cache, error) {
	if err := opt.Layout.Validate(); err != nil {
		return nil, err
	}
	c := &Cache{
		rung: opt.Rung, layout: opt.Layout, align: int64(opt.Rung.Align()),
		depth: opt.Depth, guesses: opt.Guesses, piece: guessPiece, budget: int64(opt.Budget), clock: opt.Clock, wake: make(chan struct{}, 1),
	}
	if w, ok := opt.Rung.(rung.Whole); ok && w.Whole() {
		c.piece = math.MaxInt64
	}
	if c.depth <= 0 {
		c.depth = defaultDepth
	}
	if c.guesses <= 0 {
		c.guesses = defaultGuesses
	}
	c.off = opt.Off
	c.mu.work.L = &c.mu.Mutex
	c.mu.batch.c = c
	c.mu.entries = map[ID]*entry{}
	c.mu.slots.budget = c.budget
	all, largest := c.layout.Slots(int(c.align))
	c.mu.slots.resized = all > c.budget && c.layout.Smallest(int(c.align)) != largest
	c.mu.policy = opt.Policy
	if c.mu.policy == nil {
		c.mu.policy = policy.NewLRFU(defaultTokens * steps(opt.Layout))
	}
	c.unpinned = func(k policy.Key) bool {
		e := c.mu.entries[ID(k)]
		return e.pins == 0 && !c.mu.tiers[e.tier].Pin
	}
	c.openTiers(&opt)
	c.unhinted = func(k policy.Key) bool { return c.unpinned(k) && !c.hinting(ID(k)) }
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	if c.view, _ = opt.Rung.(rung.Viewer); c.view != nil {
		return c, nil
	}
	if err := c.check(opt.Layout); err != nil {
		cancel()
		return nil, err
	}
	for range c.depth {
		c.readers.Go(func() { c.read(ctx) })
	}
	return c, nil
}

// check holds the budget and the alignment to what slots need.
func (c *Cache) check(l Layout) error {
	if c.align > int64(memory.PageSize()) {
		return fmt.Errorf("expert: reads of %s are aligned to %d bytes, more than a page: read through the page cache",
			c.rung.Name(), c.align)
	}
	tiers := make([]Tier, len(c.mu.tiers))
	for i := range tiers {
		tiers[i] = c.mu.tiers[i].Tier
	}
	_, need, err := Room(l.ByTier(int(c.align), len(tiers), c.tierOf), tiers)
	if err != nil {
		return err
	}
	if c.budget < need {
		return &BudgetError{Need: base.ByteSize(need), Have: base.ByteSize(c.budget)}
	}
	return nil
}

// steps is how many batches a token takes: one for each kind of each layer.
func steps(l Layout) (n uint64) {
	for i := range l {
		for kind := range Kind(kinds) {
			if len(l[i].of(kind)) > 0 {
				n++
			}
		}
	}
	return n
}

// Acquire implements Store.
func (c *Cache) Acquire(ids []ID) *Batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.mu.batch
	if b.open {
		panic("expert: a batch is open already")
	}
	c.mu.step++
	*b = Batch{c: c, open: true, ready: b.ready[:0], held: b.held[:0], missing: b.missing[:0]}
	if c.mu.closed {
		b.err = ErrClosed
		return b
	}
	for _, id := range ids {
		c.ask(b, id)
	}
	c.mu.work.Signal()
	return b
}

// ask makes one expert the batch's. Residents are pinned here, before anything
// is read, so that reading the others cannot evict them.
func (c *Cache) ask(b *Batch, id ID) {
	e := c.mu.entries[id]
	switch {
	case e != nil && e.step == c.mu.step:
		panic(fmt.Sprintf("expert: %v is named twice in a batch", id))
	case c.view != nil:
		c.show(b, id)
		return
	case e == nil:
		e = c.entry(id)
		b.missing = append(b.missing, e)
	case e.left > 0:
		c.join(b, e)
	case e.guess:
		c.used(e)
		c.mu.policy.Insert(policy.Key(id), c.mu.step)
		c.hit(e)
		b.pin(e)
	default:
		c.mu.policy.Touch(policy.Key(id), c.mu.step)
		c.hit(e)
		b.pin(e)
	}
	e.step = c.mu.step
}

// show makes an expert the batch's whose bytes are in memory.
func (c *Cache) show(b *Batch, id ID) {
	e := c.entry(id)
	e.step = c.mu.step
	for i := range e.pool.Parts {
		part, err := c.view.View(e.pool.part(e.at, i))
		if err != nil {
			c.forget(e)
			b.err = err
			return
		}
		e.parts = append(e.parts, part)
	}
	c.hit(e)
	b.pin(e)
}

// hit counts a lease whose bytes were resident.
func (c *Cache) hit(e *entry) {
	c.hits.Add(1)
	c.mu.tiers[e.tier].Hits++
}

// entry returns a new entry, in its place.
func (c *Cache) entry(id ID) *entry {
	var e *entry
	if last := len(c.mu.idle) - 1; last >= 0 {
		e, c.mu.idle = c.mu.idle[last], c.mu.idle[:last]
	} else {
		e = &entry{}
	}
	*e = entry{id: id, parts: e.parts[:0], lent: e.lent[:0], rest: e.rest[:0], gen: e.gen}
	e.pool, e.at = c.layout.find(id)
	e.tier = c.tier(id, e.pool)
	c.mu.entries[id] = e
	return e
}

// forget takes an entry out of its place, without its slot.
func (c *Cache) forget(e *entry) {
	delete(c.mu.entries, e.id)
	c.mu.idle = append(c.mu.idle, e)
}

// Hint implements Store.
func (c *Cache) Hint(ids []ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.hints, c.mu.hinted = append(c.mu.hints[:0], ids...), 0
	c.rehint()
	c.mu.work.Signal()
}

// Stats implements Store.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	count := c.mu.slots.count
	tiers := make([]TierStats, len(c.mu.tiers))
	for i := range tiers {
		tiers[i] = c.mu.tiers[i].TierStats
	}
	c.mu.Unlock()
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Evictions: c.evictions.Load(), Reads: c.reads.Load(), MissedBytes: c.missed.Load(),
		ReadBytes: c.readBytes.Load(), Resident: c.resident.Load(), Budget: c.budget, Rung: c.rung.Name(),
		Slots: count, Tiers: tiers, Waits: c.waits.Load(), WaitTime: time.Duration(c.waited.Load()),
		Guesses: c.begun.Load(), GuessesUsed: c.right.Load(), GuessesWasted: c.wrong.Load(), GuessBytes: c.guessBytes.Load(),
	}
}

// Close implements Store. It waits for reads that are under way.
func (c *Cache) Close() error {
	c.mu.Lock()
	if len(c.mu.batch.held) > 0 {
		c.mu.Unlock()
		panic("expert: closed while leases are held")
	}
	closed := c.mu.closed
	c.mu.closed = true
	c.mu.work.Broadcast()
	c.poke()
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.cancel()
	c.readers.Wait()
	c.end(&c.mu.batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, e := range c.mu.entries {
		if e.slot != nil {
			errs = append(errs, c.mu.slots.drop(e.slot))
		}
	}
	clear(c.mu.entries)
	c.mu.guesses, c.mu.guessed = nil, 0
	c.resident.Store(0)
	return errors.Join(append(errs, c.mu.slots.dropSpare())...)
}
