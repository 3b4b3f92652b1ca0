package memory

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Heap is what the Go runtime has taken from the system and not given back, in
// bytes: its heap, its stacks and its own records. Alloc's bytes are not part
// of it.
func Heap() int64 {
	s := [...]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s[:])
	total, released := s[0].Value.Uint64(), s[1].Value.Uint64()
	return int64(min(total-released, math.MaxInt64))
}

// limits are the bounds on the Go heap that are in force.
var limits struct {
	sync.Mutex
	program int64 // the one that was there before ours
	ours    map[*int64]struct{}
}

// LimitHeap asks the collector to keep Heap under n bytes, until release is
// called. Without it the heap doubles before anything is collected, and no plan
// of memory could be kept. The collector runs beside the program, so that one
// which makes garbage as fast as it can is tens of MiB over before it is done
// (measured: 20 to 90 at 5 GB/s): who plans memory must not make much at once.
// Of several limits the highest is in force: each is
// what its owner found that the process may have, and the last plan knows of
// those before it. A lower limit that the program has of its own, such as
// GOMEMLIMIT, stays.
func LimitHeap(n int64) (release func()) {
	limits.Lock()
	defer limits.Unlock()
	if len(limits.ours) == 0 {
		limits.program = debug.SetMemoryLimit(-1)
		limits.ours = map[*int64]struct{}{}
	}
	limits.ours[&n] = struct{}{}
	setLimit()
	return func() {
		limits.Lock()
		defer limits.Unlock()
		if _, held := limits.ours[&n]; held {
			delete(limits.ours, &n)
			setLimit()
		}
	}
}

// setLimit puts the limits in force.
func setLimit() {
	if len(limits.ours) == 0 {
		debug.SetMemoryLimit(limits.program)
		return
	}
	highest := int64(0)
	for n := range limits.ours {
		highest = max(highest, *n)
	}
	debug.SetMemoryLimit(min(highest, limits.program))
}
