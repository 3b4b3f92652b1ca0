package block_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// The law of rule 8, written once more: products of one row at a time with the
// reference, and sums in the order of docs/format/numerics.md.

// product is w·x of one row.
func product(t *testing.T, w linear.Matrix, x []float32) []float32 {
	t.Helper()
	k, in := linear.For(kernel.Reference), linear.Input{}
	in.Set(x, 1, len(x))
	require.NoError(t, k.Prepare(&in, w.Type))
	out := make([]float32, w.Rows)
	k.Mul(out, w.Rows, w, &in, 0, w.Rows, &linear.Scratch{})
	return out
}

// network is a gated network of one row.
func network(t *testing.T, gate, up, down linear.Matrix, x []float32) []float32 {
	t.Helper()
	g, u := product(t, gate, x), product(t, up, x)
	for i := range g {
		g[i] = float32(g[i]/(1+vec.Exp32(-g[i]))) * u[i]
	}
	return product(t, down, g)
}

// expertOf is the network of one expert, read from the file.
func (b *bench) expertOf(t *testing.T, layer int, index int64, x []float32) []float32 {
	t.Helper()
	for _, p := range b.m.Experts[layer] {
		at := int(index) - p.First
		if at < 0 || at >= p.Count {
			continue
		}
		part := func(s block.Slab, i int) linear.Matrix {
			n := int(p.Slabs[i].Size)
			return linear.Matrix{Type: s.Type, Rows: s.Rows, Cols: s.Cols, Data: b.f.Tensor(t, p.Slabs[i].Name)[at*n : (at+1)*n]}
		}
		return network(t, part(p.Gate, block.PartGate), part(p.Up, block.PartUp), part(p.Down, block.PartDown), x)
	}
	require.Fail(t, "no such expert")
	return nil
}

func accumulate(acc, y []float32, w float32) {
	for i := range acc {
		acc[i] += float32(w * y[i])
	}
}

// requireBits compares rows to the bit.
func requireBits(t *testing.T, want, got []float32, msg string) {
	t.Helper()
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "%s, value %d: %v and %v", msg, i, want[i], got[i])
	}
}

// choices collects what every row chose at the layer.
func (b *bench) choices() *[][]hser.Choice {
	all := &[][]hser.Choice{}
	b.st.Routed = func(_, _ int, chosen []hser.Choice) { *all = append(*all, slices.Clone(chosen)) }
	return all
}

const rows = 37

// TestMoE holds layers of experts to the law, bit by bit: one chain over the
// chosen experts in ascending order, then the shared network, gated or not.
func TestMoE(t *testing.T) {
	for _, family := range []string{"mixtral", "olmoe", "qwen2moe", "qwen3moe", "deepseek2"} {
		for _, mix := range []string{"F32", "Q4_0"} {
			t.Run(family+"/"+mix, func(t *testing.T) {
				b := newBench(t, synth.Tiny(family), mix)
				moe, ok := b.m.Layers[1].FFN.(*block.MoE)
				require.True(t, ok)
				dim, set := b.m.Dim, &b.m.Sets[0]
				x, got := random(rows*dim, 6), make([]float32, rows*dim)
				b.begin(t, rows, set)
				chosen := b.choices()
				require.NoError(t, moe.Forward(context.Background(), b.st, 1, got, x))
				require.Len(t, *chosen, rows)
				var router hser.Router
				for r := range rows {
					row := x[r*dim : (r+1)*dim]
					want, err := router.Joint(&moe.Config, nil, product(t, moe.Router, row), moe.Bias, set, hser.Key{Position: r, Layer: 1})
					require.NoError(t, err)
					require.Equal(t, want, (*chosen)[r])
					require.Len(t, want, 2)
					acc := make([]float32, dim)
					for _, c := range want {
						accumulate(acc, b.expertOf(t, 1, c.Index, row), c.Weight)
					}
					if s := moe.Shared; s != nil {
						gate := float32(1)
						y := network(t, s.Gate.W, s.Up.W, s.Down.W, row)
						if moe.SharedGate != nil {
							gate = 1 / (1 + vec.Exp32(-product(t, *moe.SharedGate, row)[0]))
						}
						accumulate(acc, y, gate)
					}
					requireBits(t, acc, got[r*dim:(r+1)*dim], family)
					require.Equal(t, int64(moe.Params(set)+2*moe.Pools[0].Params()), b.st.Active[r])
				}
			})
		}
	}
}

// TestHSER holds a layer of tiers to the law: a chain within each group, groups
// within a tier, tiers.
func TestHSER(t *testing.T) {
	shape := synth.Tiny("lite")
	shape.Tiers = []synth.Tier{{Name: "a", FF: 32, Groups: 3, Experts: 4}, {Name: "b", FF: 96, Groups: 2, Experts: 5}, {Name: "c", FF: 64, Groups: 4, Experts: 3}}
	for _, c := range []struct {
		mix  string
		rows int
	}{{"F32", rows}, {"Q5_1", rows}, {"Q5_1", 1}} {
		mix, rows := c.mix, c.rows
		b := newBench(t, shape, mix)
		h, ok := b.m.Layers[1].FFN.(*block.HSER)
		require.True(t, ok)
		set := &hser.TierSet{Name: "two", Tiers: []int{0, 1, 2}, KTier: 2, KGroup: 2, KExpert: 2}
		require.NoError(t, set.Validate(h.Config))
		dim := b.m.Dim
		x, got := random(rows*dim, 8), make([]float32, rows*dim)
		b.begin(t, rows, set)
		asked := &asked{Store: b.st.Store}
		b.st.Store = asked
		chosen := b.choices()
		require.NoError(t, h.Forward(context.Background(), b.st, 1, got, x))
		require.Equal(t, onTheWay(h, *chosen), asked.batches, "what is leased is what was chosen, and no more")
		for r := range rows {
			row := x[r*dim : (r+1)*dim]
			want := b.route(t, h, set, row, hser.Key{Position: r, Layer: 1})
			require.Equal(t, want, (*chosen)[r])
			require.Len(t, want, 8)
			requireBits(t, b.nested(t, want, row), got[r*dim:(r+1)*dim], mix)
			require.LessOrEqual(t, b.st.Active[r], int64(h.Params(set)+8*h.Pools[1].Params()))
		}
	}
}

