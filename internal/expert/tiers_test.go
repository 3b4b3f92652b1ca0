package expert

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

// tieredLayout is testLayout whose large experts are a tier of their own.
func tieredLayout() Layout {
	l := testLayout()
	for i := range l {
		if len(l[i].Pools) > 0 {
			l[i].Pools[1].Tier = 1
		}
	}
	return l
}

// odd is a plan that divides by the index, not by the pool.
func odd(id ID) int { return int(id.Index % 2) }

// ways are the two ways to tell tiers.
var ways = map[string]TierOf{"by pool": nil, "by plan": odd}

// TestTierBudgets walks at random and holds that each tier stays within its
// budget, and what is pinned where it is.
func TestTierBudgets(t *testing.T) {
	for name, of := range ways {
		for _, hints := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				l := tieredLayout()
				sizes := l.ByTier(1, 2, of)
				all, _ := l.Slots(1)
				require.Equal(t, all, sizes[0].All+sizes[1].All)
				tiers := []Tier{{Budget: base.ByteSize(2 * sizes[0].Largest)}, {Pin: true}}
				most, floor, err := Room(sizes, tiers)
				require.NoError(t, err)
				require.Equal(t, 2*sizes[0].Largest+sizes[1].All, most)
				require.LessOrEqual(t, floor, most)
				disk := &disk{}
				c := open(t, Options{Rung: disk, Layout: l, Budget: base.ByteSize(floor), Depth: 4, Tiers: tiers, TierOf: of})
				require.NoError(t, c.Load(context.Background()))
				loaded := disk.reads.Load()
				require.Equal(t, sizes[1].All, c.Stats().Tiers[1].Slots)
				rnd := rand.New(rand.NewPCG(1, 1))
				for range 200 {
					ids := draw(rnd, 5)
					if hints {
						c.Hint(draw(rnd, 4))
					}
					_, err := drain(t, c, ids)
					require.NoError(t, err)
					s := c.Stats().Tiers
					require.LessOrEqual(t, s[0].Slots, int64(tiers[0].Budget))
					require.Equal(t, sizes[1].All, s[1].Slots)
				}
				s := c.Stats()
				require.Positive(t, s.Tiers[0].Misses)
				require.Positive(t, s.Tiers[1].Hits)
				var fresh uint64
				for id := range c.mu.entries {
					if c.tier(id, c.layout.pool(id)) == 1 {
						fresh++
					}
				}
				require.Equal(t, fresh, s.Tiers[1].Misses, "each was missed once, when it was loaded")
				require.Greater(t, disk.reads.Load(), loaded)
				require.Equal(t, s.Misses, s.Tiers[0].Misses+s.Tiers[1].Misses)
				require.Equal(t, s.Hits, s.Tiers[0].Hits+s.Tiers[1].Hits)
			})
		}
	}
}

// TestPinned holds that a pinned tier stays although the others want its room.
func TestPinned(t *testing.T) {
	for name, of := range ways {
		t.Run(name, func(t *testing.T) {
			l := tieredLayout()
			sizes, tiers := l.ByTier(1, 2, of), []Tier{{}, {Pin: true}}
			_, floor, err := Room(sizes, tiers)
			require.NoError(t, err)
			c := open(t, Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(floor), Depth: 4, Tiers: tiers, TierOf: of})
			require.NoError(t, c.Load(context.Background()))
			rnd := rand.New(rand.NewPCG(2, 2))
			for range 200 {
				_, err := drain(t, c, draw(rnd, 6))
				require.NoError(t, err)
				require.Equal(t, sizes[1].All, c.Stats().Tiers[1].Slots)
			}
			require.Positive(t, c.Stats().Evictions)
		})
	}
}

// TestTierRefusals holds that what cannot be promised is refused with the number
// that is enough.
func TestTierRefusals(t *testing.T) {
	l := tieredLayout()
	sizes := l.ByTier(1, 2, nil)
	for name, c := range map[string]struct {
		tiers []Tier
		need  int64
	}{
		"less than two experts":    {[]Tier{{Budget: 1}}, 2 * sizes[0].Largest},
		"pinned in less than all":  {[]Tier{{}, {Pin: true, Budget: base.ByteSize(sizes[1].All - 1)}}, sizes[1].All},
		"less than two large ones": {[]Tier{{}, {Budget: base.ByteSize(2*sizes[1].Largest - 1)}}, 2 * sizes[1].Largest},
	} {
		t.Run(name, func(t *testing.T) {
			opt := Options{Rung: &disk{}, Layout: l, Budget: 1 << 30, Tiers: c.tiers}
			_, err := New(opt)
			var te *TierError
			require.ErrorAs(t, err, &te)
			require.Equal(t, base.ByteSize(c.need), te.Need)
			opt.Tiers[te.Tier].Budget = te.Need
			open(t, opt)
		})
	}
	tiers := []Tier{{}, {Pin: true}}
	_, floor, err := Room(sizes, tiers)
	require.NoError(t, err)
	_, err = New(Options{Rung: &disk{}, Layout: l, Budget: base.ByteSize(floor - 1), Tiers: tiers})
	var be *BudgetError
	require.ErrorAs(t, err, &be)
	require.Equal(t, base.ByteSize(floor), be.Need)
}
