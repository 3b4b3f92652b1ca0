package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// TestOlderLatentFiles builds a model whose file has the up-projections of keys
// and values in one tensor, as older ones do: per head the keys' rows and then
// the values', each over the latent values. The matrices must be those of a file
// that has them apart, where the keys' are transposed.
func TestOlderLatentFiles(t *testing.T) {
	s := synth.Tiny("deepseek2")
	f := modeltest.Random(t, s, "F32", 3)
	together := map[string][]byte{}
	tensors := make([]weights.Tensor, 0, f.W.Len())
	for x := range f.W.All() {
		var layer int
		if n, _ := fmt.Sscanf(x.Name, "blk.%d.attn_k_b.weight", &layer); n == 1 && x.Name == fmt.Sprintf("blk.%d.attn_k_b.weight", layer) {
			name := fmt.Sprintf("blk.%d.attn_kv_b.weight", layer)
			together[name] = latentTogether(t, f, &s, layer)
			x = weights.Tensor{Name: name, Type: quant.F32, Dims: []int{s.KVLora, s.Heads * (s.Nope + s.ValueDim)}}
		} else if x.Name == fmt.Sprintf("blk.%d.attn_v_b.weight", layer) && together[fmt.Sprintf("blk.%d.attn_kv_b.weight", layer)] != nil {
			continue
		}
		tensors = append(tensors, x)
	}
	require.Len(t, together, s.Layers)
	w, err := weights.New(f.W.Meta, f.W.Objects, tensors)
	require.NoError(t, err)
	older, err := model.Build(w.Source(), func(name string) []byte {
		if b := together[name]; b != nil {
			return b
		}
		return f.Tensor(t, name)
	})
	require.NoError(t, err)
	want := f.Build(t)
	for i := range want.Layers {
		a, ok := want.Layers[i].Attn.(*block.MLA)
		require.True(t, ok)
		b, ok := older.Layers[i].Attn.(*block.MLA)
		require.True(t, ok)
		require.Equal(t, a.KUp, b.KUp)
		require.Equal(t, a.VUp, b.VUp)
		require.Equal(t, a.Params(), b.Params())
	}
	require.Equal(t, want.Bound(&want.Sets[0]), older.Bound(&older.Sets[0]))
}

// latentTogether is the tensor of an older file.
func latentTogether(t *testing.T, f *modeltest.File, s *synth.Shape, layer int) []byte {
	t.Helper()
	k, v := f.Tensor(t, fmt.Sprintf("blk.%d.attn_k_b.weight", layer)), f.Tensor(t, fmt.Sprintf("blk.%d.attn_v_b.weight", layer))
	var out []byte
	for h := range s.Heads {
		for i := range s.Nope {
			for l := range s.KVLora {
				at := 4 * ((h*s.KVLora+l)*s.Nope + i)
				out = append(out, k[at:at+4]...)
			}
		}
		n := 4 * s.ValueDim * s.KVLora
		out = append(out, v[h*n:(h+1)*n]...)
	}
	return out
}
