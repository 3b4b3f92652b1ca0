// Package steady makes a bucket that tries once one that can be relied on: it
// tries again after faults, with jitter and within a quota, gives up attempts
// that stall, and asks a second time when a first byte is late. On the
// parameter's road it stands between a bucket and the object rung.
//
// What is done when is decided by a pure machine (read), which is tested as text.
// The rest here carries it out.
package steady

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/lite-llm/lite/internal/bucket"
)

// Bucket is a bucket that does not give up at once.
type Bucket struct {
	inner     bucket.Bucket
	opt       Options
	quota     *quota
	latencies latencies
	counts    struct{ attempts, retries, hedges, stalls, gets, stats atomic.Uint64 }
}

// Counts is what a Bucket did.
type Counts struct {
	Gets, Stats uint64 // reads and looks that were asked for
	Attempts    uint64 // requests that were made for them
	Retries     uint64 // of them, those after a failure
	Hedges      uint64 // of them, those beside one that was late
	Stalls      uint64 // of them, those that were given up because no byte came
}

// GivenUpError says that an object could not be had, although it was tried.
type GivenUpError struct {
	Attempts int
	Why      string
	Err      error // of the last attempt
}

// Error implements error.
func (e *GivenUpError) Error() string {
	return fmt.Sprintf("%v; given up after %d attempts (%s)", e.Err, e.Attempts, e.Why)
}

// Unwrap returns the last attempt's error.
func (e *GivenUpError) Unwrap() error { return e.Err }

// New wraps a bucket.
func New(inner bucket.Bucket, opt Options) *Bucket {
	b := &Bucket{inner: inner, opt: opt.settle()}
	b.quota = newQuota(&b.opt)
	return b
}

// Name is the bucket's.
func (b *Bucket) Name() string { return b.inner.Name() }

// Counts returns the counts so far. Any goroutine may call it.
func (b *Bucket) Counts() Counts {
	c := &b.counts
	return Counts{c.gets.Load(), c.stats.Load(), c.attempts.Load(), c.retries.Load(), c.hedges.Load(), c.stalls.Load()}
}

// Stat looks for the object.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Object, error) {
	b.counts.stats.Add(1)
	var found bucket.Object
	err := b.run(ctx, func(ctx context.Context, f *attempt) error {
		obj, err := b.inner.Stat(ctx, key)
		if err == nil && f.mayWrite() {
			found = obj
		}
		return err
	})
	return found, err
}

// ReadAt fills p with the bytes of obj from off on. p is full exactly when the
// error is nil, and not touched after it returns. The error is ctx's, or of the
// last attempt, in a *GivenUpError when there were several.
func (b *Bucket) ReadAt(ctx context.Context, obj bucket.Object, p []byte, off int64) error {
	if err := bucket.CheckRange(obj, off, int64(len(p))); err != nil {
		return err
	}
	b.counts.gets.Add(1)
	return b.run(ctx, func(ctx context.Context, f *attempt) error {
		return b.get(ctx, f, obj, p, off)
	})
}

// get is one attempt to fill p.
func (b *Bucket) get(ctx context.Context, f *attempt, obj bucket.Object, p []byte, off int64) (err error) {
	body, err := b.inner.Get(ctx, obj, off, int64(len(p)))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := body.Close(); err == nil {
			err = cerr
		}
	}()
	if !f.mayWrite() {
		return context.Canceled
	}
	for done := 0; done < len(p); {
		n, err := body.Read(p[done:])
		done += n
		f.bytes.Add(int64(n))
		switch {
		case done == len(p):
		case err != nil:
			return err
		}
	}
	var more [1]byte
	if _, err := body.Read(more[:]); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// attempt is one that runs.
type attempt struct {
	number int
	ctx    context.Context //nolint:containedctx // the attempt's own, ended by cancel
	cancel context.CancelFunc
	bytes  atomic.Int64 // that have come
	seen   int64        // of them, at the last look
	events chan<- event
	permit chan struct{} // closed when its bytes are taken
}

// event is what an attempt tells.
type event struct {
	f        *attempt
	answered bool
	err      error
}

