package expert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
	"github.com/lite-llm/lite/internal/rung/dram"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/vfs"
)

// TestEveryBudgetGivesTheSameBytes walks from a thrashing cache to one that
// holds everything, at depths and alignments, under both policies.
func TestEveryBudgetGivesTheSameBytes(t *testing.T) {
	l := testLayout()
	for _, align := range []int{1, 512, 4096} {
		all, largest := l.Slots(align)
		for i, budget := range []int64{l.Floor(align), 3 * largest, all / 3, all} {
			r := rand.New(rand.NewPCG(uint64(budget), uint64(align)))
			opt := Options{Rung: &disk{align: align}, Layout: l, Budget: base.ByteSize(budget), Depth: []int{1, 8, 3, 2}[i]}
			if i%2 == 1 {
				opt.Policy = policy.NewLRU()
			}
			c := open(t, opt)
			for range 150 {
				c.Hint(draw(r, 3))
				_, err := drain(t, c, draw(r, 1+r.IntN(12)))
				require.NoError(t, err)
				verify(t, c)
			}
			s := c.Stats()
			require.Positive(t, s.Hits)
			require.Positive(t, s.Slots)
			require.Zero(t, s.WaitTime, "nobody gave a clock")
			require.LessOrEqual(t, s.Resident, budget)
			if budget == all {
				require.Zero(t, s.Evictions)
				require.LessOrEqual(t, s.Misses, uint64(36), "no expert is read twice")
			} else {
				require.Positive(t, s.Evictions)
			}
			// Not when the test ends: what is hinted at is read meanwhile, and the
			// next cache's memory is compared with what is in use now.
			require.NoError(t, c.Close())
		}
	}
}

// TestOffKeepsNothing: every batch reads all that it asks for, whatever the budget.
func TestOffKeepsNothing(t *testing.T) {
	l := testLayout()
	all, _ := l.Slots(1)
	c := open(t, Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(all), Off: true})
	for range 5 {
		_, err := drain(t, c, []ID{{0, 0, 1}, {0, 0, 9}})
		require.NoError(t, err)
		verify(t, c)
		require.Zero(t, c.Stats().Resident)
	}
	s := c.Stats()
	require.Zero(t, s.Hits)
	require.EqualValues(t, 10, s.Misses)
	b := c.Acquire([]ID{{0, 0, 3}, {0, 0, 4}})
	_, err := b.Next(context.Background())
	require.NoError(t, err)
	b.Close() // with a lease, and one that was not yielded
	_, err = drain(t, c, []ID{{0, 0, 4}})
	require.NoError(t, err)
}

func TestBelowTheFloorIsRefused(t *testing.T) {
	l := testLayout()
	_, largest := l.Slots(1)
	require.Equal(t, MinSlots*largest, l.Floor(1))
	_, err := New(Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(2*largest - 1)})
	var be *BudgetError
	require.ErrorAs(t, err, &be)
	require.Equal(t, BudgetError{Need: base.ByteSize(2 * largest), Have: base.ByteSize(2*largest - 1)}, *be)

	// One expert alone needs no room for a second.
	one := Layout{{Pools: []Pool{{Count: 1, Parts: []base.Range{{Object: object, Len: 100}}, Sizes: []int64{100}}}}}
	all, _ := one.Slots(1)
	c := open(t, Options{Rung: &disk{}, Layout: one, Budget: base.ByteSize(all)})
	_, err = drain(t, c, []ID{{}})
	require.NoError(t, err)
}

func TestOptionsAreChecked(t *testing.T) {
	l := testLayout()
	l[2].Pools[1].First = 7
	_, err := New(Options{Rung: &disk{}, Layout: l, Budget: base.GiB})
	var le *LayoutError
	require.ErrorAs(t, err, &le)
	_, err = New(Options{Rung: &disk{align: 1 << 20}, Layout: testLayout(), Budget: base.GiB})
	require.ErrorContains(t, err, "page cache")
}

// TestHeldLeasesAreNoDeadlock holds the floor's promise, and what is beyond it.
func TestHeldLeasesAreNoDeadlock(t *testing.T) {
	l := testLayout()
	c := open(t, Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(l.Floor(1))})
	b := c.Acquire([]ID{{0, 0, 8}, {0, 0, 9}, {0, 0, 10}})
	var leases []Lease
	for range MinSlots {
		lease, err := b.Next(context.Background())
		require.NoError(t, err)
		leases = append(leases, lease)
	}
	_, err := b.Next(context.Background())
	var held *HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, MinSlots, held.Held)
	for _, lease := range leases {
		require.NoError(t, mistake(l, lease))
	}
	_, again := b.Next(context.Background())
	require.Equal(t, err, again, "an error ends the batch")
	b.Close()
	_, err = drain(t, c, []ID{{0, 0, 8}, {0, 0, 9}, {0, 0, 10}})
	require.NoError(t, err)
}

