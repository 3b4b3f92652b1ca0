package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestLRU runs testdata/lru: commands in, the order of eviction out.
func TestLRU(t *testing.T) {
	datadriven.RunTest(t, "testdata/lru", func(t *testing.T, d *datadriven.TestData) string {
		l, held := NewLRU(), map[Key]bool{}
		var out strings.Builder
		for step, line := range strings.Split(d.Input, "\n") {
			var cmd string
			var k Key
			n, _ := fmt.Sscanf(line, "%s L%d/E%d", &cmd, &k.Layer, &k.Index)
			switch {
			case cmd == "insert" && n == 3:
				l.Insert(k, uint64(step))
			case cmd == "touch" && n == 3:
				l.Touch(k, uint64(step))
			case cmd == "remove" && n == 3:
				l.Remove(k)
			case cmd == "hold" && n == 3:
				held[k] = true
			case cmd == "victim":
				v, ok := l.Victim(func(k Key) bool { return !held[k] })
				fmt.Fprintf(&out, "L%d/E%d %v\n", v.Layer, v.Index, ok)
			default:
				t.Fatalf("%q?", line)
			}
		}
		return out.String()
	})
}

// TestUniformRoutingHitsTheCachedFraction simulates 16 layers of 64 experts,
// 8 used, with half of them resident.
func TestUniformRoutingHitsTheCachedFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	l, resident := NewLRU(), map[Key]bool{}
	hits, all := 0, 0
	for token := range 600 {
		for layer := range int32(16) {
			for _, e := range r.Perm(64)[:8] {
				k := Key{layer, int32(e)}
				if token > 100 {
					all++
				}
				if resident[k] {
					l.Touch(k, 0)
					if token > 100 {
						hits++
					}
					continue
				}
				if len(resident) == 512 {
					v, ok := l.Victim(func(Key) bool { return true })
					require.True(t, ok)
					l.Remove(v)
					delete(resident, v)
				}
				l.Insert(k, 0)
				resident[k] = true
			}
		}
	}
	require.InDelta(t, 0.5, float64(hits)/float64(all), 0.02)
}
