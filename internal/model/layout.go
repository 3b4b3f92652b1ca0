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
		for tier, p := range pools {
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
