package sparsify

import (
	"gonum.org/v1/gonum/mat"
)

// ridge is the strength of the regression's prior, as a share of the mean variance
// of an input: a text has few more tokens than an input has dimensions.
const ridge = 0.1

// fit learns the router: the ridge regression of what each expert gives on the
// network's inputs, both about their means.
func (c *Cut) fit(l *Layer, given []float64) {
	n, d := len(c.Experts), l.Dim
	mx, my := make([]float64, d), make([]float64, n)
	for t := range l.Tokens {
		for i := range d {
			mx[i] += float64(l.X[t*d+i]) / float64(l.Tokens)
		}
		for e := range n {
			my[e] += given[t*n+e] / float64(l.Tokens)
		}
	}
	x, y := mat.NewDense(l.Tokens, d, nil), mat.NewDense(l.Tokens, n, nil)
	for t := range l.Tokens {
		for i := range d {
			x.Set(t, i, float64(l.X[t*d+i])-mx[i])
		}
		for e := range n {
			y.Set(t, e, given[t*n+e]-my[e])
		}
	}
	w := regress(x, y)
	c.Router, c.Bias = make([]float32, n*d), make([]float32, n)
	for e := range n {
		bias := my[e]
		for i := range d {
			c.Router[e*d+i] = float32(w.At(i, e))
			bias -= float64(c.Router[e*d+i]) * mx[i]
		}
		c.Bias[e] = float32(bias)
	}
}

// regress solves (XᵀX + λ)W = XᵀY. λ makes the matrix positive definite unless X
// is zero, and then no router is better than the means.
func regress(x, y *mat.Dense) *mat.Dense {
	_, d := x.Dims()
	_, n := y.Dims()
	var xx mat.SymDense
	xx.SymOuterK(1, x.T())
	trace := 0.0
	for i := range d {
		trace += xx.At(i, i)
	}
	for i := range d {
		xx.SetSym(i, i, xx.At(i, i)+ridge*trace/float64(d))
	}
	w := mat.NewDense(d, n, nil)
	var factors mat.Cholesky
	if !factors.Factorize(&xx) {
		return w
	}
	var xy mat.Dense
	xy.Mul(x.T(), y)
	if err := factors.SolveTo(w, &xy); err != nil {
		return mat.NewDense(d, n, nil) // too near to singular: the means serve
	}
	return w
}
