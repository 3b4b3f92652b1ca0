package model

import (
	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/model/block"
)

// Layout says where the experts of the model are; where is the range of a tensor.
func (m *Model) Layout(where func(tensor string) base.Range) expert.Layout {
	l := make(expert.Layout, len(m.Experts))
	for i, pools := range m.Experts {
		groups := int64(0)
		for tier := range pools {
			p := &pools[tier]
			if p.Groups > 0 {
				l[i].GroupHeads = append(l[i].GroupHeads, p.GroupHead.heads(where, tier, int64(tier), 1))
				l[i].ExpertHeads = append(l[i].ExpertHeads, p.ExpertHead.heads(where, tier, groups, int64(p.Groups)))
				groups += int64(p.Groups)
			}
			q := expert.Pool{First: int64(p.First), Count: int64(p.Count), Tier: tier}
			for part := range block.Parts {
				q.Parts = append(q.Parts, where(p.Slabs[part].Name))
				q.Sizes = append(q.Sizes, p.Slabs[part].Size)
			}
			l[i].Pools = append(l[i].Pools, q)
		}
	}
	return l
}

// heads is the pool of n routing heads that stand one after the other.
func (s *SlabTensor) heads(where func(tensor string) base.Range, tier int, first, n int64) expert.Pool {
	return expert.Pool{First: first, Count: n, Tier: tier, Parts: []base.Range{where(s.Name)}, Sizes: []int64{s.Size}}
}
