package vec

import "math"

// Max is the largest of x, which is not empty. Where x holds a NaN the result
// is unspecified; no caller's result depends on it, because a NaN among the
// exponents makes their sum one.
func (k *Kernels) Max(x []float32) float32 {
	m, n := x[0], k.whole(len(x))
	if n > 0 {
		m = maxAVX2(x[:n])
	}
	for _, v := range x[n:] {
		if v > m {
			m = v
		}
	}
	return m
}

// RMSNorm writes x[i]*r*weight[i] to dst[i], where r = 1/sqrt(mean(x²)+eps)
// (Zhang and Sennrich, 2019). A nil weight is all ones.
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
	if weight == nil {
		k.Scale(dst, x, r)
		return
	}
	if n > 0 {
		scaleMulAVX2(dst[:n], x[:n], weight[:n], r)
	}
	for i := n; i < len(x); i++ {
		dst[i] = float32(x[i]*r) * weight[i]
	}
}

// Softmax writes exp(x[i]-max(x)), divided by the sum of these, to dst[i]. A
// NaN or +Inf among x, or nothing but -Inf, gives the NaN of Exp32 everywhere.
func (k *Kernels) Softmax(dst, x []float32) {
	if len(x) == 0 {
		return
	}
	dst = dst[:len(x)]
	k.ExpShift(dst, x, k.Max(x))
	k.Div(dst, dst, k.sum(dst))
}

// sum adds x in virtual lanes and folds them.
func (k *Kernels) sum(x []float32) float32 {
	var acc [lanes]float32
	n := k.whole(len(x))
	if n > 0 {
		sumAVX2(&acc, x[:n])
	}
	for i := n; i < len(x); i++ {
		acc[i%lanes] += x[i]
	}
	return tree(&acc)
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
