package par

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunCallsEveryWorkerOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		p := New(n)
		for range 500 {
			calls := make([]atomic.Int32, n)
			p.Run(func(w int) { calls[w].Add(1) })
			for w := range calls {
				require.EqualValues(t, 1, calls[w].Load(), "worker %d of %d", w, n)
			}
		}
		p.Close()
	}
}

// TestWorkersParkAndWake lets the pool go idle between regions, by doing
// enough in the caller that workers stop spinning.
func TestWorkersParkAndWake(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 20 {
		sum := 0
		for i := range 3_000_000 {
			sum += i
		}
		var got atomic.Int32
		p.Run(func(int) { got.Add(1) })
		require.EqualValues(t, 2, got.Load())
		require.NotZero(t, sum)
	}
}

func TestPanicReachesTheCaller(t *testing.T) {
	p := New(3)
	defer p.Close()
	for w := range 3 {
		require.PanicsWithValue(t, w, func() {
			p.Run(func(i int) {
				if i == w {
					panic(i)
				}
			})
		})
	}
	var calls atomic.Int32
	p.Run(func(int) { calls.Add(1) })
	require.EqualValues(t, 3, calls.Load(), "the pool works on after a panic")
}

func TestPanicOfTheCallerWaits(t *testing.T) {
	p := New(2)
	defer p.Close()
	var done atomic.Bool
	require.PanicsWithValue(t, "caller", func() {
		p.Run(func(i int) {
			if i == 0 {
				panic("caller")
			}
			for range 1000 {
				runtime.Gosched()
			}
			done.Store(true)
		})
	})
	require.True(t, done.Load(), "Run returned before its workers")
}

func TestMisusePanics(t *testing.T) {
	for _, n := range []int{1, 2} {
		p := New(n)
		require.PanicsWithValue(t, "par: Run within Run, or after Close", func() {
			p.Run(func(i int) {
				if i == 0 {
					p.Run(func(int) {})
				}
			})
		})
		require.PanicsWithValue(t, "par: Close within Run", func() {
			p.Run(func(i int) {
				if i == 0 {
					p.Close()
				}
			})
		})
		p.Run(func(int) {})
		p.Close()
		p.Close()
		require.PanicsWithValue(t, "par: Run within Run, or after Close", func() { p.Run(func(int) {}) })
	}
}

// TestRegionsOrderMemory writes plain memory in one region and reads it in the
// next, from other workers: the race detector sees a missing order.
func TestRegionsOrderMemory(t *testing.T) {
	p := New(3)
	defer p.Close()
	n := p.Workers()
	from, to := make([]int, n), make([]int, n)
	for round := range 500 {
		p.Run(func(i int) { to[i] = from[(i+1)%n] + 1 })
		for i := range to {
			require.Equal(t, round+1, to[i])
		}
		from, to = to, from
	}
}

func TestClosedWorkersEnd(*testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		p := New(4)
		p.Run(func(int) {})
		p.Close()
	}
	for runtime.NumGoroutine() > before {
		runtime.Gosched() // the test times out when a worker stays
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	var sum atomic.Int64
	f := func(i int) { sum.Add(int64(i)) }
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Run(f) }))
	require.NotZero(t, sum.Load())
}

func TestSplitCovers(t *testing.T) {
	for n := range 100 {
		for workers := 1; workers < 6; workers++ {
			for _, align := range []int{1, 4, 16} {
				at, least, most := 0, n, 0
				for w := range workers {
					lo, hi := Split(n, workers, w, align)
					require.Equal(t, at, lo)
					require.True(t, lo%align == 0 || lo == n)
					at, least, most = hi, min(least, hi-lo), max(most, hi-lo)
				}
				require.Equal(t, n, at)
				require.Less(t, most-least, 2*align, "%d over %d", n, workers)
			}
		}
	}
}

func BenchmarkRun(b *testing.B) {
	p := New(2)
	defer p.Close()
	f := func(int) {}
	for b.Loop() {
		p.Run(f)
	}
}
