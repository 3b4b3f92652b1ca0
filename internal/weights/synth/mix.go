package synth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lite-llm/lite/internal/quant"
)

// Mix says which block format each matrix gets.
type Mix struct {
	Name string
	base quant.Type
	// more is true for the mixes that spend extra bits where llama.cpp's
	// quantiser does (llama_tensor_get_type in its llama-quant.cpp).
	more bool
	// fileType is general.file_type, llama.cpp's number for the mix.
	fileType uint32
}

// mixes are the values of --quant. A plain type is used for every matrix.
var mixes = []Mix{
	{"F32", quant.F32, false, 0},
	{"F16", quant.F16, false, 1},
	{"Q4_0", quant.Q4_0, false, 2},
	{"Q4_1", quant.Q4_1, false, 3},
	{"Q8_0", quant.Q8_0, false, 7},
	{"Q5_0", quant.Q5_0, false, 8},
	{"Q5_1", quant.Q5_1, false, 9},
	{"Q4_K", quant.Q4_K, false, 14},
	{"Q4_K_M", quant.Q4_K, true, 15},
	{"Q5_K", quant.Q5_K, false, 16},
	{"Q5_K_M", quant.Q5_K, true, 17},
	{"Q6_K", quant.Q6_K, false, 18},
	{"BF16", quant.BF16, false, 32},
}

// ParseMix returns the mix of that name, in any case.
func ParseMix(name string) (Mix, error) {
	i := slices.IndexFunc(mixes, func(m Mix) bool { return strings.EqualFold(m.Name, name) })
	if i < 0 {
		var known []string
		for _, m := range mixes {
			known = append(known, m.Name)
		}
		return Mix{}, fmt.Errorf("--quant %q is unknown; known: %s", name, strings.Join(known, ", "))
	}
	return mixes[i], nil
}

// moreBits is llama.cpp's choice of the layers that get more bits: the first
// and the last eighth, and every third between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

// typeOf is the format of the matrix called name with rows of cols values, at a
// layer, which is -1 outside the layers.
func (m Mix) typeOf(name string, cols, layer int, s *Shape) quant.Type {
	t := m.base
	if m.more {
		t = m.extra(name, layer, s)
	}
	return fallback(t, cols)
}

// extra is the format under a mix with extra bits.
func (m Mix) extra(name string, layer int, s *Shape) quant.Type {
	part := name[strings.LastIndex(strings.TrimSuffix(name, ".weight"), ".")+1:]
	switch {
	case name == "output.weight", name == "token_embd.weight" && s.Tied:
		return quant.Q6_K
	case s.Experts == 8 && (part == "attn_v.weight" || part == "attn_k.weight"):
		return quant.Q8_0
	case part == "attn_v.weight" && moreBits(layer, s.Layers):
		return quant.Q6_K
	case strings.HasPrefix(part, "ffn_down") && moreBits(layer, s.Layers):
		return quant.Q6_K
	case s.Experts == 8 && part == "attn_output.weight":
		return quant.Q5_K
	}
	return m.base
}

// fallback replaces a format whose blocks do not divide a row, by the one that
// llama.cpp takes.
func fallback(t quant.Type, cols int) quant.Type {
	if cols%t.BlockLen() == 0 {
		return t
	}
	switch t {
	case quant.Q4_K:
		t = quant.Q5_0
	case quant.Q5_K:
		t = quant.Q5_1
	case quant.Q6_K:
		t = quant.Q8_0
	default:
	}
	if cols%t.BlockLen() != 0 {
		return quant.F16
	}
	return t
}
