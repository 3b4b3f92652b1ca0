package linear

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/quant"
)

// BenchmarkMemory multiplies one row of activations by more weights than any
// cache holds, a matrix of 1024 × 2048 after the other in
// scattered order, as experts are.
func BenchmarkMemory(b *testing.B) {
	for _, typ := range []quant.Type{quant.F32, quant.Q8_0, quant.Q4_K, quant.Q6_K, quant.Q4_0} {
		b.Run(fmt.Sprintf("type=%s", typ), func(b *testing.B) {
			const rows, cols = 1024, 2048
			r := rand.New(rand.NewPCG(3, 3))
			one := randomMatrix(b, r, typ, rows, cols)
			all := make([]Matrix, (1<<30)/len(one.Data))
			for i := range all {
				all[i] = one
				all[i].Data = append([]byte(nil), one.Data...)
			}
			k := For(kernel.AVX2)
			var in Input
			var s Scratch
			in.Set(randomRows(r, 1, cols), 1, cols)
			_ = k.Prepare(&in, typ)
			dst := make([]float32, rows)
			b.SetBytes(int64(len(one.Data)))
			i := 0
			for b.Loop() {
				k.Mul(dst, rows, all[i*7919%len(all)], &in, 0, rows, &s)
				i++
			}
		})
	}
}
