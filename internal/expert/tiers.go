package expert

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
)

// Tier bounds the experts of a tier, and its heads, in memory.
type Tier struct {
	// Budget is the most memory that they take, in bytes; 0 is no bound of their
	// own.
	Budget base.ByteSize
	// Pin keeps what has been read: nothing of the tier is evicted. Load reads
	// all of it.
	Pin bool
}

// TierError says that a tier cannot be held as it was asked.
type TierError struct {
	Tier       int
	Need, Have base.ByteSize
}

// Error implements error.
func (e *TierError) Error() string {
	return fmt.Sprintf("tier %d needs at least %v of memory, and its budget is %v", e.Tier, e.Need, e.Have)
}

// TierStats is what a tier does in memory.
type TierStats struct {
	Hits, Misses uint64
	MissedBytes  int64 // of its experts that were not resident
	Slots        int64 // bytes of memory that it takes
	Budget       int64 // bytes that it may take; 0 is no bound of its own
	Pinned       bool
}

// tier is the state of a tier, under the cache's lock.
type tier struct {
	Tier
	TierStats
	// free says that an expert of the tier may be evicted; made once.
	free func(policy.Key) bool
}

// TierSize is the memory of the experts and heads of a tier.
type TierSize struct {
	All     int64 // of all of them
	Largest int64 // of the largest one
}

// TierOf says which tier an expert or a head belongs to. Nil asks its pool, which
// is right unless a plan divided the experts of one.
type TierOf func(ID) int

// ByTier is the memory of n tiers, or of more where the layout has more, under a
// rung's alignment.
func (l Layout) ByTier(align, n int, of TierOf) []TierSize {
	l.each(func(p *Pool) { n = max(n, p.Tier+1) })
	sizes := make([]TierSize, n)
	add := func(t int, slot, count int64) {
		sizes[t].All = plus(sizes[t].All, times(slot, count))
		sizes[t].Largest = max(sizes[t].Largest, slot)
	}
	if of == nil {
		l.each(func(p *Pool) { add(p.Tier, p.slotBytes(align), p.Count) })
		return sizes
	}
	for i := range l {
		for kind := range Kind(kinds) {
			for index := range l[i].count(kind) {
				id := ID{Layer: int32(i), Kind: kind, Index: index}
				add(of(id), l.pool(id).slotBytes(align), 1)
			}
		}
	}
	return sizes
}

// count is how many experts or heads a layer has.
func (l *Layer) count(kind Kind) (n int64) {
	for _, p := range l.of(kind) {
		n += p.Count
	}
	return n
}

// Room is the most memory that tiers of these sizes ever take when they are held
// so, and the least in which they can be: pinned ones whole, and MinSlots of the
// largest expert beside them. The error is a *TierError.
func Room(sizes []TierSize, tiers []Tier) (all, floor int64, err error) {
	largest := int64(0)
	for i, size := range sizes {
		need := min(size.All, MinSlots*size.Largest)
		t := Tier{}
		if i < len(tiers) {
			t = tiers[i]
		}
		if t.Pin {
			need = size.All
		}
		if t.Budget > 0 && int64(t.Budget) < need {
			return 0, 0, &TierError{Tier: i, Need: base.ByteSize(need), Have: t.Budget}
		}
		if t.Budget > 0 {
			size.All = min(size.All, int64(t.Budget))
		}
		all = plus(all, size.All)
		if t.Pin {
			floor = plus(floor, size.All)
		} else {
			largest = max(largest, size.Largest)
		}
	}
	return all, min(plus(floor, MinSlots*largest), all), nil
}

// openTiers readies the state of tiers.
func (c *Cache) openTiers(opt *Options) {
	c.tierOf = opt.TierOf
	c.mu.tiers = make([]tier, max(len(opt.Tiers), 1))
	c.layout.each(func(p *Pool) {
		for len(c.mu.tiers) <= p.Tier {
			c.mu.tiers = append(c.mu.tiers, tier{})
		}
	})
	for i := range c.mu.tiers {
		t := &c.mu.tiers[i]
		if i < len(opt.Tiers) {
			t.Tier = opt.Tiers[i]
		}
		t.TierStats.Budget, t.Pinned = int64(t.Tier.Budget), t.Pin
		t.free = func(k policy.Key) bool { return c.mu.entries[ID(k)].tier == i && c.unpinned(k) }
	}
}

// tier is the tier of an expert in this pool.
func (c *Cache) tier(id ID, p *Pool) int {
	if c.tierOf != nil {
		return c.tierOf(id)
	}
	return p.Tier
}

// fits says whether a tier has room of its own for so many bytes more.
func (c *Cache) fits(tier int, size int64) bool {
	t := &c.mu.tiers[tier]
	return t.Tier.Budget == 0 || t.Slots+size <= int64(t.Tier.Budget)
}

// evictOf drops something of a tier, a guess first, and says whether there was
// something to drop.
func (c *Cache) evictOf(tier int) bool {
	for _, e := range c.mu.guesses {
		if e.tier == tier && e.idle() {
			c.dropGuess(e)
			return true
		}
	}
	return c.evictUsed(c.mu.tiers[tier].free)
}

// loadBatch is how many experts Load asks for together.
const loadBatch = 64

// Load reads everything that is pinned. Nothing else may have a batch meanwhile.
// The error is that of a batch.
func (c *Cache) Load(ctx context.Context) error {
	var ids []ID
	flush := func() error {
		b := c.Acquire(ids)
		defer b.Close()
		ids = ids[:0]
		for {
			l, err := b.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			l.Release()
		}
	}
	for layer := range c.layout {
		for kind := range Kind(kinds) {
			pools := c.layout[layer].of(kind)
			for i := range pools {
				p := &pools[i]
				if c.tierOf == nil && c.layout[layer].Order == nil && !c.mu.tiers[p.Tier].Pin {
					continue // so that nothing is linear in what is not pinned
				}
				for index := p.First; index < p.First+p.Count; index++ {
					id := ID{Layer: int32(layer), Kind: kind, Index: index}
					if !c.mu.tiers[c.tier(id, c.layout.pool(id))].Pin {
						continue
					}
					if ids = append(ids, id); len(ids) == loadBatch {
						if err := flush(); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return flush()
}
