//go:build amd64 && !purego

package linear

import (
	"unsafe"

	"github.com/lite-llm/lite/internal/quant"
)

// mulAVX2 is Mul by the assembly of linear_amd64.s.
func mulAVX2(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, s *Scratch) {
	switch k := &quantized[w.Type]; {
	case k.gemv == nil:
		mulFloats(dst, ldd, w, in, r0, r1)
	case in.n < leastGEMM:
		k.mulRows(dst, ldd, w, in, r0, r1, s)
	default:
		k.mulPanels(dst, ldd, w, in, r0, r1, s)
	}
}

// Measured: unpacking sixteen rows once pays from so many rows of activations.
const leastGEMM = 4

// The bytes of weights that one call takes: assembly cannot be interrupted, so
// that a call should end within some 50 µs. With several rows of activations
// the weights should stay in the first cache for all of them.
const (
	callBytes   = 512 << 10
	sharedBytes = 32 << 10
)

// panelBytes is the memory of the panels that are unpacked together: they stay
// in the second cache while the rows of activations pass by.
const panelBytes = 128 << 10

// panelRows is the number of rows of a panel.
const panelRows = 16

// kernels are the assembly functions of one block format.
type kernels struct {
	group int // rows that gemv takes at a time
	gemv  func(dst *float32, w *byte, x *int8, meta *byte, blocks, rows int)
	panel int // bytes of one block of 16 rows, unpacked
	pack  func(dst, w *byte, stride, blocks int)
	tiles [7]tile // by rows of activations
}

type tile func(c *float32, w *byte, x *int8, ldx int, meta *byte, ldm, blocks int)

// The bytes of a panel's block (_asm/pack.go).
const (
	panel32 = 640
	panelK  = 4992
	panelQ6 = 5696
)

var quantized = [...]kernels{
	quant.Q4_0: {8, gemvQ4_0, panel32, packQ4_0, [...]tile{1: gemmQ4_0x1, 2: gemmQ4_0x2, 4: gemmQ4_0x4, 6: gemmQ4_0x6}},
	quant.Q4_1: {8, gemvQ4_1, panel32, packQ4_1, [...]tile{1: gemmQ4_1x1, 2: gemmQ4_1x2, 4: gemmQ4_1x4, 6: gemmQ4_1x6}},
	quant.Q5_0: {8, gemvQ5_0, panel32, packQ5_0, [...]tile{1: gemmQ5_0x1, 2: gemmQ5_0x2, 4: gemmQ5_0x4, 6: gemmQ5_0x6}},
	quant.Q5_1: {8, gemvQ5_1, panel32, packQ5_1, [...]tile{1: gemmQ5_1x1, 2: gemmQ5_1x2, 4: gemmQ5_1x4, 6: gemmQ5_1x6}},
	quant.Q8_0: {8, gemvQ8_0, panel32, packQ8_0, [...]tile{1: gemmQ8_0x1, 2: gemmQ8_0x2, 4: gemmQ8_0x4, 6: gemmQ8_0x6}},
	quant.Q4_K: {4, gemvQ4_K, panelK, packQ4_K, [...]tile{1: gemmQ4_Kx1, 2: gemmQ4_Kx2, 4: gemmQ4_Kx4, 6: gemmQ4_Kx6}},
	quant.Q5_K: {4, gemvQ5_K, panelK, packQ5_K, [...]tile{1: gemmQ5_Kx1, 2: gemmQ5_Kx2, 4: gemmQ5_Kx4, 6: gemmQ5_Kx6}},
	quant.Q6_K: {4, gemvQ6_K, panelQ6, packQ6_K, [...]tile{1: gemmQ6_Kx1, 2: gemmQ6_Kx2, 4: gemmQ6_Kx4, 6: gemmQ6_Kx6}},
	quant.BF16: {},
}

// operand is the quantised rows of an input as the assembly reads them.
type operand struct {
	q         []int8
	meta      unsafe.Pointer
	cols, ldm int // values, and bytes of metadata, of a row
	blocks    int
}

func operandOf(in *Input, t quant.Type) operand {
	f := &in.forms[formOf(t)]
	o := operand{q: f.q, cols: in.cols, blocks: in.cols / f.block}
	if f.block == quant.Block32 {
		o.meta, o.ldm = unsafe.Pointer(&f.meta32[0]), o.blocks*int(unsafe.Sizeof(meta32{}))
	} else {
		o.meta, o.ldm = unsafe.Pointer(&f.meta256[0]), o.blocks*int(unsafe.Sizeof(meta256{}))
	}
	return o
}

// row is the values and the metadata of row i.
func (o *operand) row(i int) (*int8, *byte) {
	return &o.q[i*o.cols], (*byte)(unsafe.Add(o.meta, i*o.ldm))
}

// mulRows multiplies row by row of the input, straight from blocks.
func (k *kernels) mulRows(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, s *Scratch) {
	o, size := operandOf(in, w.Type), w.rowBytes()
	at := callBytes
	if in.n > 1 {
		at = sharedBytes
	}
	step := max(at/size/k.group, 1) * k.group
	for r := r0; r < r1; {
		rows := min(step, r1-r) / k.group * k.group
		if rows == 0 {
			break
		}
		for i := range in.n {
			x, m := o.row(i)
			k.gemv(&dst[i*ldd+r], &w.Data[r*size], x, m, o.blocks, rows)
		}
		r += rows
	}
	if rest := (r1 - r0) % k.group; rest > 0 {
		lo := r1 - rest
		block, out := s.filled(w, lo, r1, k.group), s.tileOf(k.group)
		for i := range in.n {
			x, m := o.row(i)
			k.gemv(&out[0], &block[0], x, m, o.blocks, k.group)
			copy(dst[i*ldd+lo:i*ldd+r1], out)
		}
	}
}

