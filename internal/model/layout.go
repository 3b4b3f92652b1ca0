package model

import (
	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/model/block"
)

// Layout says where the experts of the model are; where is the place of a tensor
// that holds one projection of all experts of a pool, or its routing heads.
func (m *Model) Layout(where func(tensor string) base.Stack) expert.Layout {
	l := make(expert.Layout, len(m.Experts))
	for i, pools := range m.Experts {
		groups := int64(0)
		for tier := range pools {
			p := &pools[tier]
			if p.Groups > 0 {
				l[i].GroupHeads = append(l[i].GroupHeads, runs(where, tier, int64(tier), 1, p.GroupHead)...)
				l[i].ExpertHeads = append(l[i].ExpertHeads, runs(where, tier, groups, int64(p.Groups), p.ExpertHead)...)
				groups += int64(p.Groups)
			}
			l[i].Pools = append(l[i].Pools, runs(where, tier, int64(p.First), int64(p.Count), p.Slabs[:]...)...)
			if order := where(p.Slabs[block.PartGate].Name).Order; order != nil {
				l[i].Order = order // of a flat model, whose only pool this is
			}
		}
	}
	return l
}

// runs are n experts or heads from first on, a run for each file that they stand
// in. All of their tensors have the same runs.
func runs(where func(tensor string) base.Stack, tier int, first, n int64, tensors ...SlabTensor) []expert.Pool {
	var all []expert.Pool
	for r, run := range where(tensors[0].Name).Runs {
		q := expert.Pool{First: first + run.First, Count: run.Count, Stride: run.Stride, Tier: tier}
		if run.Count == 0 { // one piece
			q.Count = n
		}
		for _, t := range tensors {
			q.Parts = append(q.Parts, where(t.Name).Runs[r].At)
			q.Sizes = append(q.Sizes, t.Size)
		}
		all = append(all, q)
	}
	return all
}