// mayWrite tells that the first byte is there, and waits until it is decided
// whether this attempt gives the bytes.
func (f *attempt) mayWrite() bool {
	f.events <- event{f: f, answered: true}
	select {
	case <-f.permit:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// runner carries out what a read decides.
type runner struct {
	b      *Bucket
	do     func(context.Context, *attempt) error
	ctx    context.Context //nolint:containedctx // of the one call that the runner lives for
	r      *read
	events chan event
	flying map[int]*attempt
	last   error // of an attempt that failed by itself
	why    string
	over   bool
	well   bool
}

// run makes attempts until one succeeds or it is given up.
func (b *Bucket) run(ctx context.Context, do func(context.Context, *attempt) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	late := time.Duration(0)
	if b.opt.Late > 0 {
		if p := b.latencies.percentile(b.opt.Late); p > 0 {
			late = max(p, b.opt.LeastLate)
		}
	}
	x := &runner{
		b: b, do: do, ctx: ctx, r: newRead(&b.opt, b.quota, late),
		events: make(chan event), flying: map[int]*attempt{},
	}
	x.act(x.r.begin(b.opt.Clock.Now()))
	for !x.over {
		x.wait()
	}
	// No attempt writes to the caller's memory after this.
	for _, f := range x.flying {
		f.cancel()
	}
	for len(x.flying) > 0 {
		if e := <-x.events; !e.answered {
			x.leave(e.f)
		}
	}
	return x.result()
}

func (x *runner) result() error {
	switch {
	case x.well:
		return nil
	case x.ctx.Err() != nil:
		return x.ctx.Err()
	case x.r.made > 1 || x.why == tooMany:
		return &GivenUpError{Attempts: x.r.made, Why: x.why, Err: x.last}
	}
	return x.last
}

// wait waits for something to happen and decides what to do.
func (x *runner) wait() {
	clock := x.b.opt.Clock
	var alarm <-chan struct{}
	if at, ok := x.r.wake(); ok {
		var stop func()
		alarm, stop = clock.After(max(0, at-clock.Now()))
		defer stop()
	}
	select {
	case <-x.ctx.Done():
		x.over = true
	case e := <-x.events:
		x.happened(e, clock.Now())
	case <-alarm:
		x.look(clock.Now())
		x.act(x.r.tick(clock.Now()))
	}
}

// look notes whether bytes have come since the last look.
func (x *runner) look(now time.Duration) {
	if f := x.flying[x.r.giving]; f != nil {
		if n := f.bytes.Load(); n != f.seen {
			f.seen = n
			x.r.moved(now)
		}
	}
}

func (x *runner) happened(e event, now time.Duration) {
	if e.answered {
		took, do := x.r.answered(e.f.number, now)
		if took > 0 {
			x.b.latencies.note(took)
		}
		x.act(do)
		return
	}
	x.leave(e.f)
	if e.err == nil {
		x.act(x.r.done(e.f.number))
		return
	}
	f := x.r.flight(e.f.number)
	switch {
	case f.stalled:
		x.b.counts.stalls.Add(1)
		x.last = &bucket.Error{Op: "read", Bucket: x.b.Name(), Err: bucket.ErrStalled}
	case !f.stopped || x.last == nil:
		x.last = e.err
	}
	x.act(x.r.failed(e.f.number, bucket.Final(e.err), now))
}

func (x *runner) leave(f *attempt) {
	f.cancel()
	delete(x.flying, f.number)
}

// act does what was decided.
func (x *runner) act(do []action) {
	for _, a := range do {
		switch a.kind {
		case start:
			x.start(a.attempt)
		case cancel:
			x.flying[a.attempt].cancel()
		case take:
			close(x.flying[a.attempt].permit)
		case finish:
			x.over, x.well = true, true
		case giveUp:
			x.over, x.why = true, a.why
		}
	}
}

// start begins an attempt.
func (x *runner) start(number int) {
	c := &x.b.counts
	c.attempts.Add(1)
	switch {
	case len(x.flying) > 0:
		c.hedges.Add(1)
	case number > 0:
		c.retries.Add(1)
	}
	ctx, cancel := context.WithCancel(x.ctx)
	f := &attempt{number: number, ctx: ctx, cancel: cancel, events: x.events, permit: make(chan struct{})}
	x.flying[number] = f
	go func() { x.events <- event{f: f, err: x.do(ctx, f)} }()
}
