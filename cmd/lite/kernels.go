package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"text/tabwriter"
	"time"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/quant"
)

// benchKernels measures one product of every format by one thread: 1 row of
// input (GB/s of weights) and 64 rows (operations per second), beside the
// reference.
func benchKernels(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "format\tkernels\tGEMV GB/s\tGEMM (64 rows) GOP/s")
	for _, t := range quant.Types() {
		for _, impl := range kernel.Available() {
			const rows, cols = 1024, 2048
			bytes, err := t.RowBytes(cols)
			if err != nil {
				return err
			}
			m, err := linear.NewMatrix(t, rows, cols, randomBlocks(t, bytes*rows))
			if err != nil {
				return err
			}
			gemv, gemm := timeMul(impl, m, 1), timeMul(impl, m, 64)
			fmt.Fprintf(w, "%s\t%s\t%.2f\t%.1f\n", t, impl, float64(len(m.Data))/gemv.Seconds()/1e9, 2*64*float64(rows*cols)/gemm.Seconds()/1e9)
		}
	}
	return w.Flush()
}

// randomBlocks is random weights whose scales are small numbers.
func randomBlocks(t quant.Type, n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(t)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(0x40)) //nolint:gosec // below 64
	}
	return b
}

// timeMul is the least time of a product over some runs.
func timeMul(impl kernel.Impl, m linear.Matrix, n int) time.Duration {
	k := linear.For(impl)
	r := rand.New(rand.NewPCG(2, 2))
	x := make([]float32, n*m.Cols)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	var in linear.Input
	var s linear.Scratch
	in.Set(x, n, m.Cols)
	_ = k.Prepare(&in, m.Type) // the values are finite
	dst := make([]float32, n*m.Rows)
	best := time.Hour
	for begin := time.Now(); time.Since(begin) < 200*time.Millisecond; {
		start := time.Now()
		k.Mul(dst, m.Rows, m, &in, 0, m.Rows, &s)
		best = min(best, time.Since(start))
	}
	return best
}
