package steady

import "time"

// Options say how patient a Bucket is. The zero value of each field is a good
// choice, but Clock and Rand, which the caller owns.
type Options struct {
	// Attempts is how often a read is tried at most, second attempts beside the
	// first included; 0 means 6.
	Attempts int
	// Backoff bounds the pause before the second attempt, and twice as much
	// before each next one, up to MaxBackoff; 0 means 50 ms and 5 s.
	Backoff, MaxBackoff time.Duration
	// Stall is how long no byte may come before an attempt is given up; 0 means
	// 15 s.
	Stall time.Duration
	// Late is the share of first bytes that are in time: when one takes longer
	// than that share of the last ones did, the request is made once more
	// beside the first, and the first answer counts. 0 means 0.95, negative
	// never.
	Late float64
	// LeastLate is the least time that counts as late; 0 means 20 ms.
	LeastLate time.Duration
	// HedgeShare is how many second attempts a read earns; 0 means 0.05.
	HedgeShare float64
	// Retries is how many attempts may fail before reads fail at the first one;
	// every ten reads that go well give one back. 0 means 64.
	Retries float64
	// Clock is the time.
	Clock Clock
	// Rand returns numbers in [0, 1). Any goroutine calls it.
	Rand func() float64
}

// Clock is a monotonic time. A test turns it by hand.
type Clock interface {
	// Now is the time since some moment.
	Now() time.Duration
	// After returns a channel that is closed, or gets a value, when d has
	// passed, and what to call when nobody waits for that any more.
	After(d time.Duration) (at <-chan struct{}, stop func())
}

// settle fills in the defaults.
func (o Options) settle() Options {
	set(&o.Attempts, 6)
	set(&o.Backoff, 50*time.Millisecond)
	set(&o.MaxBackoff, 5*time.Second)
	set(&o.Stall, 15*time.Second)
	set(&o.Late, 0.95)
	set(&o.LeastLate, 20*time.Millisecond)
	set(&o.HedgeShare, 0.05)
	set(&o.Retries, 64)
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// System is the clock of the machine.
type System struct{ begin time.Time }

// NewSystem returns a clock that begins now.
func NewSystem() System {
	return System{time.Now()} //nolint:forbidigo // it is the caller's clock, and says when to try again, never what is read
}

// Now implements Clock.
func (s System) Now() time.Duration { return time.Since(s.begin) }

// After implements Clock.
func (System) After(d time.Duration) (at <-chan struct{}, stop func()) {
	ch := make(chan struct{})
	t := time.AfterFunc(d, func() { close(ch) })
	return ch, func() { t.Stop() }
}
