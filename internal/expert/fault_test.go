package expert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
)

// modelFile is the object of the tests as a file.
var modelFile = func() vfs.Mem {
	b := make([]byte, object.Size)
	for i := range b {
		b[i] = contents(object, int64(i))
	}
	return vfs.Mem{object.Name: b}
}()

// openFile opens a cache on the file of the tests with these faults.
func openFile(t *testing.T, direct bool, slots int64, depth int, rules ...errorfs.Rule) *Cache {
	t.Helper()
	r, err := nvme.Open(errorfs.New(modelFile, rules...), []base.Object{object}, direct)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	l := testLayout()
	_, largest := l.Slots(r.Align())
	return open(t, Options{Rung: r, Layout: l, Budget: base.ByteSize(slots * largest), Depth: depth})
}

// TestAFailedReadIsAnError fails every n-th read of a file: a batch ends with
// the disk's error, or yields exactly what was asked for, and the cache works
// on.
func TestAFailedReadIsAnError(t *testing.T) {
	faults := map[string]struct {
		rule func(errorfs.Match) errorfs.Rule
		want error
	}{
		"error": {func(m errorfs.Match) errorfs.Rule { return m.Fail(syscall.EIO) }, syscall.EIO},
		"cut":   {func(m errorfs.Match) errorfs.Rule { return m.Short(100) }, rung.ErrChanged},
	}
	for name, fault := range faults {
		for _, direct := range []bool{false, true} {
			for n := int64(1); n <= 30; n++ {
				t.Run(fmt.Sprintf("%s/direct=%v/every=%d", name, direct, n), func(t *testing.T) {
					c := openFile(t, direct, 2+n%5, int(1+n%6), fault.rule(errorfs.Every(n)))
					r := rand.New(rand.NewPCG(uint64(n), 1))
					failed := 0
					for range 40 {
						c.Hint(draw(r, 2))
						ids := draw(r, 1+r.IntN(8))
						if _, err := drain(t, c, ids); err != nil {
							var re *rung.ReadError
							require.ErrorAs(t, err, &re)
							require.ErrorIs(t, err, fault.want)
							require.Equal(t, object, re.Object)
							failed++
						}
						verify(t, c)
					}
					require.Positive(t, failed)
				})
			}
		}
	}
}

// TestADeadDiskServesWhatIsResident kills the disk: what is resident is lent,
// and everything else is an error, as often as it is asked for.
func TestADeadDiskServesWhatIsResident(t *testing.T) {
	c := openFile(t, true, 4, 2, errorfs.From(6).Fail(syscall.EIO))
	resident := []ID{{0, 0, 1}, {2, 0, 9}}
	_, err := drain(t, c, resident) // of three parts each
	require.NoError(t, err)
	for range 5 {
		_, err = drain(t, c, resident)
		require.NoError(t, err)
		got, err := drain(t, c, []ID{{0, 0, 2}, {0, 0, 1}})
		require.ErrorIs(t, err, syscall.EIO)
		require.LessOrEqual(t, len(got), 1, "the failed expert is never another one")
		verify(t, c)
	}
	require.Zero(t, c.Stats().Evictions, "a failed read frees its own slot")
}

// TestScrambledCompletion lets reads finish in a random order, whatever the
// order in which they began.
func TestScrambledCompletion(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 5))
		began := make(chan chan struct{}, 64)
		c := openFile(t, seed%2 == 0, 3+int64(seed), 4, errorfs.All().Wait(func(errorfs.Op) {
			turn := make(chan struct{})
			began <- turn
			<-turn
		}))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go scramble(r, began, stop, stopped)
		orders := map[[8]ID]bool{}
		own := rand.New(rand.NewPCG(seed, 6))
		for range 40 {
			ids := draw(own, 8)
			b, order := c.Acquire(ids), [8]ID{}
			for n := 0; ; n++ {
				lease, err := b.Next(context.Background())
				if errors.Is(err, io.EOF) {
					require.Equal(t, len(ids), n)
					break
				}
				require.NoError(t, err)
				require.NoError(t, mistake(c.layout, lease))
				order[n] = lease.ID()
				lease.Release()
			}
			b.Close()
			orders[order] = true
		}
		require.Greater(t, len(orders), 10)
		close(stop)
		<-stopped
		verify(t, c)
	}
}

