package lite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// sparse is a model whose experts are most of it: under the least memory that
// it runs in, hardly more than one token's stay.
var sparse = sync.OnceValue(func() vfs.Mem {
	s := synth.Tiny("olmoe")
	s.Layers, s.Dim, s.Experts, s.ExpertsUsed, s.ExpertFF = 3, 128, 64, 4, 256
	return vfs.Mem{modeltest.Path: modeltest.Bytes(&testing.T{}, s, "Q8_0", 1)}
})

// question is a request whose prompt takes several chunks, and whose answer
// reads experts at every token.
func question() Request {
	tokens := make([]int32, 40)
	for i := range tokens {
		tokens[i] = int32(i*37%500) + 5
	}
	return Request{Tokens: tokens, MaxTokens: 6, IgnoreEnd: true, Hash: true, Sampling: Sampling{Temperature: 1, Seed: 7}}
}

// result is what an answer is compared by.
type result struct {
	ids    []int32
	hashes string
}

func ask(s *Session, r Request) (result, *Generation) {
	g := s.Generate(context.Background(), r)
	for range g.Tokens() {
	}
	return result{g.IDs(), g.TokensSHA256() + " " + g.LogitsSHA256()}, g
}

// least are options under which the sparse model thrashes.
func least(t testing.TB, direct Direct) Options {
	t.Helper()
	o := Options{Memory: 1, Context: 512, Chunk: 16, Threads: 1, Direct: direct, fs: sparse()}
	_, err := Open(modeltest.Path, o)
	var short *MemoryError
	require.ErrorAs(t, err, &short)
	o.Memory = short.Need
	return o
}

// undisturbed is the answer with all memory and no faults.
var undisturbed = sync.OnceValues(func() (result, error) {
	m, err := Open(modeltest.Path, Options{Memory: 1 << 30, fs: sparse()})
	if err != nil {
		return result{}, err
	}
	want, g := ask(m.NewSession(), question())
	return want, errors.Join(g.Err(), m.Close())
})

func expected(t testing.TB) result {
	t.Helper()
	want, err := undisturbed()
	require.NoError(t, err)
	return want
}

// eachWay runs f for reads through the page cache and past it.
func eachWay(t *testing.T, f func(t *testing.T, o Options)) {
	for name, direct := range map[string]Direct{"buffered": DirectNever, "direct": DirectAlways} {
		t.Run(name, func(t *testing.T) { f(t, least(t, direct)) })
	}
}

func TestThrashing(t *testing.T) {
	eachWay(t, func(t *testing.T, o Options) {
		m, err := Open(modeltest.Path, o)
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		require.Less(t, m.plan.Experts, m.plan.AllExperts/2)
		got, g := ask(m.NewSession(), question())
		require.NoError(t, g.Err())
		require.Equal(t, expected(t), got)
		require.Greater(t, g.Stats().ExpertEvictions, uint64(100))
	})
}

