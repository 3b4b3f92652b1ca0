package par

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunCallsEveryWorkerOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		p := New(n)
		for range 2000 {
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

func TestSplitCovers(t *testing.T) {
	for n := range 100 {
		for workers := 1; workers < 6; workers++ {
			for _, align := range []int{1, 4, 16} {
				at := 0
				for w := range workers {
					lo, hi := Split(n, workers, w, align)
					require.Equal(t, at, lo)
					require.True(t, lo%align == 0 || lo == n)
					at = hi
				}
				require.Equal(t, n, at)
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
