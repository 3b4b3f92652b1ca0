package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// The model that is simulated: layers, experts of each, and those that a token
// uses of them.
const (
	layers  = 16
	experts = 64
	used    = 8
)

// trace is the experts that each step chose; a token is one step per layer.
type trace [][]Key

// route draws a trace with weights of experts that are whole numbers, so that
// it is the same on every machine.
//
//	uniform  every expert is as likely
//	zipf     the n-th favourite of a layer is 1/n as likely as the first
//	topics   as zipf, with favourites that change every 100 tokens, and what
//	         the last token used three times as likely
func route(kind string, tokens int) trace {
	r := rand.New(rand.NewPCG(7, 7))
	var weights [layers][experts]int
	var last [layers][experts]bool
	favour := func() {
		for l := range weights {
			for rank, e := range r.Perm(experts) {
				weights[l][e] = 1
				if kind != "uniform" {
					weights[l][e] = 5040 / (rank + 1)
				}
			}
		}
	}
	var t trace
	for token := range tokens {
		if token == 0 || kind == "topics" && token%100 == 0 {
			favour()
		}
		for l := range weights {
			w := weights[l]
			for e := range w {
				if kind == "topics" && last[l][e] {
					w[e] *= 3
				}
				last[l][e] = false
			}
			var keys []Key
			for range used {
				e := draw(r, &w)
				w[e], last[l][e] = 0, true
				keys = append(keys, Key{int32(l), 0, int64(e)})
			}
			t = append(t, keys)
		}
	}
	return t
}

// draw picks an index with the probability of its weight.
func draw(r *rand.Rand, weights *[experts]int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := r.IntN(sum)
	for e, w := range weights {
		if at -= w; at < 0 {
			return e
		}
	}
	panic("unreachable")
}

// hitRate runs a trace through a policy as a cache with so much room does, and
// returns the share of hits after a quarter of the trace.
func hitRate(t *testing.T, tr trace, p Policy, room int) float64 {
	resident, held := map[Key]bool{}, map[Key]bool{}
	hits, all := 0, 0
	for step, keys := range tr {
		clear(held)
		counts := step >= len(tr)/4
		for _, k := range keys {
			if counts {
				all++
			}
			if resident[k] {
				held[k] = true
				p.Touch(k, uint64(step))
				if counts {
					hits++
				}
			}
		}
		for _, k := range keys {
			if held[k] {
				continue
			}
			if len(resident) == room {
				v, ok := p.Victim(func(k Key) bool { return !held[k] })
				require.True(t, ok)
				p.Remove(v)
				delete(resident, v)
			}
			p.Insert(k, uint64(step))
			resident[k], held[k] = true, true
		}
	}
	return float64(hits) / float64(all)
}

// belady knows the future: it evicts what is used last of all. No policy hits
// more.
type belady struct {
	uses     map[Key][]int // steps, those that are past taken off
	resident map[Key]int   // the step of the next use
}

func newBelady(tr trace) *belady {
	b := &belady{map[Key][]int{}, map[Key]int{}}
	for step, keys := range tr {
		for _, k := range keys {
			b.uses[k] = append(b.uses[k], step)
		}
	}
	return b
}

func (b *belady) Insert(k Key, _ uint64) {
	b.uses[k] = b.uses[k][1:]
	b.resident[k] = math.MaxInt
	if len(b.uses[k]) > 0 {
		b.resident[k] = b.uses[k][0]
	}
}

func (b *belady) Touch(k Key, step uint64) { b.Insert(k, step) }
func (b *belady) Remove(k Key)             { delete(b.resident, k) }

func (b *belady) Victim(free func(Key) bool) (best Key, ok bool) {
	farthest := -1
	for k, next := range b.resident {
		if (next > farthest || next == farthest && k.before(best)) && free(k) {
			best, farthest, ok = k, next, true
		}
	}
	return best, ok
}

// TestHitRates runs testdata/hitrates, the table that chose the default.
func TestHitRates(t *testing.T) {
	rooms := []int{64, 128, 256, 512, 768}
	datadriven.RunTest(t, "testdata/hitrates", func(t *testing.T, d *datadriven.TestData) string {
		var kind string
		d.ScanArgs(t, "routing", &kind)
		tr := route(kind, 300)
		var out strings.Builder
		fmt.Fprintf(&out, "%-14s%5d%5d%5d%5d%5d\n", "room", rooms[0], rooms[1], rooms[2], rooms[3], rooms[4])
		row := func(name string, create func() Policy) (rates []float64) {
			fmt.Fprintf(&out, "%-14s", name)
			for _, room := range rooms {
				rate := hitRate(t, tr, create(), room)
				rates = append(rates, rate)
				fmt.Fprintf(&out, "%5.0f", 100*rate)
			}
			fmt.Fprintln(&out)
			return rates
		}
		best := row("Belady", func() Policy { return newBelady(tr) })
		row("LRU", func() Policy { return NewLRU() })
		for _, h := range []uint64{4, 16, 64} {
			for i, rate := range row(fmt.Sprintf("LRFU %d", h), func() Policy { return NewLRFU(h * layers) }) {
				require.LessOrEqual(t, rate, best[i], "more than the future allows")
			}
		}
		return out.String()
	})
}

// BenchmarkChurn measures a step of a cache that misses half of its leases.
func BenchmarkChurn(b *testing.B) {
	for name, create := range map[string]func() Policy{
		"lru":  func() Policy { return NewLRU() },
		"lrfu": func() Policy { return NewLRFU(16 * layers) },
	} {
		b.Run("policy="+name, func(b *testing.B) {
			p := create()
			for i := range int64(512) {
				p.Insert(Key{0, 0, i}, 0)
			}
			free := func(Key) bool { return true }
			b.ReportAllocs()
			step := uint64(0)
			for b.Loop() {
				step++
				v, _ := p.Victim(free)
				p.Remove(v)
				p.Insert(v, step)
			}
		})
	}
}