// TestAnyReadMayFail lets one read fail, one after the other: the model does not
// open, or the answer is right, or it ends with a ReadError behind tokens that
// are right; and the session gives the right answer when it is asked again.
func TestAnyReadMayFail(t *testing.T) {
	faults := []struct {
		of    func(errorfs.Match) errorfs.Rule
		cause error
	}{
		{func(m errorfs.Match) errorfs.Rule { return m.Fail(syscall.EIO) }, syscall.EIO},
		{func(m errorfs.Match) errorfs.Rule { return m.Short(512) }, ErrChanged},
	}
	want := expected(t)
	eachWay(t, func(t *testing.T, o Options) {
		count := errorfs.New(sparse())
		o.fs = count
		m, err := Open(modeltest.Path, o)
		require.NoError(t, err)
		opening := count.Reads()
		_, g := ask(m.NewSession(), question())
		require.NoError(t, g.Err())
		require.NoError(t, m.Close())
		answering := count.Reads() - opening

		refused, failed := 0, 0
		for i := range int64(20) {
			n := i * opening / 8
			if i >= 8 {
				n = opening + (i-8)*answering/12
			}
			fault := faults[i%2]
			before := memory.InUse()
			o.fs = errorfs.New(sparse(), fault.of(errorfs.Nth(n)))
			m, err := Open(modeltest.Path, o)
			if err != nil {
				require.Less(t, n, opening)
				require.Equal(t, before, memory.InUse(), "what failed to open gives everything back")
				refused++
				continue
			}
			s := m.NewSession()
			got, g := ask(s, question())
			if err := g.Err(); err != nil {
				var read *ReadError
				require.ErrorAs(t, err, &read, "read %d", n)
				require.ErrorIs(t, err, fault.cause)
				require.Equal(t, modeltest.Path, read.Path)
				require.Equal(t, StopError, g.StopReason())
				require.True(t, slices.Equal(want.ids[:len(got.ids)], got.ids), "no token is wrong: %v", got.ids)
				failed++
				got, g = ask(s, question())
			}
			require.NoError(t, g.Err())
			require.Equal(t, want, got, "read %d", n)
			s.Close()
			require.NoError(t, m.Close())
		}
		require.Greater(t, refused, 3)
		require.Greater(t, failed, 3)
	})
}

// TestADeadDisk reads nothing any more from some read on: every answer is an
// error of its type, however often it is asked for.
func TestADeadDisk(t *testing.T) {
	eachWay(t, func(t *testing.T, o Options) {
		dead := make(chan struct{})
		isDead := func(op errorfs.Op) bool {
			select {
			case <-dead:
				return !op.Open
			default:
				return false
			}
		}
		o.fs = errorfs.New(sparse(), errorfs.Match(isDead).Fail(syscall.EIO))
		m, err := Open(modeltest.Path, o)
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		s := m.NewSession()
		defer s.Close()
		_, g := ask(s, question())
		require.NoError(t, g.Err())
		s.Close()
		close(dead)
		for range 3 {
			_, g = ask(s, question())
			require.ErrorIs(t, g.Err(), syscall.EIO)
			require.Empty(t, g.IDs())
		}
		_, err = m.Evaluate(t.Context(), EvalRequest{Text: "a text that is long enough for a window of four tokens", Window: 4})
		var read *ReadError
		require.ErrorAs(t, err, &read)
		err = m.Logits(t.Context(), "", question().Tokens, func(int, []float32) error { return nil }, nil)
		require.ErrorAs(t, err, &read)
	})
}

// TestASlowDisk completes reads in any order but that in which they began: none
// before all have begun that the store would have in flight at once.
func TestASlowDisk(t *testing.T) {
	want := expected(t)
	eachWay(t, func(t *testing.T, o Options) {
		for seed := range uint64(2) {
			synctest.Test(t, func(t *testing.T) {
				d := &slowDisk{stop: make(chan struct{})}
				o.fs = errorfs.New(sparse(), errorfs.All().Wait(d.wait))
				go d.release(rand.New(rand.NewPCG(seed, 1)))
				m, err := Open(modeltest.Path, o)
				require.NoError(t, err)
				got, g := ask(m.NewSession(), question())
				require.NoError(t, g.Err())
				require.Equal(t, want, got)
				require.NoError(t, m.Close())
				close(d.stop)
				require.Greater(t, d.overtook, 50, "reads that overtook others")
				require.GreaterOrEqual(t, d.deepest, 4, "reads in flight at once")
			})
		}
	})
}

// slowDisk holds reads until nothing else goes on, and then lets one go on, any
// of them.
type slowDisk struct {
	mu      sync.Mutex
	waiting []chan struct{}
	stop    chan struct{}

	overtook, deepest int
}

func (d *slowDisk) wait(errorfs.Op) {
	turn := make(chan struct{})
	d.mu.Lock()
	d.waiting = append(d.waiting, turn)
	d.mu.Unlock()
	<-turn
}

