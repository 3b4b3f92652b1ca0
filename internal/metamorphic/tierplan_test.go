package metamorphic

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/tierplan"
)

// split is a tier plan of a flat model by a usage that a seed draws, so that
// tiers are no runs and differ from layer to layer; nil for a model that has
// nothing to divide.
func split(t testing.TB, m *model.Model, seed uint64, shares ...float64) *tierplan.Plan {
	t.Helper()
	s, err := m.PlanShape()
	if _, native := errors.AsType[*model.PlanError](err); native {
		return nil
	}
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(seed, 1))
	u := tierplan.NewUsage(s.Experts)
	for layer, mass := range u.Mass {
		for i := range mass {
			u.Chosen[layer][i], mass[i] = 1, rnd.Float64()
		}
	}
	var asks []tierplan.Ask
	for i, share := range shares {
		asks = append(asks, tierplan.Ask{Name: string(rune('a' + i)), Share: share})
	}
	p, err := tierplan.Split(s, u, append(asks, tierplan.Ask{Name: "rest"}), nil)
	require.NoError(t, err)
	return p
}

// plannedModel is the file's model under a plan of three tiers, or nil.
func plannedModel(t testing.TB, f *modeltest.File) *model.Model {
	t.Helper()
	m := f.Build(t)
	p := split(t, m, 3, 0.5, 0.25)
	if p == nil {
		return nil
	}
	require.NoError(t, m.Divide(p))
	return m
}

// inFull are the requests under the default set of m.
func inFull(m *model.Model, all []request) []request {
	set, err := m.Set("")
	if err != nil {
		panic(err) // a built model has its default set
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].set = set
	}
	return all
}

// TestPlannedIsFlat: under a tier plan with all tiers active, every logit and
// every choice is the flat model's, whatever the plan. With fewer tiers active,
// experts come from these alone, as many as were asked for.
func TestPlannedIsFlat(t *testing.T) {
	available := kernel.Available()
	how := settings{kernels: available[len(available)-1], threads: 2, rung: "dram", cache: "full", budget: 1}
	for _, name := range []string{"mixtral", "olmoe", "ties", "qwen2moe", "qwen3moe-q4km", "deepseek2", "deepseek2-lite"} {
		t.Run(name, func(t *testing.T) {
			s := &subjects[slices.IndexFunc(subjects, func(s subject) bool { return s.name == name })]
			f := s.file(t)
			want := reference(t, f, f.Build(t), s.elem)
			for seed := range uint64(2) {
				m := f.Build(t)
				plan := split(t, m, seed, 0.5, 0.25)
				require.NoError(t, m.Divide(plan))
				p := start(t, f, m, s.elem, how, 256)
				all := inFull(m, requests(m)[:3])
				for i, r := range all {
					seq := p.pool.NewSequence()
					p.step(t, []engine.Job{{Seq: seq, Set: r.set, Tokens: r.tokens, Want: engine.WantAll}}, func(_, pos int, got outcome) {
						require.Equal(t, want[i][pos], got, "request %d, position %d", i, pos)
					})
					seq.Close()
				}
				p.stop(t)
				first, err := m.Set("a")
				require.NoError(t, err)
				for layer, chosen := range choices(t, f, m, request{all[1].tokens, first}) {
					require.Len(t, chosen, first.K()*len(all[1].tokens))
					for _, c := range chosen {
						require.Zero(t, c.Tier)
						require.Contains(t, plan.Tiers[0].Experts[layer], int32(c.Index))
					}
				}
			}
		})
	}
}

// choices is what a request chooses at each layer of experts.
func choices(t *testing.T, f *modeltest.File, m *model.Model, r request) map[int][]hser.Choice {
	t.Helper()
	got := map[int][]hser.Choice{}
	store := f.Store(t, m)
	e := engine.New(m, store, engine.Options{Kernels: kernel.Reference, Threads: 1, Routed: func(layer int, _ engine.Row, c []hser.Choice) {
		got[layer] = append(got[layer], c...)
	}})
	p := &process{m: m, e: e, store: store, pool: modeltest.Pool(m, 0, 256), routed: map[engine.Row]uint64{}}
	defer p.stop(t)
	seq := p.pool.NewSequence()
	defer seq.Close()
	p.step(t, []engine.Job{{Seq: seq, Set: r.set, Tokens: r.tokens}}, nil)
	return got
}
