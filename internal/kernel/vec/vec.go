// Package vec is the arithmetic on rows of activations: exp and what is made
// of it, norms, softmax, rotary positions, sums. It stands on the token's
// road, inside every block of a model.
//
// Definitions are in docs/format/numerics.md, rules 2, 5 and 6: additions,
// products, divisions, square roots and integer operations only, each rounded
// once, so that every implementation and architecture gives the same bits.
package vec

import (
	"math"

	"github.com/lite-llm/lite/internal/kernel"
)

// Kernels computes with one implementation.
type Kernels struct {
	impl kernel.Impl
}

var all = [...]Kernels{kernel.Reference: {kernel.Reference}, kernel.AVX2: {kernel.AVX2}}

// For returns the kernels of an implementation.
func For(impl kernel.Impl) *Kernels { return &all[impl] }

// lanes is the number of virtual lanes of rule 6: element i of a row belongs
// to lane i mod 16.
const lanes = 16

// whole is the part of a row that assembly works on: whole groups of 16.
// The rest takes the reference's road, element by element.
func (k *Kernels) whole(n int) int {
	if k.impl == kernel.Reference {
		return 0
	}
	return n &^ (lanes - 1)
}

// Exp writes exp(x[i]) to dst[i].
func (k *Kernels) Exp(dst, x []float32) {
	n := k.whole(len(x))
	if n > 0 {
		expAVX2(dst[:n], x[:n])
	}
	for i := n; i < len(x); i++ {
		dst[i] = Exp32(x[i])
	}
}

// Sigmoid writes 1/(1+exp(-x[i])) to dst[i].
func (k *Kernels) Sigmoid(dst, x []float32) {
	for i, v := range x {
		dst[i] = 1 / (1 + Exp32(-v))
	}
}

// SiLUMul writes silu(gate[i]) * up[i] to dst[i], where silu(x) =
// x/(1+exp(-x)) (Elfwing et al., 2017).
func (k *Kernels) SiLUMul(dst, gate, up []float32) {
	n := k.whole(len(gate))
	if n > 0 {
		siluMulAVX2(dst[:n], gate[:n], up[:n])
	}
	for i := n; i < len(gate); i++ {
		g := gate[i]
		dst[i] = float32(g/(1+Exp32(-g))) * up[i]
	}
}

// RMSNorm writes x[i]*r*weight[i] to dst[i], where r = 1/sqrt(mean(x²)+eps)
// (Zhang and Sennrich, 2019).
func (k *Kernels) RMSNorm(dst, x, weight []float32, eps float32) {
	var acc [lanes]float32
	n := k.whole(len(x))
	if n > 0 {
		squaresAVX2(&acc, x[:n])
	}
	for i := n; i < len(x); i++ {
		acc[i%lanes] += float32(x[i] * x[i])
	}
	mean := tree(&acc) / float32(len(x))
	r := 1 / sqrt32(mean+eps)
	if n > 0 {
		scaleMulAVX2(dst[:n], x[:n], weight[:n], r)
	}
	for i := n; i < len(x); i++ {
		dst[i] = float32(x[i]*r) * weight[i]
	}
}

// Softmax writes exp(x[i]-max)/sum to dst[i]. The sum takes virtual lanes and
// their tree.
func (k *Kernels) Softmax(dst, x []float32) {
	if len(x) == 0 {
		return
	}
	m := x[0]
	for _, v := range x[1:] {
		if v > m {
			m = v
		}
	}
	for i, v := range x {
		dst[i] = v - m
	}
	k.Exp(dst[:len(x)], dst[:len(x)])
	var acc [lanes]float32
	for i, v := range dst[:len(x)] {
		acc[i%lanes] += v
	}
	sum := tree(&acc)
	for i := range x {
		dst[i] /= sum
	}
}

// Add writes a[i]+b[i] to dst[i].
func (k *Kernels) Add(dst, a, b []float32) {
	n := k.whole(len(a))
	if n > 0 {
		addAVX2(dst[:n], a[:n], b[:n])
	}
	for i := n; i < len(a); i++ {
		dst[i] = a[i] + b[i]
	}
}

// AddScaled adds w*y[i], rounded, to acc[i].
func (k *Kernels) AddScaled(acc, y []float32, w float32) {
	n := k.whole(len(y))
	if n > 0 {
		addScaledAVX2(acc[:n], y[:n], w)
	}
	for i := n; i < len(y); i++ {
		acc[i] += float32(w * y[i])
	}
}

// tree adds lanes i and i+8, then i+4, i+2 and i+1.
func tree(acc *[lanes]float32) float32 {
	for half := lanes / 2; half > 0; half /= 2 {
		for i := range half {
			acc[i] += acc[i+half]
		}
	}
	return acc[0]
}

// sqrt32 is the IEEE square root: the square root of a float32 in float64,
// rounded to float32, equals the correctly rounded one.
func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
