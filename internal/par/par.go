// Package par runs a function on a fixed set of workers. It carries the
// parallel regions of both roads: a layer has several, microseconds long, so
// that waking a parked thread for each would cost more than the work.
package par

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A worker without work, or a caller without its workers, first looks again and
// again: spins times with the processor's pause between, some 100 µs, and then for
// as long as patience with an offer of the processor to others. Only then it parks.
// Waking a parked thread takes two wake-ups of the system (its own, and that of
// whoever finds the goroutine), 0.7 ms together on the virtual machine where this
// was measured: with 0.1 ms of patience, two threads read a prompt no faster than
// one. Longer than patience is a wait for the disk or for a user, and an idle
// process uses no processor. A pool with more workers than processors has none:
// who waits would keep a processor from who works.
const (
	spins    = 500
	patience = 2 * time.Millisecond
)

// until returns true as soon as done does, or false when that took too long.
func (p *Pool) until(done func() bool) bool {
	for range spins {
		if done() {
			return true
		}
		pause()
	}
	//nolint:forbidigo // how long to look decides when a worker starts, never what it computes
	for begin := time.Now(); p.patient && time.Since(begin) < patience; yield() {
		for range 8 {
			if done() {
				return true
			}
			pause()
		}
	}
	return false
}

// Pool is a set of workers. Worker 0 is the caller of Run; the others are
// goroutines that keep their thread. A Pool is led by one goroutine at a time.
type Pool struct {
	n       int
	f       func(worker int)
	epoch   padded // counts regions
	pending padded // workers still at work in this region, and parkedLeader
	done    chan struct{}
	workers []*worker
	patient bool        // see patience
	busy    atomic.Bool // a region is open, or the pool is closed
	closed  bool
	failed  atomic.Pointer[failure]
}

// parkedLeader is the bit of pending that says that the caller sleeps until the
// last worker wakes it. It is part of the counter so that leaving a region is one
// atomic step: a worker that left and was then preempted, before it could look
// whether somebody waits, would wake the caller out of a later region.
const parkedLeader = 1 << 31

// padded keeps a counter on a cache line of its own.
type padded struct {
	_ [64]byte
	v atomic.Uint32
	_ [60]byte
}

type worker struct {
	parked padded
	wake   chan struct{}
}

// failure is a panic of a worker, carried to the caller.
type failure struct{ value any }

// processors is how many the process may use: GOMAXPROCS before Reserve raises it.
var processors = runtime.GOMAXPROCS(0)

// Processors is how many processors the process may use.
func Processors() int { return processors }

// Reserve makes room for n goroutines that wait for the system beside that many
// workers. A worker that looks for work keeps its thread and Go's scheduler a place
// of GOMAXPROCS: with no place left, a goroutine that is to begin a read waits until
// a worker parks, milliseconds later. It is the process's setting, raised where it is
// lower and never lowered.
func Reserve(workers, n int) {
	if want := workers + n; runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
}

// New returns a pool of that many workers, at least one.
func New(workers int) *Pool {
	p := &Pool{n: max(workers, 1), done: make(chan struct{}, 1)}
	p.patient = p.n <= Processors()
	for i := 1; i < p.n; i++ {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go p.loop(i, w)
	}
	return p
}

// Workers is the number of workers.
func (p *Pool) Workers() int { return p.n }

// Run calls f(0), f(1), … at once, one call per worker, and returns when all
// have returned: what they wrote can be read. A panic in one of them is raised
// again here, with the same value, when the others are done. Run panics when it
// is called from within f, from two goroutines at once, or after Close; f must
// not end its goroutine (runtime.Goexit, which is testing's FailNow).
func (p *Pool) Run(f func(worker int)) {
	if !p.busy.CompareAndSwap(false, true) {
		panic("par: Run within Run, or after Close")
	}
	defer p.finish() // also when f(0) panics: the others still hold f
	if p.n > 1 {
		p.f = f
		p.start()
	}
	f(0)
}

// finish closes a region.
func (p *Pool) finish() {
	if p.n > 1 {
		p.wait()
		p.f = nil
	}
	p.busy.Store(false)
	if f := p.failed.Swap(nil); f != nil {
		panic(f.value)
	}
}

// start opens a region and wakes the workers that parked.
func (p *Pool) start() {
	p.pending.v.Store(uint32(p.n - 1)) //nolint:gosec // a few workers
	p.epoch.v.Add(1)
	for _, w := range p.workers {
		if w.parked.v.CompareAndSwap(1, 0) {
			w.wake <- struct{}{}
		}
	}
}

// wait returns when no worker is left in the region.
func (p *Pool) wait() {
	if p.until(func() bool { return p.pending.v.Load() == 0 }) {
		return
	}
	if p.pending.v.Add(parkedLeader) == parkedLeader {
		return // the last worker left before it could see that we wait
	}
	<-p.done
}

// loop serves one region after the other. The worker keeps its thread: the
// scheduler would move it to the processor of whoever woke it.
func (p *Pool) loop(i int, w *worker) {
	runtime.LockOSThread()
	for seen := uint32(0); ; {
		p.await(w, seen)
		seen++
		if p.closed {
			return
		}
		p.call(i)
		if p.pending.v.Add(^uint32(0)) == parkedLeader {
			p.done <- struct{}{}
		}
	}
}

// await returns when the region after seen has begun. Being woken does not say
// that it has: a leader that was preempted between opening a region and looking who
// sleeps may wake a worker that has done its part of that region and parked since.
func (p *Pool) await(w *worker, seen uint32) {
	begun := func() bool { return p.epoch.v.Load() != seen }
	for !p.until(begun) {
		w.parked.v.Store(1)
		if begun() && w.parked.v.CompareAndSwap(1, 0) {
			return // the region began before its leader could see that we parked
		}
		<-w.wake
	}
}

// call runs worker i's part and keeps the first panic of a region.
func (p *Pool) call(i int) {
	defer func() {
		if v := recover(); v != nil {
			p.failed.CompareAndSwap(nil, &failure{v})
		}
	}()
	p.f(i)
}

// Close ends the workers. It may be called again; the pool cannot be used
// afterwards.
func (p *Pool) Close() {
	if p.closed {
		return
	}
	if !p.busy.CompareAndSwap(false, true) {
		panic("par: Close within Run")
	}
	p.closed = true
	if p.n > 1 {
		p.start()
	}
}

// Split returns worker's share [lo, hi) of [0, n), cut at multiples of align,
// which is at least one. The shares of all workers cover [0, n) exactly, in
// order, and differ by one unit of align at most; a share may be empty.
func Split(n, workers, worker, align int) (lo, hi int) {
	units := (n + align - 1) / align
	return min(n, units*worker/workers*align), min(n, units*(worker+1)/workers*align)
}
