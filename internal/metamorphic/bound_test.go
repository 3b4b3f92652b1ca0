package metamorphic

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/tiny"
)

// TestBound holds what the engine counts to the bound, for every model and set:
// equal where the set's experts have one size, and otherwise less by exactly
// what the chosen ones are smaller than the largest. What `lite inspect` prints
// is the same bound.
func TestBound(t *testing.T) {
	files := map[string]*modeltest.File{tiny.Name: modeltest.Open(t, tiny.GGUF)}
	for i := range subjects {
		files[subjects[i].name] = subjects[i].file(t)
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			m := f.Build(t)
			path := name
			if name != tiny.Name {
				path = filepath.Join(t.TempDir(), "model.gguf")
				require.NoError(t, os.WriteFile(path, f.Bytes, 0o600))
			}
			opened, err := lite.Open(path, lite.Options{Memory: 1 << 30, Context: 64})
			require.NoError(t, err)
			defer opened.Close()
			sets := opened.Info().Sets
			require.Len(t, sets, len(m.Sets))
			for i := range m.Sets {
				set, printed := &m.Sets[i], sets[i]
				b := m.Bound(set)
				inspected := hser.Bound{Layers: printed.L, CDense: printed.CDense, K: printed.K, ThetaMax: printed.ThetaMax, PActive: printed.PActive}
				require.Equal(t, b, inspected)
				require.Equal(t, set.Name, printed.Name)
				active, saved := count(t, f, m, set)
				require.Equal(t, b.PActive-saved, active, "set %s", set.Name)
				if len(set.Tiers) < 2 || name == "sparse" {
					require.Zero(t, saved, "experts of one size")
				} else {
					require.Positive(t, saved, "tokens that need not take the largest experts")
				}
			}
		})
	}
}

// count runs tokens one at a time and returns the most parameters that one of
// them executed, and by how much less that is than if its experts were all of
// the largest size.
func count(t *testing.T, f *modeltest.File, m *model.Model, set *hser.TierSet) (active, saved int64) {
	t.Helper()
	theta := m.Bound(set).ThetaMax
	available := kernel.Available()
	store := f.Store(t, m)
	less := int64(0)
	e := engine.New(m, store, engine.Options{
		Kernels: available[len(available)-1], Threads: 1, Routed: func(layer int, _ engine.Row, chosen []hser.Choice) {
			require.Len(t, chosen, set.K())
			for _, c := range chosen {
				less += theta - int64(m.Experts[layer][c.Tier].Params())
			}
		},
	})
	defer e.Close()
	p := &process{m: m, e: e, store: store, pool: modeltest.Pool(m, 0, 128), routed: map[engine.Row]uint64{}}
	seq := p.pool.NewSequence()
	for _, token := range modeltest.Tokens(m, 24, 5) {
		less = 0
		jobs := []engine.Job{{Seq: seq, Set: set, Tokens: []int32{token}, Want: engine.WantLast}}
		p.step(t, jobs, func(int, int, outcome) {})
		if jobs[0].Active > active {
			active, saved = jobs[0].Active, less
		}
	}
	seq.Close()
	require.NoError(t, store.Close())
	return active, saved
}
