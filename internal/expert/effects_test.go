package expert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert/policy"
	"github.com/lite-llm/lite/internal/memory"
)

// TestEffects runs the scripts of testdata/effects. A script is one directive:
// its commands are echoed, and under each stands what it caused, once every
// goroutine has come to rest.
//
//	open room=PAGES depth=N   a cache over two layers of experts, E0 to E5 of one
//	                          page and E6, E7 of two, each of them one read;
//	                          guesses=N bounds guesses, and piece reads them in
//	                          pieces of a page
//	acquire ID…  hint ID…     as the Store's
//	next                      Batch.Next, which may wait and return later
//	release ID  close  shut   of a lease, of the batch, of the store
//	finish ID  fail ID        let a read that was begun end
//	cancel                    the context of next
//	stats                     the counts so far
func TestEffects(t *testing.T) {
	datadriven.Walk(t, "testdata/effects", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) (out string) {
			require.Equal(t, "run", d.Cmd)
			before := memory.InUse()
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, pending: map[string]chan error{}, leases: map[string]Lease{}}
				defer s.leave()
				for line := range strings.Lines(d.Input) {
					s.command(strings.Fields(line))
				}
				out = s.out.String()
			})
			require.Equal(t, before, memory.InUse())
			return out
		})
	})
}

// script runs commands against a cache whose rung and policy tell what happens.
type script struct {
	t      *testing.T
	c      *Cache
	b      *Batch
	cancel context.CancelFunc
	leases map[string]Lease
	out    strings.Builder

	mu      sync.Mutex
	effects []string
	pending map[string]chan error // reads that have begun
}

// leave closes what the script left open, so that a script that fails says so
// and no more.
func (s *script) leave() {
	if s.b != nil {
		s.b.Close()
	}
	if s.c != nil {
		require.NoError(s.t, s.c.Close())
	}
}

// tell notes an effect of the command that runs.
func (s *script) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.effects = append(s.effects, fmt.Sprintf(format, args...))
}

// command runs one line and prints its effects. Readers begin in any order, so
// that reads are sorted; all else comes in its order, before them.
func (s *script) command(words []string) {
	fmt.Fprintf(&s.out, "%s\n", strings.Join(words, " "))
	s.run(words[0], words[1:])
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	isRead := func(e string) int { return map[bool]int{true: 1}[strings.HasPrefix(e, "read")] }
	slices.SortStableFunc(s.effects, func(a, b string) int {
		if isRead(a) == 1 && isRead(b) == 1 {
			return strings.Compare(a, b)
		}
		return isRead(a) - isRead(b)
	})
	for _, e := range s.effects {
		fmt.Fprintf(&s.out, "    %s\n", e)
	}
	s.effects = nil
}

func (s *script) run(cmd string, args []string) {
	switch cmd {
	case "open":
		s.open(args)
	case "acquire":
		s.b = s.c.Acquire(ids(s.t, args))
	case "hint":
		s.c.Hint(ids(s.t, args))
	case "next":
		s.next()
	case "release":
		s.leases[args[0]].Release()
	case "close":
		s.b.Close()
	case "shut":
		require.NoError(s.t, s.c.Close())
	case "finish":
		s.end(args[0], nil)
	case "fail":
		s.end(args[0], syscall.EIO)
	case "cancel":
		s.cancel()
	case "stats":
		st := s.c.Stats()
		s.tell("hits %d, misses %d, evictions %d, reads %d, resident %s, slots %d",
			st.Hits, st.Misses, st.Evictions, st.Reads, pages(st.Resident), st.Slots)
		if st.Guesses > 0 {
			s.tell("guesses %d, used %d, wasted %d, %s read", st.Guesses, st.GuessesUsed, st.GuessesWasted, pages(st.GuessBytes))
		}
	default:
		s.t.Fatalf("%q?", cmd)
	}
}

func (s *script) open(args []string) {
	var room int64
	var depth, guesses int
	_, err := fmt.Sscanf(strings.Join(args[:2], " "), "room=%d depth=%d", &room, &depth)
	require.NoError(s.t, err)
	page := int64(memory.PageSize())
	piece := int64(0)
	for _, word := range args[2:] {
		if word == "piece" {
			piece = page
		} else {
			_, err := fmt.Sscanf(word, "guesses=%d", &guesses)
			require.NoError(s.t, err)
		}
	}
	obj := base.Object{Name: "disk", Size: 20 * page}
	var l Layout
	for layer := range int64(2) {
		pool := func(first, count, off, size int64) Pool {
			return Pool{
				First: first, Count: count, Sizes: []int64{size},
				Parts: []base.Range{{Object: obj, Off: layer*10*page + off, Len: count * size}},
			}
		}
		l = append(l, Layer{Pools: []Pool{pool(0, 6, 0, page), pool(6, 2, 6*page, 2*page)}})
	}
	s.c, err = New(Options{
		Rung: told{s, l}, Layout: l, Budget: base.ByteSize(room * page), Depth: depth, Guesses: guesses,
		Policy: evicting{policy.NewLRU(), s},
	})
	if refused, ok := errors.AsType[*BudgetError](err); ok {
		s.tell("needs %s", pages(int64(refused.Need)))
		return
	}
	require.NoError(s.t, err)
	if piece > 0 {
		s.c.piece = piece
	}
}

// next runs Next on a goroutine of its own and tells what it returns, then or
// later.
func (s *script) next() {
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(s.t.Context())
	waited := s.c.waits.Load()
	go func() {
		lease, err := s.b.Next(ctx)
		if err != nil {
			s.tell("next: %v", err)
			return
		}
		s.leases[lease.ID().String()] = lease
		s.tell("next: %v", lease.ID())
	}()
	synctest.Wait()
	if s.c.waits.Load() > waited {
		s.tell("next waits")
	}
}

// end lets a read end.
func (s *script) end(id string, err error) {
	s.mu.Lock()
	done, ok := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	require.True(s.t, ok, "%s is not being read", id)
	done <- err
}

// pages prints bytes as the scripts count them, whatever this system's page is.
func pages(n int64) string {
	if n /= int64(memory.PageSize()); n != 1 {
		return fmt.Sprintf("%d pages", n)
	}
	return "1 page"
}

func ids(t *testing.T, words []string) (all []ID) {
	for _, w := range words {
		var id ID
		_, err := fmt.Sscanf(w, "L%d/E%d", &id.Layer, &id.Index)
		require.NoError(t, err)
		all = append(all, id)
	}
	return all
}

// told is a rung whose reads are told, and end when the script says so.
type told struct {
	s *script
	l Layout
}

func (told) Name() string { return "disk" }
func (told) Align() int   { return 1 }
func (told) Close() error { return nil }

func (r told) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	done := make(chan error, 1)
	for layer := range r.l {
		pools := r.l[layer].Pools
		for i := range pools {
			for index := pools[i].First; index < pools[i].First+pools[i].Count; index++ {
				id := ID{int32(layer), 0, index}
				whole := r.l.Range(id, 0)
				if off < whole.Off || off >= whole.Off+whole.Len {
					continue
				}
				require.Equal(r.s.t, whole.Object, obj)
				r.s.tell("read %v, %s from disk", id, pages(int64(len(p))))
				r.s.mu.Lock()
				r.s.pending[id.String()] = done
				r.s.mu.Unlock()
			}
		}
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("the store was closed")
	}
}

// evicting is a policy whose evictions are told.
type evicting struct {
	policy.Policy
	s *script
}

func (e evicting) Remove(k policy.Key) {
	e.s.tell("evict %v", ID(k))
	e.Policy.Remove(k)
}
