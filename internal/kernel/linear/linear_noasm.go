//go:build !amd64 || purego

package linear

// Builds without assembly run the reference only: kernel.Parse refuses other
// implementations.

func mulAVX2(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, _ *Scratch) {
	mulReference(dst, ldd, w, in, r0, r1)
}

func quantize32AVX2(q []int8, m []meta32, x []float32) bool { return quantize32Reference(q, m, x) }

func quantize256AVX2(q []int8, m []meta256, x []float32) bool { return quantize256Reference(q, m, x) }
