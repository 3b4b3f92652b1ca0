package metamorphic

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/tiny"
)

// prompt is long enough for several chunks and two blocks of keys.
var prompt = func() []int32 {
	r := rand.New(rand.NewPCG(7, 7))
	ids := make([]int32, 150)
	for i := range ids {
		ids[i] = r.Int32N(2000) + 20
	}
	return ids
}()

// archTokens is the answer of the embedded model that every architecture gives.
const archTokens = "05b737d2a7dc740440b71b154f87417fc2ce5648b154e794aff10f4e8f8c9ee0 ace85a01735f3f3b1bebf85748eeb8c7ad77d58810ca0950c48370e98ae308c7"

// archBits are what every architecture computes of the subjects' requests with
// the reference: logits, experts and weights of each position.
var archBits = map[string]string{
	"sparse":         "78724cce321a963ee2397bee",
	"llama":          "5b3b824bc3599e441b95a397",
	"qwen2":          "7d2cbb0a6c1fdbb7a31e8d3d",
	"qwen3":          "67ad8008b3edf27562623973",
	"mixtral":        "6c57ade572edcf4c10252528",
	"olmoe":          "b809d3aacf447f02df49a21f",
	"ties":           "7b8b5702d68aa47cfee270be",
	"qwen2moe":       "51a7dc73014e1f353a7eca3e",
	"qwen3moe-q4km":  "c33e635ff0fbe55c912c1263",
	"qwen3moe-q5km":  "6f85e1bad9a1a075dba2158a",
	"deepseek2":      "d0be401dbc258f4bb2dab674",
	"deepseek2-lite": "79ad9a82afafc66d228860d5",
	"lite":           "ac478e4ca5ea3124e609b393",
}

// TestArchHash compares the bits that the reference gives with those that are
// written down: builds for other processors run it under an emulator.
func TestArchHash(t *testing.T) {
	t.Run("tiny", func(t *testing.T) {
		got := answer(t, tiny.Name, lite.Options{Kernels: "reference", Memory: 1 << 30}, lite.Request{
			Tokens: prompt[:12], MaxTokens: 6, IgnoreEnd: true, Sampling: lite.Sampling{Temperature: 0.8, TopP: 0.95, Seed: 3},
		})
		require.Equal(t, archTokens, got)
	})
	for i := range subjects {
		s := &subjects[i]
		t.Run(s.name, func(t *testing.T) {
			f := s.file(t)
			h := sha256.New()
			for _, positions := range reference(t, f, f.Build(t), s.elem) {
				for _, o := range positions {
					require.NoError(t, binary.Write(h, binary.LittleEndian, o))
				}
			}
			require.Equal(t, archBits[s.name], hex.EncodeToString(h.Sum(nil)[:12]))
		})
	}
}
