package par

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCrowd runs more workers than there are processors, so that they are
// preempted anywhere, and looks at every region whether all took part in it: a
// worker that is late to leave one region must not end the next.
func TestCrowd(t *testing.T) {
	const pools, workers, regions = 8, 3, 400
	var all sync.WaitGroup
	for range pools {
		all.Go(func() {
			p := New(workers)
			defer p.Close()
			var ran [workers]padded
			for region := range uint32(regions) {
				p.Run(func(w int) { ran[w].v.Add(1) })
				for w := range ran {
					if ran[w].v.Load() != region+1 {
						t.Errorf("worker %d had run %d regions when region %d ended", w, ran[w].v.Load(), region)
						return
					}
				}
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed())
}
