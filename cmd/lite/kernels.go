package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/lite-llm/lite"
	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/quant"
)

// kernelBench says how products are measured.
type kernelBench struct {
	rows, cols, batch int
	atLeast           time.Duration // of each product
	json              bool
}

// product is a measured format and implementation.
type product struct {
	Format  string  `json:"format"`
	Kernels string  `json:"kernels"`
	GEMV    float64 `json:"gemv_gb_per_s"`  // of weights, one row of input
	GEMM    float64 `json:"gemm_gop_per_s"` // a product and a sum are two
}

// benchKernels measures the products of every format by one thread, with the
// reference and with the kernels that would run.
func benchKernels(out io.Writer, b kernelBench) error {
	impl, err := kernel.Default()
	if err != nil {
		return &lite.OptionError{What: err.Error()}
	}
	rows := table{{"format", "kernels", "GEMV GB/s", "× reference", fmt.Sprintf("GEMM (%d rows) GOP/s", b.batch), "× reference"}}
	for _, t := range quant.Types() {
		plain, err := b.measure(kernel.Reference, t)
		if err != nil {
			return err
		}
		all := []product{plain}
		if impl != kernel.Reference {
			fast, err := b.measure(impl, t)
			if err != nil {
				return err
			}
			all = append(all, fast)
		}
		for _, p := range all {
			if b.json {
				if err := printLine(out, p); err != nil {
					return err
				}
			}
			rows = append(rows, []string{
				p.Format, p.Kernels, fmt.Sprintf("%.2f", p.GEMV), fmt.Sprintf("%.1f", p.GEMV/plain.GEMV),
				fmt.Sprintf("%.1f", p.GEMM), fmt.Sprintf("%.1f", p.GEMM/plain.GEMM),
			})
		}
	}
	if b.json {
		return nil
	}
	return rows.print(out)
}

// measure measures one format with one implementation.
func (b kernelBench) measure(impl kernel.Impl, t quant.Type) (product, error) {
	row, err := t.RowBytes(b.cols)
	if err != nil {
		return product{}, err
	}
	m, err := linear.NewMatrix(t, b.rows, b.cols, randomBlocks(t, row*b.rows))
	if err != nil {
		return product{}, err
	}
	p := product{Format: t.String(), Kernels: impl.String()}
	d, err := b.time(impl, m, 1)
	if err != nil {
		return p, err
	}
	p.GEMV = float64(len(m.Data)) / d.Seconds() / 1e9
	if d, err = b.time(impl, m, b.batch); err != nil {
		return p, err
	}
	p.GEMM = 2 * float64(b.batch) * float64(b.rows*b.cols) / d.Seconds() / 1e9
	return p, nil
}

// randomBlocks is random weights whose floats are small numbers, and none of them
// subnormal: these take a processor a hundred times as long as any other.
func randomBlocks(t quant.Type, n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(t)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(0x40)) //nolint:gosec // below 64
	}
	if t == quant.F32 || t == quant.BF16 {
		size := t.BlockBytes()
		for i := size - 1; i < n; i += size {
			b[i] = 0x3c // at least 2^-7, below 2^-5
		}
	}
	return b
}

// time is the least time of a product with n rows of input over some runs.
func (b kernelBench) time(impl kernel.Impl, m linear.Matrix, n int) (time.Duration, error) {
	k := linear.For(impl)
	r := rand.New(rand.NewPCG(2, 2))
	x := make([]float32, n*m.Cols)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	var in linear.Input
	var s linear.Scratch
	in.Set(x, n, m.Cols)
	if err := k.Prepare(&in, m.Type); err != nil {
		return 0, err
	}
	dst := make([]float32, n*m.Rows)
	best := time.Duration(1<<63 - 1)
	for begin := time.Now(); ; {
		start := time.Now()
		k.Mul(dst, m.Rows, m, &in, 0, m.Rows, &s)
		best = min(best, time.Since(start))
		if time.Since(begin) >= b.atLeast {
			return max(best, 1), nil
		}
	}
}
