package lite

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordsAreWithinTheLimit: what slots cost beyond themselves never breaks the
// limit, whether their size or their number bounds it, and little is left over.
func TestRecordsAreWithinTheLimit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		d := demand{smallest: 4096 << rnd.IntN(12), scratch: func(int) int64 { return 0 }}
		d.count = rnd.Int64N(1 << rnd.IntN(40))
		d.all = d.smallest * (1 + d.count + rnd.Int64N(1<<20))
		limit := rnd.Int64N(1 << 40)
		p := d.fill(shape{}, limit)
		require.LessOrEqual(t, p.Needs(), limit, "%+v", d)
		if p.Experts < d.all {
			more := p.Experts + 4 // rounding
			require.Greater(t, more+d.records(more), limit, "%+v: room is left", d)
		}
	}
}