func TestMisusePanics(t *testing.T) {
	l := testLayout()
	all, _ := l.Slots(1)
	c := open(t, Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(all)})
	b := c.Acquire([]ID{{0, 0, 8}, {0, 0, 9}})
	require.PanicsWithValue(t, "expert: a batch is open already", func() { c.Acquire(nil) })
	first, err := b.Next(context.Background())
	require.NoError(t, err)
	second, err := b.Next(context.Background())
	require.NoError(t, err)
	require.PanicsWithValue(t, "expert: closed while leases are held", func() { _ = c.Close() })
	first.Release()
	require.Panics(t, first.Release, "twice")
	b.Close()
	b.Close()
	require.Panics(t, second.Release, "its batch is closed")
	_, err = b.Next(context.Background())
	require.ErrorIs(t, err, ErrClosed)

	// A lease of the same expert in the next batch is another lease.
	b = c.Acquire([]ID{first.ID()})
	_, err = b.Next(context.Background())
	require.NoError(t, err)
	require.Panics(t, first.Release)
	b.Close()

	for _, id := range []ID{{0, 0, 12}, {0, 0, -1}, {1, 0, 0}, {4, 0, 0}, {-1, 0, 0}} {
		require.Panics(t, func() { l.Range(id, 0) }, id)
	}
}

func TestNamedTwicePanics(t *testing.T) {
	l := testLayout()
	all, _ := l.Slots(1)
	for name, opt := range map[string]Options{
		"disk": {Rung: &disk{}, Layout: l, Budget: base.ByteSize(all)},
		"dram": {Rung: memoryRung(), Layout: l},
	} {
		c, err := New(opt)
		require.NoError(t, err)
		require.Panics(t, func() { c.Acquire([]ID{{0, 0, 1}, {0, 0, 2}, {0, 0, 1}}) }, name)
		require.NoError(t, c.Close())
	}
}

// memoryRung holds the disk's bytes in memory.
func memoryRung() *dram.Rung {
	b := make([]byte, object.Size)
	for i := range b {
		b[i] = contents(object, int64(i))
	}
	return dram.New(map[string][]byte{object.Name: b})
}

func TestViewsAreNotCopied(t *testing.T) {
	l := testLayout()
	c := open(t, Options{Rung: memoryRung(), Layout: l})
	for range 2 {
		c.Hint([]ID{{2, 0, 3}})
		_, err := drain(t, c, []ID{{2, 0, 0}, {2, 0, 11}})
		require.NoError(t, err)
	}
	require.Equal(t, Stats{Hits: 4, Rung: "dram", Tiers: []TierStats{{Hits: 4}}}, c.Stats())
	if !invariants {
		require.Zero(t, testing.AllocsPerRun(100, func() { cycle(c, []ID{{0, 0, 1}, {0, 0, 2}}) }))
	}

	b := c.Acquire([]ID{{2, 0, 0}, {2, 0, 1}})
	lease, err := b.Next(context.Background())
	require.NoError(t, err)
	lease.Release()
	require.Panics(t, lease.Release)
	b.Close()

	broken, err := New(Options{Rung: dram.New(nil), Layout: l})
	require.NoError(t, err)
	_, err = drain(t, broken, []ID{{0, 0, 0}})
	require.ErrorContains(t, err, "reading")
	require.NoError(t, broken.Close())
}

// cycle runs a batch without looking at its bytes.
func cycle(c *Cache, ids []ID) {
	b := c.Acquire(ids)
	for {
		lease, err := b.Next(context.Background())
		if err != nil {
			break
		}
		lease.Release()
	}
	b.Close()
}

// TestSteadyStateAllocatesNothing counts for hits, and for misses that evict.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	if invariants {
		t.Skip("leases are copies in this build")
	}
	l := testLayout()
	all, largest := l.Slots(1)
	for name, budget := range map[string]int64{"hits": all, "misses": 3 * largest} {
		for _, p := range []policy.Policy{nil, policy.NewLRU()} {
			c := open(t, Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(budget), Policy: p})
			turn := 0
			run := func() {
				turn++
				cycle(c, []ID{{0, 0, int64(turn % 8)}, {2, 0, int64(turn % 8)}, {3, 0, 3}})
			}
			for range 100 {
				run()
			}
			require.Zero(t, testing.AllocsPerRun(400, run), name)
			require.Equal(t, name == "misses", c.Stats().Evictions > 100)
		}
	}
}

func TestWaitsAreTimed(t *testing.T) {
	// The disk is slower than the first look at the clock, so that there is a
	// wait.
	looked := make(chan struct{})
	d := &disk{before: func(base.Object, int64, int) { <-looked }}
	var looks int
	c := open(t, Options{Rung: d, Layout: testLayout(), Budget: base.GiB, Clock: func() time.Duration {
		if looks++; looks == 1 {
			close(looked)
		}
		return time.Duration(looks) * time.Second
	}})
	_, err := drain(t, c, []ID{{0, 0, 1}, {0, 0, 2}})
	require.NoError(t, err)
	s := c.Stats()
	require.Positive(t, s.Waits)
	require.Equal(t, time.Duration(s.Waits)*time.Second, s.WaitTime)
}

