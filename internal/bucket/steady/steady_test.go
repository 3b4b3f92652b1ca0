package steady

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket"
)

// manual is a clock that a test turns.
type manual struct {
	mu     sync.Mutex
	now    time.Duration
	alarms []*alarm
	set    chan time.Duration // how long each new alarm waits
}

type alarm struct {
	at time.Duration
	ch chan struct{}
}

func newManual() *manual { return &manual{set: make(chan time.Duration, 100)} }

func (m *manual) Now() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manual) After(d time.Duration) (<-chan struct{}, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &alarm{m.now + d, make(chan struct{})}
	m.alarms = append(m.alarms, a)
	m.ring()
	m.set <- d
	return a.ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		a.at = 1 << 62
	}
}

func (m *manual) ring() {
	kept := m.alarms[:0]
	for _, a := range m.alarms {
		if a.at <= m.now {
			close(a.ch)
			continue
		}
		kept = append(kept, a)
	}
	m.alarms = kept
}

// pass lets time pass.
func (m *manual) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
	m.ring()
}

// script is a bucket whose every answer a test gives.
type script struct {
	data []byte
	mu   sync.Mutex
	made int
	get  func(n int, ctx context.Context, body io.ReadCloser) (io.ReadCloser, error)
}

func (s *script) Name() string { return "script" }

func (s *script) Stat(_ context.Context, key string) (bucket.Object, error) {
	return bucket.Object{Key: key, Size: int64(len(s.data)), Version: "1"}, nil
}

func (s *script) Get(ctx context.Context, _ bucket.Object, off, n int64) (io.ReadCloser, error) {
	s.mu.Lock()
	i := s.made
	s.made++
	s.mu.Unlock()
	return s.get(i, ctx, io.NopCloser(bytes.NewReader(s.data[off:off+n])))
}

// held is a body, or an answer, that does not come until ctx is done.
type held struct {
	ctx context.Context //nolint:containedctx // of the request that is held
}

func (h held) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func (held) Close() error { return nil }

var data = []byte("the bytes of an expert")

func prepare(t *testing.T, s *script, clock *manual, late float64) (*Bucket, func() error, bucket.Object) {
	t.Helper()
	s.data = data
	b := New(s, Options{Clock: clock, Rand: func() float64 { return 0.5 }, Late: late})
	obj, err := b.Stat(context.Background(), "a")
	require.NoError(t, err)
	p := make([]byte, 5)
	return b, func() error {
		err := b.ReadAt(context.Background(), obj, p, 4)
		if err == nil {
			require.Equal(t, "bytes", string(p))
		}
		return err
	}, obj
}

// later runs do and returns its error when asked.
func later(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

func TestStallInTheBody(t *testing.T) {
	clock := newManual()
	s := &script{get: func(i int, ctx context.Context, body io.ReadCloser) (io.ReadCloser, error) {
		if i == 0 {
			half := io.MultiReader(io.LimitReader(body, 2), held{ctx})
			return struct {
				io.Reader
				io.Closer
			}{half, body}, nil
		}
		return body, nil
	}}
	b, do, _ := prepare(t, s, clock, -1)
	done := later(do)
	for b.Counts().Stalls == 0 {
		<-clock.set // somebody waits for the clock
		clock.pass(15 * time.Second)
	}
	for len(done) == 0 && b.Counts().Retries == 0 {
		<-clock.set
		clock.pass(time.Second)
	}
	require.NoError(t, <-done)
	c := b.Counts()
	require.Equal(t, uint64(1), c.Stalls)
	require.Equal(t, uint64(1), c.Retries)
}

func TestHedge(t *testing.T) {
	clock := newManual()
	second := false
	s := &script{}
	s.get = func(i int, ctx context.Context, body io.ReadCloser) (io.ReadCloser, error) {
		if second && i%2 == 0 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if !second {
			clock.pass(time.Millisecond)
		}
		return body, nil
	}
	b, do, _ := prepare(t, s, clock, 0.95)
	for range 2 * enough {
		require.NoError(t, do())
		for len(clock.set) > 0 {
			<-clock.set
		}
	}
	require.Zero(t, s.made%2)
	second = true
	done := later(do)
	require.Equal(t, 20*time.Millisecond, <-clock.set)
	clock.pass(20 * time.Millisecond)
	require.NoError(t, <-done)
	require.Equal(t, uint64(1), b.Counts().Hedges)
	require.Zero(t, b.Counts().Retries)
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		attempts int
	}{
		"not there": {fs.ErrNotExist, 1},
		"refused":   {fs.ErrPermission, 1},
		"changed":   {bucket.ErrChanged, 1},
		"fault":     {bucket.ErrFault, 6},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newManual()
			s := &script{get: func(int, context.Context, io.ReadCloser) (io.ReadCloser, error) {
				return nil, &bucket.Error{Op: "read", Key: "a", Err: c.err}
			}}
			b, do, _ := prepare(t, s, clock, -1)
			done := later(do)
			var err error
			for got := false; !got; {
				select {
				case err = <-done:
					got = true
				case d := <-clock.set:
					clock.pass(min(d, 5*time.Second))
				}
			}
			require.ErrorIs(t, err, c.err)
			var up *GivenUpError
			require.Equal(t, c.attempts > 1, errors.As(err, &up))
			require.Equal(t, uint64(c.attempts), b.Counts().Attempts-b.Counts().Stats)
		})
	}
}

func TestCancelled(t *testing.T) {
	clock := newManual()
	s := &script{data: data, get: func(_ int, ctx context.Context, _ io.ReadCloser) (io.ReadCloser, error) { return held{ctx}, nil }}
	b := New(s, Options{Clock: clock, Rand: func() float64 { return 0 }})
	ctx, cancel := context.WithCancel(context.Background())
	done := later(func() error {
		return b.ReadAt(ctx, bucket.Object{Key: "a", Size: int64(len(data))}, make([]byte, 3), 0)
	})
	<-clock.set
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.ErrorIs(t, b.ReadAt(ctx, bucket.Object{Key: "a", Size: 3}, nil, 0), context.Canceled)
	require.ErrorIs(t, b.ReadAt(context.Background(), bucket.Object{Key: "a", Size: 3}, make([]byte, 4), 0), bucket.ErrRange)
}
