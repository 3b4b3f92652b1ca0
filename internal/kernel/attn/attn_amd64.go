//go:build amd64 && !purego

package attn

// tiles computes the columns of a product that fill tiles, from the first on,
// and returns how many these are. Columns are the outer loop, so that a strip
// of b stays in the first cache for all rows.
func (p *product) tiles() (cols int) {
	if p.rows == 0 || p.n == 0 {
		return p.cols
	}
	full := p.rows &^ 3
	for j := 0; j+16 <= p.cols; j += 16 {
		for i := 0; i < full; i += 4 {
			p.tile(accumulate4x16, i, j)
		}
	}
	switch p.rows - full {
	case 3:
		p.strip(accumulate3x16, full, 0, 16)
	case 2:
		p.strip(accumulate2x16, full, p.strip(accumulate2x32, full, 0, 32), 16)
	case 1:
		p.strip(accumulate1x16, full, p.strip(accumulate1x64, full, 0, 64), 16)
	}
	cols = p.cols &^ 15
	if p.cols-cols >= 8 {
		for i := range p.rows {
			p.tile(accumulate1x8, i, cols)
		}
		cols += 8
	}
	return cols
}

// tileKernel is the type of the assembly functions.
type tileKernel func(c *float32, ldc int, a *float32, lda int, b *byte, ldb, n int, elem uint8)

// strip covers columns from j on with tiles of a width, and returns where it
// stopped.
func (p *product) strip(f tileKernel, i, j, width int) int {
	for ; j+width <= p.cols; j += width {
		p.tile(f, i, j)
	}
	return j
}

// tile computes the tile at row i and column j of c.
func (p *product) tile(f tileKernel, i, j int) {
	size := p.elem.Bytes()
	f(&p.c[i*p.ldc+j], p.ldc, &p.a[i*p.lda], p.lda, &p.b[j*size], p.ldb*size, p.n, uint8(p.elem))
}
