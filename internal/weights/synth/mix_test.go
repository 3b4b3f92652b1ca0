package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/quant"
)

func TestMoreBits(t *testing.T) {
	var chosen []int
	for i := range 16 {
		if moreBits(i, 16) {
			chosen = append(chosen, i)
		}
	}
	require.Equal(t, []int{0, 1, 4, 7, 10, 13, 14, 15}, chosen, "half of the layers")
}

func TestMix(t *testing.T) {
	olmoe, mixtral := shapes["olmoe-7b"], shapes["mixtral-8x7b"]
	tied := shapes["smollm2-135m"]
	for _, c := range []struct {
		mix, name   string
		cols, layer int
		shape       Shape
		want        quant.Type
	}{
		{"Q4_K_M", "token_embd.weight", 2048, -1, olmoe, quant.Q4_K},
		{"Q4_K_M", "output.weight", 2048, -1, olmoe, quant.Q6_K},
		{"Q4_K_M", "token_embd.weight", 2048, -1, tied, quant.Q6_K},
		{"Q4_K_M", "attn_q.weight", 2048, 0, olmoe, quant.Q4_K},
		{"Q4_K_M", "attn_v.weight", 2048, 0, olmoe, quant.Q6_K},
		{"Q4_K_M", "attn_v.weight", 2048, 2, olmoe, quant.Q4_K},
		{"Q4_K_M", "ffn_down_exps.weight", 2048, 4, olmoe, quant.Q6_K},
		{"Q4_K_M", "ffn_down_exps.weight", 2048, 5, olmoe, quant.Q4_K},
		{"Q4_K_M", "tier.1.ffn_down_exps.weight", 2048, 4, olmoe, quant.Q6_K},
		{"Q5_K_M", "ffn_down_shexp.weight", 2048, 15, olmoe, quant.Q6_K},
		{"Q4_K_M", "attn_v.weight", 4096, 5, mixtral, quant.Q8_0},
		{"Q4_K_M", "attn_k.weight", 4096, 5, mixtral, quant.Q8_0},
		{"Q4_K_M", "attn_output.weight", 4096, 5, mixtral, quant.Q5_K},
		{"Q4_K", "ffn_down_exps.weight", 2048, 0, olmoe, quant.Q4_K},
		{"Q4_K", "output.weight", 2048, -1, olmoe, quant.Q4_K},
		{"Q4_K_M", "attn_q.weight", 576, 5, tied, quant.Q5_0},
		{"Q5_K_M", "attn_q.weight", 576, 5, tied, quant.Q5_1},
		{"Q6_K", "attn_q.weight", 576, 5, tied, quant.Q8_0},
		{"Q8_0", "attn_q.weight", 48, 5, tied, quant.F16},
		{"Q6_K", "attn_q.weight", 48, 5, tied, quant.F16},
		{"F32", "attn_q.weight", 7, 5, tied, quant.F32},
	} {
		mix, err := ParseMix(c.mix)
		require.NoError(t, err)
		require.Equal(t, c.want, mix.typeOf(c.name, c.cols, c.layer, &c.shape), "%s %s %d", c.mix, c.name, c.layer)
	}
	_, err := ParseMix("Q9")
	require.ErrorContains(t, err, "Q4_K_M")
}

// TestEveryType holds that each supported format can be asked for by its name.
func TestEveryType(t *testing.T) {
	for _, typ := range quant.Types() {
		mix, err := ParseMix(typ.String())
		require.NoError(t, err)
		require.Equal(t, typ, mix.base)
		require.False(t, mix.more)
	}
}

// TestOLMoESize holds the shape to what is known of the published file: its
// size, and the bytes that a token reads of it.
func TestOLMoESize(t *testing.T) {
	mix, err := ParseMix("q4_k_m")
	require.NoError(t, err)
	m, err := New(shapes["olmoe-7b"], Options{Mix: mix})
	require.NoError(t, err)
	total, token := int64(0), int64(0)
	for _, x := range m.infos {
		n, err := x.Bytes()
		require.NoError(t, err)
		total += n
		switch {
		case len(x.Dims) == 3:
			token += n / 64 * 8
		case x.Name != "token_embd.weight":
			token += n
		}
	}
	require.InDelta(t, 4.2e9, float64(total), 0.02e9)
	require.InDelta(t, 706, float64(token)/(1<<20), 3, "MiB")
}