func TestHitRate(t *testing.T) {
	require.InDelta(t, 1, Stats{}.HitRate(), 0)
	require.InDelta(t, 0.25, Stats{Hits: 1, Misses: 3}.HitRate(), 0)
}

// TestManyGoroutines lets hints, counts and releases come from others than the
// one that leads.
func TestManyGoroutines(t *testing.T) {
	l := testLayout()
	_, largest := l.Slots(512)
	c := open(t, Options{Rung: &disk{align: 512}, Layout: l, Budget: base.ByteSize(9 * largest)})
	stop := make(chan struct{})
	var others sync.WaitGroup
	for seed := range uint64(2) {
		others.Go(func() {
			r := rand.New(rand.NewPCG(seed, 3))
			for {
				select {
				case <-stop:
					return
				default:
					c.Hint(draw(r, 4))
					_ = c.Stats()
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		ids := draw(r, 6)
		b := c.Acquire(ids)
		var workers sync.WaitGroup
		for n := 0; ; n++ {
			lease, err := b.Next(context.Background())
			if errors.Is(err, io.EOF) {
				require.Equal(t, len(ids), n)
				break
			}
			require.NoError(t, err)
			workers.Go(func() {
				if err := mistake(l, lease); err != nil {
					t.Error(err)
				}
				lease.Release()
			})
		}
		workers.Wait()
		b.Close()
		verify(t, c)
	}
	close(stop)
	others.Wait()
}

// TestCloseDuringABatch ends who waits.
func TestCloseDuringABatch(t *testing.T) {
	l := testLayout()
	began, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := &disk{before: func(base.Object, int64, int) {
		once.Do(func() { close(began) })
		<-release
	}}
	c := open(t, Options{Rung: d, Layout: l, Budget: base.GiB})
	b := c.Acquire([]ID{{0, 0, 1}})
	done := make(chan error)
	go func() {
		_, err := b.Next(context.Background())
		done <- err
	}()
	<-began
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	require.ErrorIs(t, <-done, ErrClosed)
	close(release)
	require.NoError(t, <-closed)
	require.NoError(t, c.Close(), "again does nothing")
	after := c.Acquire([]ID{{0, 0, 1}})
	_, err := after.Next(context.Background())
	require.ErrorIs(t, err, ErrClosed)
	after.Close()
}

// BenchmarkLease measures a lease of a resident expert.
func BenchmarkLease(b *testing.B) {
	l := testLayout()
	all, _ := l.Slots(1)
	c, err := New(Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(all)})
	require.NoError(b, err)
	ids := []ID{{0, 0, 1}, {0, 0, 2}, {0, 0, 3}, {0, 0, 4}, {0, 0, 5}, {0, 0, 6}, {0, 0, 7}, {0, 0, 0}}
	cycle(c, ids)
	b.ReportAllocs()
	for b.Loop() {
		cycle(c, ids)
	}
	require.NoError(b, c.Close())
}

// BenchmarkMiss measures what a cache reads from a file that it cannot hold: 8
// experts of 1 MiB at a time, past the page cache where the system can.
func BenchmarkMiss(b *testing.B) {
	const size, count = 1 << 20, 64
	name := filepath.Join(b.TempDir(), "model")
	require.NoError(b, os.WriteFile(name, make([]byte, size*count+4096), 0o600))
	obj := base.Object{Name: name, Size: size*count + 4096}
	p := Pool{Count: count}
	for i := range int64(2) { // gate and up, and down; off every alignment
		p.Parts = append(p.Parts, base.Range{Object: obj, Off: 96 + i*count*size/2, Len: count * size / 2})
		p.Sizes = append(p.Sizes, size/2)
	}
	for _, depth := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			r, err := nvme.Open(vfs.OS{}, []base.Object{obj}, true)
			if _, refused := errors.AsType[*vfs.DirectError](err); refused {
				r, err = nvme.Open(vfs.OS{}, []base.Object{obj}, false)
			}
			require.NoError(b, err)
			c, err := New(Options{Rung: r, Layout: Layout{{Pools: []Pool{p}}}, Budget: 10 * base.MiB, Depth: depth})
			require.NoError(b, err)
			b.SetBytes(8 * size)
			b.ReportAllocs()
			turn := int64(0)
			ids := make([]ID, 8)
			for b.Loop() {
				for i := range ids {
					ids[i] = ID{Index: turn % count}
					turn++
				}
				cycle(c, ids)
			}
			b.ReportMetric(100*c.Stats().HitRate(), "%hits")
			require.NoError(b, c.Close())
			require.NoError(b, r.Close())
		})
	}
}
