package expert

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung/dram"
)

// disk is a rung that computes the bytes it holds, so that a test knows what
// every part must be, and that can fail or hold back reads.
type disk struct {
	align int
	fail  func(n int64) error
	gate  chan struct{} // when not nil, every read waits for a value
	reads atomic.Int64
}

func (*disk) Name() string { return "disk" }
func (d *disk) Align() int { return d.align }
func (*disk) Close() error { return nil }

func at(obj base.Object, off int64) byte { return byte(off*7 + off>>8 + int64(len(obj.Name))) }

func (d *disk) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	n := d.reads.Add(1)
	if d.gate != nil {
		select {
		case <-d.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.fail != nil {
		if err := d.fail(n); err != nil {
			return err
		}
	}
	for i := range p {
		p[i] = at(obj, off+int64(i))
	}
	return nil
}

// layout has 3 layers of 8 small and 4 large experts, at odd offsets.
func layout() Layout {
	obj := base.Object{Name: "model", Size: 1 << 30}
	var l Layout
	for layer := range int64(3) {
		base0 := layer*10_000_000 + 33
		pool := func(first, count int, size, off int64) Pool {
			p := Pool{First: first, Count: count}
			for i := range int64(3) {
				p.Parts = append(p.Parts, base.Range{Object: obj, Off: base0 + off + i*1_000_000, Len: size * int64(count)})
				p.Sizes = append(p.Sizes, size)
			}
			return p
		}
		l = append(l, []Pool{pool(0, 8, 5000, 0), pool(8, 4, 9001, 4_000_000)})
	}
	return l
}

func checkLease(t *testing.T, l Layout, lease Lease) {
	t.Helper()
	for i := range 3 {
		r := l.Range(lease.ID(), i)
		part := lease.Part(i)
		require.Len(t, part, int(r.Len))
		for _, k := range []int{0, 1, len(part) / 2, len(part) - 1} {
			require.Equal(t, at(r.Object, r.Off+int64(k)), part[k], "%v part %d byte %d", lease.ID(), i, k)
		}
	}
}

// drain runs a batch to its end and returns what it yielded.
func drain(t *testing.T, c *Cache, l Layout, ids []ID) (map[ID]bool, error) {
	t.Helper()
	b := c.Acquire(ids)
	defer b.Close()
	got := map[ID]bool{}
	for {
		lease, err := b.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		require.False(t, got[lease.ID()], "%v twice", lease.ID())
		got[lease.ID()] = true
		checkLease(t, l, lease)
		lease.Release()
	}
}

func randomIDs(r *rand.Rand, n int) []ID {
	layer := r.Int32N(3)
	var ids []ID
	for _, i := range r.Perm(12)[:n] {
		ids = append(ids, ID{layer, int32(i)})
	}
	return ids
}

// TestEveryBudgetGivesTheSameBytes walks from a thrashing cache to one that
// holds everything, with aligned and with free reads.
func TestEveryBudgetGivesTheSameBytes(t *testing.T) {
	for _, align := range []int{1, 512, 4096} {
		l := layout()
		all, largest := l.Slots(align)
		for _, budget := range []int64{2 * largest, 3 * largest, all / 3, all} {
			r := rand.New(rand.NewPCG(uint64(budget), uint64(align)))
			c, err := New(Options{Rung: &disk{align: align}, Layout: l, Budget: base.ByteSize(budget)})
			require.NoError(t, err)
			for range 150 {
				ids := randomIDs(r, 1+r.IntN(12))
				c.Hint(randomIDs(r, 3))
				got, err := drain(t, c, l, ids)
				require.NoError(t, err)
				require.Len(t, got, len(ids))
				require.LessOrEqual(t, c.used, budget)
			}
			s := c.Stats()
			require.Positive(t, s.Hits)
			require.LessOrEqual(t, s.Resident, budget)
			if budget == all {
				require.Zero(t, s.Evictions)
			} else {
				require.Positive(t, s.Evictions)
			}
			require.NoError(t, c.Close())
		}
	}
}

func TestBelowTheFloorIsRefused(t *testing.T) {
	l := layout()
	_, largest := l.Slots(1)
	_, err := New(Options{Rung: &disk{align: 1}, Layout: l, Budget: base.ByteSize(2*largest - 1)})
	var be *BudgetError
	require.ErrorAs(t, err, &be)
	require.Equal(t, base.ByteSize(2*largest), be.Need)
}

var errDisk = errors.New("disk on fire")

// TestAFailedReadIsAnError fails every n-th read: a batch ends with the error
// or yields exactly what was asked for, and the cache works on.
func TestAFailedReadIsAnError(t *testing.T) {
	l := layout()
	_, largest := l.Slots(1)
	failed := 0
	for n := int64(1); n < 40; n++ {
		d := &disk{align: 1, fail: func(i int64) error {
			if i%n == 0 && i < 200 {
				return errDisk
			}
			return nil
		}}
		c, err := New(Options{Rung: d, Layout: l, Budget: base.ByteSize(4 * largest)})
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(uint64(n), 1))
		for range 60 {
			ids := randomIDs(r, 6)
			got, err := drain(t, c, l, ids)
			if err != nil {
				require.ErrorIs(t, err, errDisk)
				failed++
				continue
			}
			require.Len(t, got, 6)
		}
		require.NoError(t, c.Close())
	}
	require.Positive(t, failed)
}