// scramble lets the reads that wait go on, one at a time, any of them first.
func scramble(r *rand.Rand, began chan chan struct{}, stop, stopped chan struct{}) {
	defer close(stopped)
	var waiting []chan struct{}
	for {
		if len(waiting) == 0 {
			select {
			case turn := <-began:
				waiting = append(waiting, turn)
			case <-stop:
				return
			}
		}
		for more := true; more; {
			select {
			case turn := <-began:
				waiting = append(waiting, turn)
			default:
				more = false
			}
		}
		i := r.IntN(len(waiting))
		close(waiting[i])
		waiting = append(waiting[:i], waiting[i+1:]...)
	}
}

// FuzzWalk walks through bytes as operations on a cache over a file that fails
// now and then: bytes are right or an error has its type, the state is whole
// after each step, and nothing is left at the end.
func FuzzWalk(f *testing.F) {
	f.Add(uint8(0), uint8(7), []byte("acquire, hint, cancel and close in some order"))
	f.Add(uint8(3), uint8(0), []byte{0x00, 0xff, 0x41, 0x9a, 0x27, 0x63, 0x81, 0x12, 0xc4, 0x35})
	f.Add(uint8(250), uint8(2), []byte{0xf0, 0xf1, 0xf2, 0xf3, 0x10, 0x20, 0x30, 0xf4, 0x50})
	f.Fuzz(func(t *testing.T, shape, every uint8, ops []byte) {
		var rules []errorfs.Rule
		if every > 0 {
			rules = append(rules, errorfs.Every(int64(every)).Fail(syscall.EIO))
		}
		before := memory.InUse()
		t.Cleanup(func() { require.Equal(t, before, memory.InUse()) })
		c := openFile(t, shape&1 == 0, 2+int64(shape>>5), 1+int(shape>>1&7), rules...)
		for i, op := range ops[:min(len(ops), 64)] {
			r := rand.New(rand.NewPCG(uint64(op), uint64(i)))
			switch op >> 5 {
			case 0:
				c.Hint(draw(r, 1+r.IntN(12)))
			case 1:
				giveUp(t, c, r)
			default:
				if _, err := drain(t, c, draw(r, 1+r.IntN(12))); err != nil {
					require.ErrorIs(t, err, syscall.EIO)
				}
			}
			verify(t, c)
		}
	})
}

// giveUp leaves a batch in the middle: cancelled, or closed with leases held.
func giveUp(t *testing.T, c *Cache, r *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := c.Acquire(draw(r, 1+r.IntN(12)))
	defer b.Close()
	for n := r.IntN(MinSlots + 1); n > 0; n-- {
		if lease, err := b.Next(ctx); err == nil {
			require.NoError(t, mistake(c.layout, lease))
		}
	}
	if r.IntN(2) == 0 {
		cancel()
		_, err := b.Next(ctx)
		require.Error(t, err)
	}
}

// TestDepth counts the reads that are in flight when nothing goes on any more:
// as many as the queue is deep, eight of them by default, and never more.
func TestDepth(t *testing.T) {
	for _, depth := range []int{1, 4, 0} {
		synctest.Test(t, func(t *testing.T) {
			var began atomic.Int64
			turn := make(chan struct{})
			c := openFile(t, true, 12, depth, errorfs.All().Wait(func(errorfs.Op) {
				began.Add(1)
				<-turn
			}))
			b := c.Acquire(draw(rand.New(rand.NewPCG(1, 1)), 12))
			defer b.Close()
			want := int64(depth)
			if depth == 0 {
				want = defaultDepth
			}
			for finished := range int64(4) {
				synctest.Wait()
				require.Equal(t, want+finished, began.Load())
				turn <- struct{}{}
			}
			close(turn)
		})
	}
}
