//go:build amd64 && !purego

package vec

func expAVX2(dst, x []float32) {
	for i := range x {
		dst[i] = Exp32(x[i])
	}
}
func siluMulAVX2(dst, gate, up []float32) { ref.SiLUMul(dst, gate, up) }
func squaresAVX2(acc *[lanes]float32, x []float32) {
	for i, v := range x {
		acc[i%lanes] += float32(v * v)
	}
}
func scaleMulAVX2(dst, x, w []float32, r float32) {
	for i := range x {
		dst[i] = float32(x[i]*r) * w[i]
	}
}
func addAVX2(dst, a, b []float32)               { ref.Add(dst, a, b) }
func addScaledAVX2(acc, y []float32, w float32) { ref.AddScaled(acc, y, w) }

var ref = &all[0]
