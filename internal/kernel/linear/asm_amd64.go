//go:build amd64 && !purego

package linear

func mulAVX2(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, _ *Scratch) {
	mulReference(dst, ldd, w, in, r0, r1)
}

func quantizeAVX2(q []int8, d []float32, sums []int16, x []float32, block int) bool {
	return quantizeReference(q, d, sums, x, block)
}
