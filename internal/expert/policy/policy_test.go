package policy

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestPolicies runs testdata/lru and testdata/lrfu: commands in, one a step, and
// the order of eviction out.
func TestPolicies(t *testing.T) {
	for name, create := range map[string]func() Policy{
		"lru":  func() Policy { return NewLRU() },
		"lrfu": func() Policy { return NewLRFU(4) },
	} {
		t.Run(name, func(t *testing.T) {
			datadriven.RunTest(t, "testdata/"+name, func(t *testing.T, d *datadriven.TestData) string {
				return script(t, create(), strings.Split(d.Input, "\n"))
			})
		})
	}
}

// script runs commands and prints what victims they have.
func script(t *testing.T, p Policy, lines []string) string {
	held := map[Key]bool{}
	var out strings.Builder
	step := uint64(0)
	for _, line := range lines {
		var cmd string
		var k Key
		n, _ := fmt.Sscanf(line, "%s L%d/E%d", &cmd, &k.Layer, &k.Index)
		switch {
		case cmd == "insert" && n == 3:
			p.Insert(k, step)
		case cmd == "touch" && n == 3:
			p.Touch(k, step)
		case cmd == "remove" && n == 3:
			p.Remove(k)
		case cmd == "hold" && n == 3:
			held[k] = true
			continue
		case cmd == "wait":
			step += 100
			continue
		case cmd == "victim" || cmd == "evict":
			v, ok := p.Victim(func(k Key) bool { return !held[k] })
			if !ok {
				fmt.Fprintln(&out, "none")
				continue
			}
			fmt.Fprintf(&out, "L%d/E%d\n", v.Layer, v.Index)
			if cmd == "evict" {
				p.Remove(v)
			}
		default:
			t.Fatalf("%q?", line)
		}
		step++
	}
	return out.String()
}

// naive is what a policy is by its definition, slowly: an LRU when halfLife is
// 0, else an LRFU.
type naive struct {
	halfLife float64
	uses     map[Key][]uint64
	order    map[Key]int // of the last use
	now      int
	resident map[Key]bool
}

func (m *naive) Insert(k Key, step uint64) { m.resident[k] = true; m.Touch(k, step) }

func (m *naive) Touch(k Key, step uint64) {
	m.now++
	m.order[k] = m.now
	m.uses[k] = append(m.uses[k], step)
}

func (m *naive) Remove(k Key) { delete(m.resident, k) }

// weight is an expert's weight at its last step, as a logarithm.
func (m *naive) weight(k Key) float64 {
	if m.halfLife == 0 {
		return float64(m.order[k])
	}
	last, sum := m.uses[k][len(m.uses[k])-1], 0.0
	for _, step := range m.uses[k] {
		sum += math.Exp2((float64(step) - float64(last)) / m.halfLife)
	}
	return math.Log2(sum) + float64(last)/m.halfLife
}

func (m *naive) Victim(free func(Key) bool) (best Key, ok bool) {
	for k := range m.resident {
		if free(k) && (!ok || m.weight(k) < m.weight(best)) {
			best, ok = k, true
		}
	}
	return best, ok
}

// FuzzPolicies walks through bytes as operations and holds both policies to
// their definitions.
func FuzzPolicies(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 0x81, 4, 0xff, 5, 0xc0, 6, 0xff})
	f.Add([]byte("insert and evict in some order that text happens to be"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		for _, halfLife := range []float64{0, 1, 7} {
			var p Policy = NewLRU()
			if halfLife > 0 {
				p = NewLRFU(uint64(halfLife))
			}
			m := &naive{halfLife, map[Key][]uint64{}, map[Key]int{}, 0, map[Key]bool{}}
			held := map[Key]bool{}
			free := func(k Key) bool { return !held[k] }
			for step, op := range ops[:min(len(ops), 300)] {
				k := Key{int32(op >> 3 & 3), 0, int64(op & 7)}
				step := uint64(step / 2)
				switch {
				case op < 0x80 && !m.resident[k]:
					p.Insert(k, step)
					m.Insert(k, step)
				case op < 0xb0 && m.resident[k]:
					p.Touch(k, step)
					m.Touch(k, step)
				case op < 0xd0 && m.resident[k]:
					held[k] = !held[k]
				default:
					compareVictims(t, p, m, free)
				}
			}
			for len(m.resident) > 0 { // to the end, so that all of the order shows
				clear(held)
				compareVictims(t, p, m, free)
			}
			_, ok := p.Victim(free)
			require.False(t, ok)
		}
	})
}

// compareVictims evicts from both. Weights that are equal but for rounding may
// leave in any order.
func compareVictims(t *testing.T, p Policy, m *naive, free func(Key) bool) {
	t.Helper()
	got, ok := p.Victim(free)
	want, wantOK := m.Victim(free)
	require.Equal(t, wantOK, ok)
	if !ok {
		return
	}
	require.True(t, m.resident[got] && free(got), "%v is not there or not free", got)
	require.InDelta(t, m.weight(want), m.weight(got), 1e-9, "%v left instead of %v", got, want)
	p.Remove(got)
	m.Remove(got)
}

// TestLRFUForgets holds that what left is remembered, and not without end.
func TestLRFUForgets(t *testing.T) {
	l := NewLRFU(1 << 40)
	id := func(i int) Key { return Key{Index: int64(i)} }
	visit := func(i int) { l.Insert(id(i), 0); l.Remove(id(i)) }
	for range 3 {
		visit(0)
	}
	l.Insert(id(0), 0)
	l.Insert(id(1), 0)
	v, _ := l.Victim(func(Key) bool { return true })
	require.Equal(t, id(1), v, "four uses weigh more than one")
	l.Remove(id(0))
	for i := range 3 * history {
		visit(i + 2)
		require.LessOrEqual(t, len(l.nodes), history+2)
	}
	l.Touch(id(1), 0)
	l.Insert(id(0), 0)
	v, _ = l.Victim(func(Key) bool { return true })
	require.Equal(t, id(0), v, "its uses are forgotten")
	require.Zero(t, testing.AllocsPerRun(1000, func() { visit(1 << 30); visit(1 << 29) }))
}
