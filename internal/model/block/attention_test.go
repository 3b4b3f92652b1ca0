package block_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/model/block"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// positions are two blocks of keys and a little more.
const positions = 260

// TestGQA compares grouped-query attention with a naive one in float64: grouped
// and not, with norms of heads, of rows and none, biases, both rotations.
func TestGQA(t *testing.T) {
	for _, family := range []string{"llama", "olmoe", "qwen2", "qwen3"} {
		t.Run(family, func(t *testing.T) {
			b := newBench(t, synth.Tiny(family), "F32")
			a, ok := b.m.Layers[1].Attn.(*block.GQA)
			require.True(t, ok)
			dim := b.m.Dim
			x, got := random(positions*dim, 3), make([]float32, positions*dim)
			b.begin(t, positions, nil)
			a.Forward(b.st, 1, got, x)
			require.NoError(t, b.st.Errs[7])
			require.Equal(t, int64(a.Params()), b.st.Active[7])

			w := func(part string) []float64 { return b.tensor(t, "blk.1.attn_"+part) }
			project := func(part string, row []float64) []float64 {
				out := mul(w(part+".weight"), row)
				if family == "qwen2" {
					add(out, w(part+".bias"))
				}
				return out
			}
			keys, values := make([][][]float64, a.KVHeads), make([][][]float64, a.KVHeads)
			for pos := range positions {
				row := widen(x[pos*dim : (pos+1)*dim])
				q, k, v := project("q", row), project("k", row), project("v", row)
				if a.QNorm != nil {
					q, k = norm(q, w("q_norm.weight"), 1e-5), norm(k, w("k_norm.weight"), 1e-5)
				}
				for h := range a.KVHeads {
					key := k[h*a.DK : (h+1)*a.DK]
					rotate(key, a.DK, pos, 10000, family == "llama")
					keys[h] = append(keys[h], key)
					values[h] = append(values[h], v[h*a.DV:(h+1)*a.DV])
				}
				if pos%37 != 0 && pos < positions-2 {
					continue // naive attention at every position would take long
				}
				var out []float64
				for h := range a.Heads {
					query := q[h*a.DK : (h+1)*a.DK]
					rotate(query, a.DK, pos, 10000, family == "llama")
					g := h / (a.Heads / a.KVHeads)
					out = append(out, attend(query, keys[g], values[g], 1/math.Sqrt(float64(a.DK)))...)
				}
				requireClose(t, mul(w("output.weight"), out), got[pos*dim:(pos+1)*dim], 2e-6, family)
			}
		})
	}
}

// TestMLA compares latent attention, which is absorbed, with a naive one in
// float64 that carries every position's keys and values out of the latent space
// (DeepSeek-V2, section 2.1): with low-rank queries and without, under YaRN and
// without.
func TestMLA(t *testing.T) {
	for name, change := range map[string]func(*synth.Shape){
		"v3":    func(*synth.Shape) {},
		"plain": func(s *synth.Shape) { s.YarnFactor, s.QLora = 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			shape := synth.Tiny("deepseek2")
			change(&shape)
			b := newBench(t, shape, "F32")
			a, ok := b.m.Layers[1].Attn.(*block.MLA)
			require.True(t, ok)
			dim := b.m.Dim
			x, got := random(positions*dim, 4), make([]float32, positions*dim)
			b.begin(t, positions, nil)
			a.Forward(b.st, 1, got, x)
			require.NoError(t, b.st.Errs[9])
			require.Equal(t, int64(a.Params()), b.st.Active[9])
			naiveMLA(t, b, &shape, a, x, got)
		})
	}
}

// naiveMLA computes the attention of layer 1 and compares some of its rows.
func naiveMLA(t *testing.T, b *bench, s *synth.Shape, a *block.MLA, x, got []float32) {
	t.Helper()
	w := func(part string) []float64 { return b.tensor(t, "blk.1.attn_"+part+".weight") }
	dim, dk := b.m.Dim, s.Nope+s.Rot
	kUp, vUp := w("k_b"), w("v_b") // per head: latent × nope, and value × latent
	keys, values := make([][][]float64, s.Heads), make([][][]float64, s.Heads)
	scale, turn := yarn(s)
	for pos := range positions {
		row := widen(x[pos*dim : (pos+1)*dim])
		var q []float64
		if s.QLora > 0 {
			q = mul(w("q_b"), norm(mul(w("q_a"), row), w("q_a_norm"), s.Eps))
		} else {
			q = mul(w("q"), row)
		}
		c := mul(w("kv_a_mqa"), row)
		latent, rot := norm(c[:s.KVLora:s.KVLora], w("kv_a_norm"), s.Eps), c[s.KVLora:]
		turn(rot, pos)
		for h := range s.Heads {
			key := make([]float64, s.Nope, dk)
			for j := range s.Nope { // the transpose of what queries are absorbed by
				for l, v := range latent {
					key[j] += float64(kUp[(h*s.KVLora+l)*s.Nope+j] * v)
				}
			}
			keys[h] = append(keys[h], append(key, rot...))
			values[h] = append(values[h], mul(vUp[h*s.ValueDim*s.KVLora:(h+1)*s.ValueDim*s.KVLora], latent))
		}
		if pos%41 != 0 && pos < positions-2 {
			continue
		}
		var out []float64
		for h := range s.Heads {
			query := q[h*dk : (h+1)*dk]
			turn(query[s.Nope:], pos)
			out = append(out, attend(query, keys[h], values[h], scale)...)
		}
		requireClose(t, mul(w("output"), out), got[pos*dim:(pos+1)*dim], 3e-6, "position")
	}
	require.InEpsilon(t, scale, a.Scale, 1e-6)
}

// yarn is the scale of scores, and the rotation, of DeepSeek-V2's code
// (modeling_deepseek.py: yarn_find_correction_range, yarn_get_mscale).
func yarn(s *synth.Shape) (scale float64, turn func(x []float64, pos int)) {
	dk := float64(s.Nope + s.Rot)
	if s.YarnFactor == 0 {
		return 1 / math.Sqrt(dk), func(x []float64, pos int) { rotate(x, s.Rot, pos, s.RopeBase, true) }
	}
	mscale := 1 + s.YarnLog*math.Log(s.YarnFactor)
	correction := func(rotations float64) float64 {
		return float64(s.Rot) * math.Log(float64(s.YarnContext)/(rotations*2*math.Pi)) / (2 * math.Log(s.RopeBase))
	}
	low, high := max(0, math.Floor(correction(32))), min(float64(s.Rot-1), math.Ceil(correction(1)))
	turn = func(x []float64, pos int) {
		for i := range s.Rot / 2 {
			f := math.Pow(s.RopeBase, -2*float64(i)/float64(s.Rot))
			ramp := min(1, max(0, (float64(i)-low)/max(0.001, high-low)))
			f = f*(1-ramp) + f/s.YarnFactor*ramp
			sin, cos := math.Sincos(float64(pos) * f)
			a, b := x[2*i], x[2*i+1]
			x[2*i], x[2*i+1] = a*cos-b*sin, a*sin+b*cos
		}
	}
	return mscale * mscale / math.Sqrt(dk), turn
}
