package model

import (
	"encoding/binary"
	"math"

	"github.com/lite-llm/lite/internal/hser"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/kernel/vec"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/quant"
)

// The values of deepseek2.expert_gating_func.
const (
	gatingSoftmax = 1
	gatingSigmoid = 2
)

// deepseek2 is DeepSeek-V2 and V3 (DeepSeek-AI, 2024): latent attention, a few
// dense layers first, then routed experts beside shared ones. V3 scores by
// sigmoid with a bias for selection, and limits a token to a few groups.
func deepseek2(b *builder) {
	a, rope := b.mlaShape()
	b.setRope(rope)
	dense := b.uintOr("leading_dense_block_count", 0)
	b.layers(func(l *Layer, i int, p string) {
		l.AttnNorm = b.vector(p+"attn_norm.weight", b.m.Dim)
		l.Attn = b.mla(p, a)
		l.FFNNorm = b.vector(p+"ffn_norm.weight", b.m.Dim)
		if i < dense {
			l.FFN = b.ffn(p, "ffn_%s", b.uint("feed_forward_length"))
			return
		}
		l.FFN = b.deepseekMoE(i, p)
	})
}

func (b *builder) deepseekMoE(layer int, p string) *block.MoE {
	experts, hidden := b.uint("expert_count"), b.uint("expert_feed_forward_length")
	moe := b.moe(layer, p, experts, b.uint("expert_used_count"), hidden)
	moe.Bias = b.optional(p+"exp_probs_b.bias", experts)
	c := &moe.Config
	c.Normalize = b.boolOr("expert_weights_norm", false)
	c.Scale = float32(b.floatOr("expert_weights_scale", 1))
	switch gating := b.uintOr("expert_gating_func", gatingSoftmax); gating {
	case gatingSoftmax, 0: // files of V2 have no such key
	case gatingSigmoid:
		c.Score = hser.Sigmoid
	default:
		b.fail("expert_gating_func %d is not supported (supported: 1 softmax, 2 sigmoid)", gating)
	}
	c.LimitGroups = b.uintOr("expert_group_count", 1)
	c.LimitUsed = b.uintOr("expert_group_used_count", c.LimitGroups)
	if c.LimitGroups > 1 && experts%c.LimitGroups != 0 {
		b.fail("%d experts do not form %d equal groups", experts, c.LimitGroups)
	}
	if shared := b.uintOr("expert_shared_count", 0); shared > 0 {
		moe.Shared = b.ffn(p, "ffn_%s_shexp", shared*hidden)
	}
	return moe
}

// mlaShape is what all layers' attention shares. Under YaRN the scores are
// scaled by mscale² instead of the rotation (DeepSeek-V2's code; the stored
// multiplier is 0.1 times its mscale_all_dim).
func (b *builder) mlaShape() (block.MLA, vec.RopeConfig) {
	rot := b.uint("rope.dimension_count")
	dk := b.uintOr("attention.key_length_mla", b.uintOr("attention.key_length", 0))
	a := block.MLA{
		Heads: b.heads, Rot: rot, Nope: dk - rot, Latent: b.uint("attention.kv_lora_rank"),
		DV:  b.uintOr("attention.value_length_mla", b.uintOr("attention.value_length", 0)),
		Eps: b.m.Eps, Scale: inverseRoot(max(dk, 1)),
	}
	if a.Nope <= 0 || a.DV <= 0 {
		b.fail("heads of %d key values, %d of them rotated, and %d values: want positive sizes", dk, rot, a.DV)
	}
	rope := b.rotary(rot, true)
	if rope.Scaling == vec.RopeYaRN && rope.Factor > 1 {
		log := vec.Log(rope.Factor)
		mscale := 1 + float64(b.floatOr("rope.scaling.yarn_log_multiplier", 0)*log)
		a.Scale = float32(mscale * mscale / math.Sqrt(float64(dk)))
		rope.AttnFactor = 1 / (1 + float64(0.1*log)) // cancels the rotation's own factor
	}
	return a, rope
}

func (b *builder) mla(p string, a block.MLA) *block.MLA {
	if b.err != nil {
		return &a
	}
	dim, queries := b.m.Dim, a.Heads*(a.Nope+a.Rot)
	a.Rope = b.rope
	if rank := b.uintOr("attention.q_lora_rank", 0); rank > 0 {
		a.QDown = b.linear(p+"attn_q_a", dim, rank)
		a.QNorm = b.vector(p+"attn_q_a_norm.weight", rank)
		a.Q = b.linear(p+"attn_q_b", rank, queries)
	} else {
		a.Q = b.linear(p+"attn_q", dim, queries)
	}
	a.KVDown = b.linear(p+"attn_kv_a_mqa", dim, a.Latent+a.Rot)
	a.KVNorm = b.vector(p+"attn_kv_a_norm.weight", a.Latent)
	if b.has(p + "attn_k_b.weight") {
		a.KUp = b.heads3(p+"attn_k_b.weight", a.Nope, a.Latent)
		a.VUp = b.heads3(p+"attn_v_b.weight", a.Latent, a.DV)
	} else {
		b.splitKV(p+"attn_kv_b.weight", &a)
	}
	a.O = b.linear(p+"attn_output", a.Heads*a.DV, dim)
	return &a
}

// heads3 is a tensor that holds one matrix per head.
func (b *builder) heads3(name string, cols, rows int) []linear.Matrix {
	t, data := b.tensor(name, false, cols, rows, b.heads)
	if b.err != nil {
		return nil
	}
	ms := make([]linear.Matrix, b.heads)
	for h := range ms {
		ms[h] = linear.Matrix{Type: t, Rows: rows, Cols: cols}
		if data != nil {
			n := len(data) / b.heads
			ms[h].Data = data[h*n : (h+1)*n]
		}
	}
	return ms
}

// splitKV takes the up-projections of keys and values from older files, which
// hold both in one matrix. The keys' part is needed transposed, which blocks
// cannot be: both parts are widened to F32.
func (b *builder) splitKV(name string, a *block.MLA) {
	t, data := b.tensor(name, true, a.Latent, a.Heads*(a.Nope+a.DV))
	if b.err != nil {
		return
	}
	a.KUp, a.VUp = make([]linear.Matrix, a.Heads), make([]linear.Matrix, a.Heads)
	if data == nil {
		return
	}
	row := make([]float32, a.Latent)
	size := len(data) / (a.Heads * (a.Nope + a.DV))
	for h := range a.Heads {
		k, v := make([]float32, a.Latent*a.Nope), make([]float32, 0, a.DV*a.Latent)
		for i := range a.Nope + a.DV {
			at := (h*(a.Nope+a.DV) + i) * size
			quant.Dequantize(t, row, data[at:at+size])
			if i >= a.Nope {
				v = append(v, row...)
				continue
			}
			for j, x := range row {
				k[j*a.Nope+i] = x
			}
		}
		a.KUp[h] = linear.Matrix{Type: quant.F32, Rows: a.Latent, Cols: a.Nope, Data: floatBytes(k)}
		a.VUp[h] = linear.Matrix{Type: quant.F32, Rows: a.DV, Cols: a.Latent, Data: floatBytes(v)}
	}
}

// floatBytes is x as a row of the F32 format.
func floatBytes(x []float32) []byte {
	out := make([]byte, 0, 4*len(x))
	for _, v := range x {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}
