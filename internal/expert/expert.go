// Package expert lends experts: a layer asks for those that its router chose,
// and gets leases as their bytes become readable. It is where the two roads
// meet: rungs below, the model's blocks above. What it decides (which bytes
// stay) changes time, never a result; what it cannot read it reports.
package expert

import (
	"context"
	"fmt"

	"github.com/lite-llm/lite/internal/base"
)

// ID names an expert: Index is the model's canonical number within the layer.
type ID struct{ Layer, Index int32 }

// String prints an ID as logs show it, such as "L12/E7".
func (id ID) String() string { return fmt.Sprintf("L%d/E%d", id.Layer, id.Index) }

// Store lends experts.
type Store interface {
	// Acquire opens a batch of leases on ids, each named once. One batch is open at a time. It may
	// name more experts than fit memory: a release frees the room that the
	// next one waits for.
	Acquire(ids []ID) *Batch
	// Hint says that these experts may be asked for soon. They are read when
	// no demand is waiting and there is room that nobody uses; or not at all.
	Hint(ids []ID)
	// Stats returns the counts so far.
	Stats() Stats
	// Close ends reads and gives back the memory. No lease is held.
	Close() error
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Hits, Misses uint64 // leases that found their bytes resident, or did not
	Evictions    uint64
	Reads        uint64 // ranges read
	ReadBytes    int64  // bytes read from the rung, padding of direct reads included
	Resident     int64  // bytes of memory that experts take now
	Budget       int64  // bytes that they may take
	Rung         string // where misses are read from
}

// HitRate is the share of leases that found their bytes resident, 1 when
// there were none.
func (s Stats) HitRate() float64 {
	if s.Hits+s.Misses == 0 {
		return 1
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Pool is a run of experts of one shape at a layer, with canonical indices
// [First, First+Count). Part i of expert e stands at Parts[i].Off +
// (e-First)*Sizes[i] of its object, as GGUF stacks experts.
type Pool struct {
	First, Count int
	Parts        []base.Range // of all experts together
	Sizes        []int64      // bytes of one expert's part
}

// Layout says where the parts of every expert are: the pools of each layer, a
// handful, ordered by First.
type Layout [][]Pool

// Range is where part i of an expert is.
func (l Layout) Range(id ID, i int) base.Range {
	p := l.pool(id)
	return base.Range{
		Object: p.Parts[i].Object,
		Off:    p.Parts[i].Off + int64(int(id.Index)-p.First)*p.Sizes[i],
		Len:    p.Sizes[i],
	}
}

// pool is the pool that holds an expert. An ID outside the model is a mistake
// of the caller and panics.
func (l Layout) pool(id ID) *Pool {
	pools := l[id.Layer]
	for i := range pools {
		if p := &pools[i]; int(id.Index) < p.First+p.Count {
			return p
		}
	}
	panic(fmt.Sprintf("expert %v is not in the model", id))
}

// Bytes is the size of all experts.
func (l Layout) Bytes() (n int64) {
	l.each(func(p *Pool) {
		for _, size := range p.Sizes {
			n += size * int64(p.Count)
		}
	})
	return n
}

// slotBytes is the memory of an expert of the pool, whose parts are read as
// their aligned supersets.
func (p *Pool) slotBytes(align int) (n int64) {
	for _, size := range p.Sizes {
		n += padded(size, align)
	}
	return n
}

// padded is the most bytes that the aligned superset of size bytes takes.
func padded(size int64, align int) int64 {
	a := int64(align)
	if a == 1 {
		return size
	}
	return (size+a-1)/a*a + a
}

func (l Layout) each(f func(p *Pool)) {
	for _, pools := range l {
		for i := range pools {
			f(&pools[i])
		}
	}
}

// Slots is the memory that all experts take when resident, and Largest that of
// the largest one, under a rung's alignment.
func (l Layout) Slots(align int) (all, largest int64) {
	l.each(func(p *Pool) {
		n := roundPage(p.slotBytes(align))
		all += n * int64(p.Count)
		largest = max(largest, n)
	})
	return all, largest
}

// page is the unit of memory; slots are whole pages.
const page = 4096

func roundPage(n int64) int64 { return (n + page - 1) / page * page }

// Lease is the right to read one expert's bytes until it is released.
type Lease struct {
	e *entry
	b *Batch
}

// ID is the expert.
func (l Lease) ID() ID { return l.e.id }

// Part is the bytes of part i. They stay as they are until Release.
func (l Lease) Part(i int) []byte { return l.e.parts[i] }

// Release gives the lease back. Releasing twice is a mistake and panics.
func (l Lease) Release() { l.b.release(l.e) }

// Batch yields the leases of one Acquire.
type Batch struct {
	c       *Cache
	ready   []*entry // readable and pinned, not yet yielded
	missing []ID     // not resident when the batch was opened
	begun   int      // missing[:begun] are being read, or have been
	waiting int      // entries of the batch that are being read
	held    []*entry // yielded and not released
	open    bool
	err     error
}

// Next returns the next lease: resident experts first, then in the order in
// which reads finish. It returns io.EOF after the last one. Any other error,
// a *rung.ReadError or ctx's, ends the batch.
func (b *Batch) Next(ctx context.Context) (Lease, error) { return b.c.next(ctx, b) }

// Close ends the batch. Leases that are still held are released.
func (b *Batch) Close() { b.c.end(b) }
