// Package linear multiplies activations by weights, y = W·x, for every block
// format. The token's road and the parameter's road meet here: activations
// are quantised to int8 in blocks of the weights' format, and blocks are read
// as files store them.
//
// The order of additions is the contract of docs/format/numerics.md, rules 3
// and 4; reference.go is its definition, and every other implementation gives
// the same bits.
package linear

//go:generate go -C _asm run . -out ../linear_amd64.s -stubs ../stubs_amd64.go -pkg linear

import (
	"fmt"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/quant"
)

// RowAlign is a number of output rows at whose multiples work is best split
// between workers. Results do not depend on it.
const RowAlign = 16

// Matrix is W of y = W·x: Rows outputs of Cols inputs each, rows one after
// another in the file's layout.
type Matrix struct {
	Type       quant.Type
	Rows, Cols int
	Data       []byte
}

// NewMatrix returns a matrix on data. It returns an error when the type is not
// supported, a row is not a whole number of blocks, or data has another size.
func NewMatrix(t quant.Type, rows, cols int, data []byte) (Matrix, error) {
	row, err := t.RowBytes(cols)
	if err != nil {
		return Matrix{}, err
	}
	if rows <= 0 || row*rows != len(data) {
		return Matrix{}, fmt.Errorf("a %s matrix of %d × %d takes %d bytes, not %d", t, rows, cols, row*rows, len(data))
	}
	return Matrix{Type: t, Rows: rows, Cols: cols, Data: data}, nil
}

// rowBytes is the number of bytes of a row.
func (m *Matrix) rowBytes() int { return m.Cols / m.Type.BlockLen() * m.Type.BlockBytes() }

// Row is the blocks of row r.
func (m *Matrix) Row(r int) []byte {
	n := m.rowBytes()
	return m.Data[r*n : (r+1)*n]
}

// Slice is the matrix of rows [lo, hi).
func (m *Matrix) Slice(lo, hi int) Matrix {
	n := m.rowBytes()
	return Matrix{Type: m.Type, Rows: hi - lo, Cols: m.Cols, Data: m.Data[lo*n : hi*n]}
}

// Scratch is the memory that one worker needs to multiply. It grows to what
// the largest matrix asks for and is then kept.
type Scratch struct {
	panels []byte    // unpacked weights
	rest   []byte    // the last rows, filled up to what a kernel takes
	tile   []float32 // outputs on their way to dst
}

// Kernels multiplies with one implementation.
type Kernels struct {
	impl kernel.Impl
}

var all = [...]Kernels{kernel.Reference: {kernel.Reference}, kernel.AVX2: {kernel.AVX2}}

// For returns the kernels of an implementation.
func For(impl kernel.Impl) *Kernels { return &all[impl] }

// Mul writes dst[i*ldd+r] = W[r]·x[i] for every row i of in and every output r
// in [r0, r1). The input must have been prepared for w's type. Several workers
// may multiply the same input at once, each with a Scratch of its own.
func (k *Kernels) Mul(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, s *Scratch) {
	if r0 >= r1 || in.n == 0 {
		return
	}
	if k.impl == kernel.AVX2 {
		mulAVX2(dst, ldd, w, in, r0, r1, s)
		return
	}
	mulReference(dst, ldd, w, in, r0, r1)
}
