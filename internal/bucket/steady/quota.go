package steady

import (
	"slices"
	"sync"
	"time"
)

// quota bounds what retries and second attempts add to the load of a store that
// is in trouble. All reads of a bucket share it.
type quota struct {
	mu struct {
		sync.Mutex
		retries float64 // attempts that may still be made again
		hedges  float64 // second attempts that may still be made
	}
	opt *Options
}

func newQuota(opt *Options) *quota {
	q := &quota{opt: opt}
	q.mu.retries, q.mu.hedges = opt.Retries, maxHedges
	return q
}

// What a read that went well gives back.
const (
	retryEarned = 0.1
	maxHedges   = 4
)

// earn notes a read that went well.
func (q *quota) earn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.retries = min(q.opt.Retries, q.mu.retries+retryEarned)
	q.mu.hedges = min(maxHedges, q.mu.hedges+q.opt.HedgeShare)
}

// retry takes one attempt from the quota.
func (q *quota) retry() bool { return takeFrom(q, &q.mu.retries) }

// hedge takes one second attempt from the quota.
func (q *quota) hedge() bool { return takeFrom(q, &q.mu.hedges) }

func takeFrom(q *quota, tokens *float64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if *tokens < 1 {
		return false
	}
	*tokens--
	return true
}

// latencies are how long the last first bytes took, of all reads of a bucket.
type latencies struct {
	mu struct {
		sync.Mutex
		last [window]time.Duration
		n    int // how many there were
	}
}

const (
	window = 128 // first bytes that are remembered
	enough = 16  // of them say what is late
)

// note adds one.
func (l *latencies) note(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.last[l.mu.n%window] = d
	l.mu.n++
}

// percentile is what the share of them did not exceed, 0 while too few are known.
func (l *latencies) percentile(share float64) time.Duration {
	l.mu.Lock()
	last, n := l.mu.last, min(l.mu.n, window)
	l.mu.Unlock()
	if n < enough {
		return 0
	}
	slices.Sort(last[:n])
	return last[min(n-1, int(share*float64(n)))]
}
