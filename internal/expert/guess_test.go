package expert

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/memory"
)

// The machine that is simulated, of the shape of OLMoE-7B in Q4_K_M: a disk that
// gives 1.6 GB/s to whoever is first, after 0.2 ms, and a processor that takes 28 ms
// for a token whose experts are there. Experts are a 64th of their size, and so is
// what the disk gives.
const (
	simLayers, simExperts, simUsed = 16, 64, 8
	simPart                        = 20 << 10 // 1.3 MB / 64, in whole pages
	simRate                        = 1.6e9 / 64
	simLatency                     = 200 * time.Microsecond
	simLayer                       = 500 * time.Microsecond // attention and routing
	simExpert                      = 160 * time.Microsecond
)

// slowDisk serves reads one after another in the time of the bubble.
type slowDisk struct {
	mu   sync.Mutex
	free time.Time
}

func (*slowDisk) Name() string { return "disk" }
func (*slowDisk) Align() int   { return 1 }
func (*slowDisk) Close() error { return nil }

func (d *slowDisk) ReadAt(_ context.Context, _ base.Object, p []byte, _ int64) error {
	d.mu.Lock()
	if now := time.Now(); d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(time.Duration(float64(len(p)) / simRate * 1e9))
	done := d.free.Add(simLatency)
	d.mu.Unlock()
	time.Sleep(time.Until(done))
	return nil
}

// simulated is the time of a token when so many of 100 experts fit, and a hint names
// an expert of the next layer that will be asked for with that probability; none
// below 0.
func simulated(t *testing.T, percent int, precision float64, tokens int) (perToken time.Duration, stats Stats) {
	obj := base.Object{Name: "disk", Size: 3 * simPart * simExperts}
	var l Layout
	for range simLayers {
		p := Pool{Count: simExperts}
		for i := range int64(3) {
			p.Parts = append(p.Parts, base.Range{Object: obj, Off: i * simPart * simExperts, Len: simPart * simExperts})
			p.Sizes = append(p.Sizes, simPart)
		}
		l = append(l, Layer{Pools: []Pool{p}})
	}
	all, _ := l.Slots(1)
	before := memory.InUse()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{Rung: &slowDisk{}, Layout: l, Budget: base.ByteSize(all * int64(percent) / 100)})
		require.NoError(t, err)
		c.piece = guessPiece / 64
		routes, guesses := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
		draw := func(layer int) (ids []ID) {
			for _, e := range routes.Perm(simExperts)[:simUsed] {
				ids = append(ids, ID{Layer: int32(layer), Index: int64(e)})
			}
			return ids
		}
		warm := tokens
		var begin time.Time
		next := draw(0)
		for token := range warm + tokens {
			if token == warm {
				begin = time.Now()
			}
			for layer := range simLayers {
				time.Sleep(simLayer)
				b := c.Acquire(next)
				next = draw((layer + 1) % simLayers)
				if precision >= 0 {
					c.Hint(guess(guesses, next, precision))
				}
				for {
					lease, err := b.Next(t.Context())
					if err != nil {
						break
					}
					time.Sleep(simExpert)
					lease.Release()
				}
				b.Close()
			}
		}
		perToken = time.Since(begin) / time.Duration(tokens)
		verify(t, c)
		stats = c.Stats()
		require.NoError(t, c.Close())
	})
	require.Equal(t, before, memory.InUse())
	return perToken, stats
}

// guess names as many experts as will be asked for: each is one of them with that
// probability, and else any of the layer. The last layer's hint is empty.
func guess(r *rand.Rand, next []ID, precision float64) (ids []ID) {
	if next[0].Layer == 0 {
		return nil
	}
	for i, e := range r.Perm(simExperts)[:len(next)] {
		id := ID{Layer: next[0].Layer, Index: int64(e)}
		if r.Float64() < precision {
			id = next[i]
		}
		ids = append(ids, id)
	}
	return ids
}

// TestGuessesInSimulatedTime: what guesses gain when they are right, and that they
// cost next to nothing when they are wrong, on a machine whose time is counted and
// not measured.
func TestGuessesInSimulatedTime(t *testing.T) {
	for percent, least := range map[int]float64{90: 0.10, 75: 0.06, 50: 0.03, 25: 0.02} {
		off, _ := simulated(t, percent, -1, 12)
		gain := func(precision float64) float64 {
			on, s := simulated(t, percent, precision, 12)
			gain := off.Seconds()/on.Seconds() - 1
			t.Logf("%d %% fit, %.0f %% right: %v a token, %v without: %+.1f %%; %d guesses, %d used, %d wasted", percent, 100*precision,
				on.Round(10*time.Microsecond), off.Round(10*time.Microsecond), 100*gain, s.Guesses, s.GuessesUsed, s.GuessesWasted)
			return gain
		}
		all, most := gain(1), gain(0.75)
		require.Greater(t, all, most)
		require.Greater(t, most, least)
		require.Greater(t, gain(0.5), 0.0)
		require.Greater(t, gain(0), -0.02, "wrong guesses hold up demands")
	}
}
