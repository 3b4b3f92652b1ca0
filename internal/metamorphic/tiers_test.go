package metamorphic

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/attn"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/modeltest"
)

// divide makes several tiers of a flat model's experts, of the given sizes: a
// plan that only names and places them. Its sets are all tiers, and the first
// one alone where that is enough.
func divide(t *testing.T, m *model.Model, sizes ...int) {
	t.Helper()
	k := m.Sets[0].KExpert
	m.Tiers = nil
	var tiers []hser.Tier
	first := 0
	for i, n := range sizes {
		name := fmt.Sprint("tier", i)
		m.Tiers = append(m.Tiers, model.Tier{Name: name, Groups: 1, Experts: n})
		tiers = append(tiers, hser.Tier{Name: name, Groups: 1, Experts: n, First: first})
		first += n
	}
	all := make([]int, len(sizes))
	for i := range all {
		all[i] = i
	}
	m.Sets = []hser.TierSet{{Name: "all", Tiers: all, KTier: 1, KGroup: 1, KExpert: k}}
	if sizes[0] >= k {
		m.Sets = append(m.Sets, hser.TierSet{Name: "first", Tiers: all[:1], KTier: 1, KGroup: 1, KExpert: k})
	}
	for i := range m.Layers {
		moe, ok := m.Layers[i].FFN.(*block.MoE)
		if !ok {
			continue // a dense layer
		}
		moe.Config.Tiers = tiers
		flat := m.Experts[i][0]
		require.Equal(t, first, flat.Count)
		m.Experts[i], moe.Pools = nil, nil
		for j, tier := range tiers {
			p := flat
			p.First, p.Count = tier.First, tier.Experts
			m.Experts[i] = append(m.Experts[i], p)
			moe.Pools = append(moe.Pools, p.Pool)
			m.Tiers[j].ThetaMax = int64(p.Params())
			m.Tiers[j].Params += int64(p.Count * p.Params())
		}
		for s := range m.Sets {
			require.NoError(t, m.Sets[s].Validate(&moe.Config))
		}
	}
}

// TestFlatAndTiered: a flat model whose experts are split over tiers gives the
// flat one's bits when all tiers are active, for a plan only masks and places;
// and other ones, from allowed experts alone, when some are not.
func TestFlatAndTiered(t *testing.T) {
	for _, name := range []string{"olmoe", "ties", "qwen2moe", "qwen3moe-q4km", "deepseek2-lite"} {
		s := &subjects[slices.IndexFunc(subjects, func(s subject) bool { return s.name == name })]
		f := s.file(t)
		want := reference(t, f, f.Build(t), s.elem)
		for _, sizes := range [][]int{{3, 5}, {4, 1, 3}, {1, 1, 1, 1, 1, 1, 1, 1}} {
			t.Run(fmt.Sprint(name, sizes), func(t *testing.T) {
				m := f.Build(t)
				divide(t, m, sizes...)
				got, _ := outcomes(t, f, m, s.elem, requestsOf(m, 0), 0)
				for i := range got {
					require.Equal(t, want[i], got[i], "request %d", i)
				}
				if len(m.Sets) == 1 {
					return
				}
				some, chosen := outcomes(t, f, m, s.elem, requestsOf(m, 1), 0)
				require.NotEqual(t, want[0], some[0])
				for _, c := range chosen {
					require.Less(t, int(c.Index), sizes[0], "an expert of a tier that is not active")
				}
			})
		}
	}
}

// requestsOf are two requests under one of the model's sets.
func requestsOf(m *model.Model, set int) []request {
	return []request{{modeltest.Tokens(m, lengths[0], 0), &m.Sets[set]}, {modeltest.Tokens(m, lengths[1], 1), &m.Sets[set]}}
}

// outcomes runs requests with the fastest kernels, and also returns every
// choice of the first one, layer by layer.
func outcomes(t *testing.T, f *modeltest.File, m *model.Model, elem attn.Elem, all []request, seed uint64) (got [][]outcome, chosen []hser.Choice) {
	t.Helper()
	available := kernel.Available()
	p := &process{m: m, pool: modeltest.Pool(m, elem, 256), routed: map[engine.Row]uint64{}}
	p.store = f.Store(t, f.Build(t)) // a plan leaves experts where they are
	first := true
	p.e = engine.New(m, p.store, engine.Options{
		Kernels: available[len(available)-1], Threads: 2, RoutingSeed: seed,
		Routed: func(layer int, row engine.Row, c []hser.Choice) {
			p.fold(layer, row, c)
			if first {
				chosen = append(chosen, c...)
			}
		},
	})
	defer p.stop(t)
	for _, r := range all {
		seq := p.pool.NewSequence()
		one := make([]outcome, len(r.tokens))
		p.step(t, []engine.Job{{Seq: seq, Set: r.set, Tokens: r.tokens, Want: engine.WantAll}}, func(_, pos int, o outcome) { one[pos] = o })
		got = append(got, one)
		seq.Close()
		first = false
	}
	return got, chosen
}
