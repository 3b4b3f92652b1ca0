package par

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLateWake wakes a parked worker when no region has begun, as a leader does
// that was preempted while it opened one: the worker has done its part meanwhile.
// It must neither run the region again nor count itself out of a later one.
func TestLateWake(t *testing.T) {
	p := New(2)
	defer p.Close()
	var ran padded
	work := func(w int) {
		if w == 1 {
			ran.v.Add(1)
		}
	}
	for region := range uint32(20) {
		p.Run(work)
		require.Equal(t, region+1, ran.v.Load())
		w := p.workers[0]
		for !w.parked.v.CompareAndSwap(1, 0) {
			runtime.Gosched()
		}
		w.wake <- struct{}{}
		for w.parked.v.Load() == 0 { // until it has looked and parked again
			runtime.Gosched()
		}
	}
}
