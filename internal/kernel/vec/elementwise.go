package vec

// Exp writes exp(x[i]) to dst[i], as Exp32 defines it.
func (k *Kernels) Exp(dst, x []float32) { k.ExpShift(dst, x, 0) }

// ExpShift writes exp(x[i]-shift) to dst[i]: the weights of a softmax whose
// largest element is shift.
func (k *Kernels) ExpShift(dst, x []float32, shift float32) {
	n := k.whole(len(x))
	if n > 0 {
		expAVX2(dst[:n], x[:n], shift)
	}
	for i := n; i < len(x); i++ {
		dst[i] = Exp32(x[i] - shift)
	}
}

// Sigmoid writes 1/(1+exp(-x[i])) to dst[i].
func (k *Kernels) Sigmoid(dst, x []float32) {
	n := k.whole(len(x))
	if n > 0 {
		sigmoidAVX2(dst[:n], x[:n])
	}
	for i := n; i < len(x); i++ {
		dst[i] = 1 / (1 + Exp32(-x[i]))
	}
}

// SiLUMul writes silu(gate[i]) * up[i] to dst[i], where silu(x) =
// x/(1+exp(-x)) (Elfwing et al., 2017; gated as in Shazeer, 2020).
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

// Mul writes a[i]*b[i] to dst[i].
func (k *Kernels) Mul(dst, a, b []float32) {
	n := k.whole(len(a))
	if n > 0 {
		mulAVX2(dst[:n], a[:n], b[:n])
	}
	for i := n; i < len(a); i++ {
		dst[i] = a[i] * b[i]
	}
}

// Scale writes x[i]*s to dst[i].
func (k *Kernels) Scale(dst, x []float32, s float32) {
	n := k.whole(len(x))
	if n > 0 {
		scaleAVX2(dst[:n], x[:n], s)
	}
	for i := n; i < len(x); i++ {
		dst[i] = x[i] * s
	}
}

// Div writes x[i]/s to dst[i], which is not the product with 1/s.
func (k *Kernels) Div(dst, x []float32, s float32) {
	n := k.whole(len(x))
	if n > 0 {
		divAVX2(dst[:n], x[:n], s)
	}
	for i := n; i < len(x); i++ {
		dst[i] = x[i] / s
	}
}

// AddScaled adds w*y[i], rounded, to acc[i].
func (k *Kernels) AddScaled(acc, y []float32, w float32) {
	n := k.whole(len(y))
	if n > 0 {
		addScaledAVX2(acc[:n], y[:n], acc[:n], w)
	}
	for i := n; i < len(y); i++ {
		acc[i] += float32(w * y[i])
	}
}

// Blend replaces acc[i] by acc[i]*a + y[i]*b, each product rounded: one step of
// a fold whose parts are weighted anew.
func (k *Kernels) Blend(acc, y []float32, a, b float32) {
	n := k.whole(len(y))
	if n > 0 {
		blendAVX2(acc[:n], acc[:n], y[:n], a, b)
	}
	for i := n; i < len(y); i++ {
		acc[i] = float32(acc[i]*a) + float32(y[i]*b)
	}
}
