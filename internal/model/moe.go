package model

import "github.com/lite-llm/lite/internal/model/block"

// moe is a layer of experts under one softmax head; families set what differs.
func (b *builder) moe(layer int, p string, experts, used, hidden int) *block.MoE {
	return &block.MoE{
		Router: b.matrix(p+"ffn_gate_inp.weight", b.m.Dim, experts),
		Config: b.flat(experts, used),
		Pools:  []block.Pool{b.pool(layer, p, 0, experts, hidden)},
	}
}