// route goes through the heads for one row.
func (b *bench) route(t *testing.T, h *block.HSER, set *hser.TierSet, x []float32, key hser.Key) (chosen []hser.Choice) {
	t.Helper()
	var router hser.Router
	tiers, err := router.Tiers(h.Config, nil, product(t, h.TierHead, x), set, key)
	require.NoError(t, err)
	for _, tier := range tiers {
		groups, err := router.Groups(h.Config, nil, tier, product(t, b.head(t, "group", tier.Tier), x), set, key)
		require.NoError(t, err)
		for _, g := range groups {
			n := h.Config.Tiers[g.Tier].Experts
			scores := product(t, b.head(t, "expert", g.Tier), x)[int(g.Group)*n:][:n]
			chosen, err = router.Experts(h.Config, chosen, g, scores, set, key)
			require.NoError(t, err)
		}
	}
	router.Finish(h.Config, chosen)
	return chosen
}

// asked notes what is leased.
type asked struct {
	expert.Store
	batches [][]expert.ID
}

func (a *asked) Acquire(ids []expert.ID) *expert.Batch {
	a.batches = append(a.batches, slices.Clone(ids))
	return a.Store.Acquire(ids)
}

// onTheWay is the heads and the experts of layer 1 that these choices lead
// through, each once, in ascending order.
func onTheWay(h *block.HSER, rows [][]hser.Choice) [][]expert.ID {
	levels := make([]map[int64]bool, 3)
	for i := range levels {
		levels[i] = map[int64]bool{}
	}
	for _, chosen := range rows {
		for _, c := range chosen {
			levels[0][int64(c.Tier)] = true
			levels[1][h.Heads[c.Tier].FirstGroups+int64(c.Group)] = true
			levels[2][c.Index] = true
		}
	}
	var batches [][]expert.ID
	for i, kind := range []expert.Kind{expert.KindGroupHead, expert.KindExpertHead, expert.KindExpert} {
		var ids []expert.ID
		for _, index := range slices.Sorted(maps.Keys(levels[i])) {
			ids = append(ids, expert.ID{Layer: 1, Kind: kind, Index: index})
		}
		batches = append(batches, ids)
	}
	return batches
}

// head is all heads of a kind of a tier of layer 1.
func (b *bench) head(t *testing.T, kind string, tier int32) linear.Matrix {
	t.Helper()
	name := fmt.Sprintf("blk.1.tier.%d.ffn_%s_inp.weight", tier, kind)
	x, ok := b.f.W.Tensor(name)
	require.True(t, ok)
	return linear.Matrix{Type: x.Type, Rows: x.Dim(1), Cols: x.Dim(0), Data: b.f.Tensor(t, name)}
}

// nested adds the chosen experts of one row by the law.
func (b *bench) nested(t *testing.T, chosen []hser.Choice, x []float32) []float32 {
	t.Helper()
	dim := b.m.Dim
	out := make([]float32, dim)
	for tier := range int32(3) {
		inTier := make([]float32, dim)
		used := false
		for group := range int32(4) {
			inGroup := make([]float32, dim)
			some := false
			for _, c := range chosen {
				if c.Tier == tier && c.Group == group {
					accumulate(inGroup, b.expertOf(t, 1, c.Index, x), c.Weight)
					some = true
				}
			}
			if some {
				accumulate(inTier, inGroup, 1)
				used = true
			}
		}
		if used {
			accumulate(out, inTier, 1)
		}
	}
	return out
}

// TestFFN holds a dense network to float64.
func TestFFN(t *testing.T) {
	b := newBench(t, synth.Tiny("qwen3"), "F32")
	f, ok := b.m.Layers[0].FFN.(*block.FFN)
	require.True(t, ok)
	dim := b.m.Dim
	x, got := random(rows*dim, 9), make([]float32, rows*dim)
	b.begin(t, rows, nil)
	require.NoError(t, f.Forward(context.Background(), b.st, 0, got, x))
	for r := range rows {
		row := widen(x[r*dim : (r+1)*dim])
		g, u := mul(b.tensor(t, "blk.0.ffn_gate.weight"), row), mul(b.tensor(t, "blk.0.ffn_up.weight"), row)
		for i := range g {
			g[i] = g[i] / (1 + math.Exp(-g[i])) * u[i]
		}
		requireClose(t, mul(b.tensor(t, "blk.0.ffn_down.weight"), g), got[r*dim:(r+1)*dim], 1e-6, "row")
		require.Equal(t, int64(f.Params(nil)), b.st.Active[r])
	}
}
