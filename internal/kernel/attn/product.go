package attn

import "github.com/lite-llm/lite/internal/kernel"

// product is c += a·b: scores are queries times keys, outputs are weights times
// values. Strides are in elements.
type product struct {
	c          []float32 // rows × cols, row i at c[i*ldc:]
	a          []float32 // rows × n, row i at a[i*lda:]
	b          []byte    // n × cols of elem, row i at element i*ldb
	elem       Elem
	ldc        int
	lda        int
	ldb        int
	rows, cols int
	n          int
}

// accumulate computes a product. An element of c is one chain: for every row
// of b, ascending, the product is rounded and then added.
func (k *Kernels) accumulate(p product) {
	done := 0
	if k.impl != kernel.Reference {
		p.check()
		done = p.tiles()
	}
	p.reference(done)
}

// reference computes the columns from one on, in strips, so that what is
// widened serves all rows.
func (p *product) reference(from int) {
	var strip [64]float32
	for j := from; j < p.cols; j += len(strip) {
		wide := strip[:min(len(strip), p.cols-j)]
		for t := range p.n {
			p.elem.widen(wide, p.b, t*p.ldb+j)
			for i := range p.rows {
				x, c := p.a[i*p.lda+t], p.c[i*p.ldc+j:][:len(wide)]
				for d, v := range wide {
					c[d] += float32(x * v)
				}
			}
		}
	}
}

// check panics where a slice is too short, before assembly reads behind it.
func (p *product) check() {
	if p.rows > 0 && p.n > 0 && p.cols > 0 {
		_ = p.c[(p.rows-1)*p.ldc+p.cols-1]
		_ = p.a[(p.rows-1)*p.lda+p.n-1]
		_ = p.b[((p.n-1)*p.ldb+p.cols)*p.elem.Bytes()-1]
	}
}