func TestResidentsComeFirst(t *testing.T) {
	l := layout()
	all, _ := l.Slots(1)
	d := &disk{align: 1}
	c, err := New(Options{Rung: d, Layout: l, Budget: base.ByteSize(all)})
	require.NoError(t, err)
	_, err = drain(t, c, l, []ID{{0, 5}})
	require.NoError(t, err)
	d.gate = make(chan struct{})
	b := c.Acquire([]ID{{0, 1}, {0, 5}, {0, 9}})
	lease, err := b.Next(context.Background())
	require.NoError(t, err)
	require.Equal(t, ID{0, 5}, lease.ID(), "while the others are still on the disk")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = b.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	b.Close()
	close(d.gate)
	got, err := drain(t, c, l, []ID{{0, 1}, {0, 9}})
	require.NoError(t, err)
	require.Len(t, got, 2, "reads of a batch that was given up are taken over")
	require.NoError(t, c.Close())
}

func TestMisuseIsFound(t *testing.T) {
	l := layout()
	_, largest := l.Slots(1)
	c, err := New(Options{Rung: &disk{align: 1}, Layout: l, Budget: base.ByteSize(2 * largest)})
	require.NoError(t, err)
	b := c.Acquire([]ID{{0, 8}, {0, 9}, {0, 10}})
	require.Panics(t, func() { c.Acquire(nil) }, "two open batches")
	first, err := b.Next(context.Background())
	require.NoError(t, err)
	_, err = b.Next(context.Background())
	require.NoError(t, err)
	_, err = b.Next(context.Background())
	require.ErrorContains(t, err, "leases are held", "no deadlock when the caller holds everything")
	b.Close()
	require.Panics(t, first.Release)
	require.NoError(t, c.Close())
}

func TestViewsAreNotCopied(t *testing.T) {
	l := layout()
	bytes := make([]byte, 40_000_000)
	for layer := range l {
		for i := range l[layer] {
			for k := range l[layer][i].Parts {
				l[layer][i].Parts[k].Object.Size = int64(len(bytes))
			}
		}
	}
	for i := range bytes {
		bytes[i] = at(base.Object{Name: "model"}, int64(i))
	}
	c, err := New(Options{Rung: dram.New(map[string][]byte{"model": bytes}), Layout: l})
	require.NoError(t, err)
	got, err := drain(t, c, l, []ID{{1, 0}, {1, 11}})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Zero(t, c.Stats().Resident)
	require.Zero(t, c.Stats().ReadBytes)
	require.NoError(t, c.Close())
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	l := layout()
	all, _ := l.Slots(1)
	c, err := New(Options{Rung: &disk{align: 1}, Layout: l, Budget: base.ByteSize(all)})
	require.NoError(t, err)
	ids := []ID{{0, 1}, {0, 5}, {0, 9}}
	_, err = drain(t, c, l, ids)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b := c.Acquire(ids)
		for {
			lease, err := b.Next(context.Background())
			if err != nil {
				break
			}
			lease.Release()
		}
		b.Close()
	}))
	require.NoError(t, c.Close())
}