func (d *slowDisk) release(r *rand.Rand) {
	for {
		synctest.Wait()
		d.mu.Lock()
		n := len(d.waiting)
		d.deepest = max(d.deepest, n)
		if n == 0 {
			d.mu.Unlock()
			select {
			case <-d.stop:
				return
			default:
				panic("all wait, and not for the disk")
			}
		}
		i := r.IntN(n)
		d.overtook += min(i, 1)
		close(d.waiting[i])
		d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
		d.mu.Unlock()
	}
}

// TestCancelledWhileReading gives up an answer whose expert does not come: the
// next one is right.
func TestCancelledWhileReading(t *testing.T) {
	o := least(t, DirectAlways)
	var mu sync.Mutex
	cancel, left := func() {}, 30
	o.fs = errorfs.New(sparse(), errorfs.All().Wait(func(errorfs.Op) {
		mu.Lock()
		defer mu.Unlock()
		if left--; left%25 == 0 {
			cancel()
		}
	}))
	m, err := Open(modeltest.Path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	s := m.NewSession()
	defer s.Close()
	cancelled := 0
	for range 20 {
		ctx, stop := context.WithCancel(t.Context())
		mu.Lock()
		cancel = stop
		mu.Unlock()
		g := s.Generate(ctx, question())
		for range g.Tokens() {
		}
		if errors.Is(g.Err(), context.Canceled) {
			cancelled++
		} else {
			require.NoError(t, g.Err())
		}
		stop()
	}
	require.Positive(t, cancelled)
	mu.Lock()
	cancel = func() {}
	mu.Unlock()
	got, g := ask(s, question())
	require.NoError(t, g.Err())
	require.Equal(t, expected(t), got)
}

// TestTruncatedAtOpen cuts the file anywhere: one error that names it.
func TestTruncatedAtOpen(t *testing.T) {
	file := sparse()[modeltest.Path]
	for _, n := range []int{0, 3, 100, 5000, len(file) / 2, len(file) - 1} {
		_, err := Open(modeltest.Path, Options{Memory: 1 << 30, fs: vfs.Mem{modeltest.Path: file[:n]}})
		var format *FormatError
		require.ErrorAs(t, err, &format, "%d bytes", n)
		require.ErrorContains(t, err, modeltest.Path)
	}
}

// TestTruncatedAfterOpen cuts a real file under the model's feet.
func TestTruncatedAfterOpen(t *testing.T) {
	eachWay(t, func(t *testing.T, o Options) {
		path := filepath.Join(t.TempDir(), "model.gguf")
		file := sparse()[modeltest.Path]
		require.NoError(t, os.WriteFile(path, file, 0o600))
		o.fs = nil
		m, err := Open(path, o)
		if _, refused := errors.AsType[*DirectError](err); refused {
			t.Skipf("this file system has no direct reads: %v", err)
		}
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		s := m.NewSession()
		defer s.Close()
		require.NoError(t, os.Truncate(path, int64(len(file)/4)))
		_, g := ask(s, question())
		require.ErrorIs(t, g.Err(), ErrChanged)
		var read *ReadError
		require.ErrorAs(t, g.Err(), &read)
		require.Equal(t, path, read.Path)
		require.GreaterOrEqual(t, read.Off+int64(read.Len), int64(len(file)/4))

		// Where the bytes come back, so does the answer.
		require.NoError(t, os.WriteFile(path, file, 0o600))
		got, g := ask(s, question())
		require.NoError(t, g.Err())
		require.Equal(t, expected(t), got)
	})
}

// ExampleReadError shows what a caller sees of a failing disk.
func ExampleReadError() {
	err := error(&ReadError{Path: "model.gguf", Off: 4096, Len: 65536, Err: syscall.EIO})
	if read, ok := errors.AsType[*ReadError](err); ok {
		fmt.Println(read.Path, errors.Is(err, syscall.EIO), errors.Is(err, ErrChanged))
	}
	// Output: model.gguf true false
}