// mulPanels unpacks some panels of weights and passes all rows of the input by
// them, a tile at a time.
func (k *kernels) mulPanels(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int, s *Scratch) {
	o, size := operandOf(in, w.Type), w.rowBytes()
	panel := k.panel * o.blocks
	together := max(panelBytes/panel, 1)
	panels, out := s.panelsOf(together*panel), s.tileOf(6*panelRows)
	for r := r0; r < r1; r += together * panelRows {
		hi := min(r1, r+together*panelRows)
		for p, lo := 0, r; lo < hi; p, lo = p+1, lo+panelRows {
			from := w.Data[lo*size:]
			if lo+panelRows > hi {
				from = s.filled(w, lo, hi, panelRows)
			}
			k.pack(&panels[p*panel], &from[0], size, o.blocks)
		}
		for i := 0; i < in.n; {
			n := tileFor(in.n - i)
			x, m := o.row(i)
			for p, lo := 0, r; lo < hi; p, lo = p+1, lo+panelRows {
				k.tiles[n](&out[0], &panels[p*panel], x, o.cols, m, o.ldm, o.blocks)
				for j := range n {
					copy(dst[(i+j)*ldd+lo:(i+j)*ldd+min(hi, lo+panelRows)], out[j*panelRows:(j+1)*panelRows])
				}
			}
			i += n
		}
	}
}

// tileFor is the rows of the tile for what is left of an input.
func tileFor(rows int) int {
	switch {
	case rows >= 6:
		return 6
	case rows >= 4:
		return 4
	case rows >= 2:
		return 2
	}
	return 1
}

// filled returns rows [lo, hi) followed by zeros up to n rows.
func (s *Scratch) filled(w Matrix, lo, hi, n int) []byte {
	size := w.rowBytes()
	s.rest = grow(s.rest, n*size)
	clear(s.rest[copy(s.rest, w.Data[lo*size:hi*size]):])
	return s.rest
}

func (s *Scratch) tileOf(n int) []float32 {
	s.tile = grow(s.tile, n)
	return s.tile
}

// panelsOf returns n bytes from the beginning of a cache line on.
func (s *Scratch) panelsOf(n int) []byte {
	const line = 64
	s.panels = grow(s.panels, n+line)
	skip := -int(uintptr(unsafe.Pointer(&s.panels[0]))) & (line - 1)
	return s.panels[skip : skip+n]
}

// dotKernel multiplies a few rows of float weights and of activations.
type dotKernel func(c *float32, ldc int, w *byte, ldw int, x *float32, ldx, n int)

// dots are the kernels of one float format, by rows of weights and of
// activations.
type dots struct{ w4x1, w2x3, w2x2, w1x3, w1x2, w1x1 dotKernel }

var floats = [...]dots{
	quant.F32:  {dotF32_4x1, dotF32_2x3, dotF32_2x2, dotF32_1x3, dotF32_1x2, dotF32_1x1},
	quant.F16:  {dotF16_4x1, dotF16_2x3, dotF16_2x2, dotF16_1x3, dotF16_1x2, dotF16_1x1},
	quant.BF16: {dotBF16_4x1, dotBF16_2x3, dotBF16_2x2, dotBF16_1x3, dotBF16_1x2, dotBF16_1x1},
}

// inputTile is the rows of activations that pass all weights together: they
// stay in the second cache.
const inputTile = 48

// mulFloats multiplies by float weights. Rows that do not fill the lanes, which
// no model of a supported family has, are left to the reference.
func mulFloats(dst []float32, ldd int, w Matrix, in *Input, r0, r1 int) {
	if w.Cols%lanes != 0 {
		mulReference(dst, ldd, w, in, r0, r1)
		return
	}
	k, size := &floats[w.Type], w.rowBytes()
	for i0 := 0; i0 < in.n; i0 += inputTile {
		i1 := min(in.n, i0+inputTile)
		for r := r0; r < r1; {
			rows := 4
			if r+4 > r1 {
				rows = 1
			}
			for i := i0; i < i1; {
				i += k.mul(dst[i*ldd+r:], ldd, w.Data[r*size:], size, in.x[i*in.cols:], in.cols, rows, i1-i)
			}
			r += rows
		}
	}
}

// mul multiplies rows (4 or 1) of weights by up to three rows of activations,
// n being left, and returns how many.
func (k *dots) mul(c []float32, ldc int, w []byte, ldw int, x []float32, cols, rows, n int) int {
	n = min(n, 3)
	f, step := k.w1x1, 1
	switch {
	case rows == 4 && n == 1:
		f, step = k.w4x1, 4
	case rows == 4 && n == 2:
		f, step = k.w2x2, 2
	case rows == 4:
		f, step = k.w2x3, 2
	case n == 2:
		f = k.w1x2
	case n == 3:
		f = k.w1x3
	}
	for r := 0; r < rows; r += step {
		f(&c[r], ldc, &w[r*ldw], ldw, &x[0], 4*cols, cols)
	}
	return n
}

func quantize32AVX2(q []int8, meta []meta32, x []float32) bool {
	if len(meta) == 0 {
		return true
	}
	return quantize32(&q[0], (*byte)(unsafe.Pointer(&meta[0])), &x[0], len(meta)) < infinite
}

func quantize256AVX2(q []int8, meta []meta256, x []float32) bool {
	if len(meta) == 0 {
		return true
	}
	return quantize256(&q[0], (*byte)(unsafe.Pointer(&meta[0])), &x[0], len(meta)) < infinite
}
