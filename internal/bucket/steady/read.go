package steady

import "time"

// read decides about one read: which attempts are made and when, which of them
// gives the bytes, and when it is given up. It is pure: what happens comes in as
// a method with the time, what is to be done comes out as actions.
//
//	start ─► waiting ── first byte ──► giving ── all bytes ──► done
//	   ▲        │ late: a second attempt      │
//	   │        ▼                             ▼
//	   └──── fails, stalls ◄──────────────────┘      or is given up
type read struct {
	opt   *Options
	quota *quota
	late  time.Duration // after which the first byte is late; 0 for never

	made    int           // attempts so far
	flying  []flight      // attempts that have not ended
	giving  int           // the attempt whose bytes are taken; -1 for none
	retryAt time.Duration // when the next attempt begins, if none is flying
	retries bool          // retryAt says something
	hedged  bool          // there was a second attempt beside the first
	ended   bool
}

// flight is an attempt that has not ended.
type flight struct {
	attempt int
	begun   time.Duration
	moved   time.Duration // when the last byte came
	stopped bool          // it was cancelled
	stalled bool          // because no byte came, and not because the other gives the bytes
}

// kind is what is to be done.
type kind uint8

const (
	start  kind = iota // an attempt
	cancel             // an attempt
	take               // the attempt's bytes
	finish             // the read, well
	giveUp             // the read
)

// action is something to be done.
type action struct {
	kind    kind
	attempt int
	why     string // for giveUp
}

func newRead(opt *Options, q *quota, late time.Duration) *read {
	return &read{opt: opt, quota: q, late: late, giving: -1}
}

// begin starts the first attempt.
func (r *read) begin(now time.Duration) []action { return []action{r.launch(now)} }

func (r *read) launch(now time.Duration) action {
	a := r.made
	r.made++
	r.retries = false
	r.flying = append(r.flying, flight{attempt: a, begun: now, moved: now})
	return action{kind: start, attempt: a}
}

func (r *read) flight(attempt int) *flight {
	for i := range r.flying {
		if r.flying[i].attempt == attempt {
			return &r.flying[i]
		}
	}
	return nil
}

// answered says that the first byte of an attempt is there. The first one to
// answer gives the bytes, and the other ends.
func (r *read) answered(attempt int, now time.Duration) (took time.Duration, do []action) {
	f := r.flight(attempt)
	f.moved = now
	if r.giving >= 0 || f.stopped {
		return 0, r.stop(nil, f)
	}
	r.giving = attempt
	do = append(do, action{kind: take, attempt: attempt})
	for i := range r.flying {
		if r.flying[i].attempt != attempt {
			do = r.stop(do, &r.flying[i])
		}
	}
	return now - f.begun, do
}

// stop cancels an attempt, once.
func (r *read) stop(do []action, f *flight) []action {
	if f.stopped {
		return do
	}
	f.stopped = true
	return append(do, action{kind: cancel, attempt: f.attempt})
}

// moved says that bytes have come of the attempt that gives them.
func (r *read) moved(now time.Duration) {
	if f := r.flight(r.giving); f != nil {
		f.moved = now
	}
}

// done says that an attempt has given all bytes.
func (r *read) done(attempt int) []action {
	r.leave(attempt)
	r.ended = true
	r.quota.earn()
	return []action{{kind: finish, attempt: attempt}}
}

// leave takes an attempt out of those that fly, and says how it was.
func (r *read) leave(attempt int) flight {
	for i, f := range r.flying {
		if f.attempt == attempt {
			r.flying = append(r.flying[:i], r.flying[i+1:]...)
			return f
		}
	}
	return flight{}
}

// failed says that an attempt has ended without its bytes. final is an error
// that another attempt would meet too; a stall is none.
func (r *read) failed(attempt int, final bool, now time.Duration) []action {
	f := r.leave(attempt)
	if r.giving == attempt {
		r.giving = -1
	}
	switch {
	case r.ended || len(r.flying) > 0: // the other one may still do it
		return nil
	case final && !f.stopped:
		return r.end("it would not help to try again")
	case r.made >= r.opt.Attempts:
		return r.end("attempts")
	case !r.quota.retry():
		return r.end(tooMany)
	}
	r.retries = true
	r.retryAt = now + r.pause()
	return nil
}

// tooMany is why a read is given up that might be tried again.
const tooMany = "too many attempts fail, of other reads too"

// pause is how long to wait before the next attempt: anything up to a bound
// that doubles ("full jitter"), so that readers who failed together do not come
// back together.
func (r *read) pause() time.Duration {
	most := r.opt.Backoff << min(r.made-1, 30)
	if most > r.opt.MaxBackoff || most <= 0 {
		most = r.opt.MaxBackoff
	}
	return time.Duration(float64(most) * r.opt.Rand())
}

func (r *read) end(why string) []action {
	r.ended = true
	return []action{{kind: giveUp, why: why}}
}

// tick looks at the time.
func (r *read) tick(now time.Duration) []action {
	if r.retries && now >= r.retryAt {
		return []action{r.launch(now)}
	}
	var do []action
	for i := range r.flying {
		if f := &r.flying[i]; !f.stopped && now-f.moved >= r.opt.Stall {
			f.stalled = true
			do = r.stop(do, f)
		}
	}
	if at, ok := r.hedgeAt(); ok && now >= at && len(do) == 0 {
		r.hedged = true // asked once: a quota that is empty now is not asked again
		if r.quota.hedge() {
			do = append(do, r.launch(now))
		}
	}
	return do
}

// hedgeAt is when a second attempt begins beside the one that waits.
func (r *read) hedgeAt() (time.Duration, bool) {
	if r.late == 0 || r.hedged || r.giving >= 0 || len(r.flying) != 1 || r.flying[0].stopped || r.made >= r.opt.Attempts {
		return 0, false
	}
	return r.flying[0].begun + r.late, true
}

// wake is when tick must be called, and false when only an event can change
// anything.
func (r *read) wake() (at time.Duration, ok bool) {
	least := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if r.retries {
		least(r.retryAt)
	}
	for _, f := range r.flying {
		if !f.stopped {
			least(f.moved + r.opt.Stall)
		}
	}
	if t, hedges := r.hedgeAt(); hedges {
		least(t)
	}
	return at, ok
}
