package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lite-llm/lite/internal/kernel"
	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
)

// What this machine can do at most, measured between the programs that are held
// against it.

// machineTime is how long a limit is measured.
const machineTime = time.Second

// repeat calls work(i) in n goroutines again and again, and returns what they did
// per second: work returns an amount.
func repeat(ctx context.Context, n int, atLeast time.Duration, work func(worker int) (int64, error)) (float64, error) {
	var wg sync.WaitGroup
	done, errs := make([]int64, n), make([]error, n)
	start := time.Now()
	for i := range n {
		wg.Go(func() {
			for errs[i] == nil && time.Since(start) < atLeast && ctx.Err() == nil {
				var amount int64
				amount, errs[i] = work(i)
				done[i] += amount
			}
		})
	}
	wg.Wait()
	took := time.Since(start).Seconds()
	total := int64(0)
	for _, d := range done {
		total += d
	}
	return float64(total) / took, errors.Join(errors.Join(errs...), ctx.Err())
}

// bandwidth is the bytes per second that threads read from memory, each its part
// of a buffer far larger than caches.
func bandwidth(ctx context.Context, threads int) (float64, error) {
	const size = 512 << 20
	buf, err := memory.Alloc(size)
	if err != nil {
		return 0, fmt.Errorf("memory to read: %w", err)
	}
	defer func() { _ = memory.Free(buf) }() // it is whole
	for i := range buf {
		buf[i] = byte(i)
	}
	const piece = 4 << 20
	part := size / threads / piece * piece
	at, sums := make([]int, threads), make([]uint64, threads)
	rate, err := repeat(ctx, threads, machineTime, func(i int) (int64, error) {
		from := i*part + at[i]
		sums[i] += sum(buf[from : from+piece])
		at[i] = (at[i] + piece) % part
		return piece, nil
	})
	if slices.Contains(sums, 0) {
		return 0, errors.Join(err, errors.New("memory was not read"))
	}
	return rate, err
}

// GEMM of the format that most weights of a Q4_K_M file have.
const (
	gemmRows = 1024
	gemmCols = 2048
	gemmIn   = 512 // rows of input
)

// gemm is the operations per second of threads that multiply matrices in cache,
// a product and a sum being two.
func gemm(ctx context.Context, threads int) (float64, error) {
	impl, err := kernel.Default()
	if err != nil {
		return 0, err
	}
	k := linear.For(impl)
	size, err := quant.Q4_K.RowBytes(gemmCols)
	if err != nil {
		return 0, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	blocks := make([]byte, size*gemmRows)
	for i := range blocks {
		blocks[i] = byte(r.IntN(0x40)) //nolint:gosec // below 64: scales are small, and not infinite
	}
	x := make([]float32, gemmIn*gemmCols)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	type worker struct {
		m   linear.Matrix
		in  linear.Input
		s   linear.Scratch
		dst []float32
	}
	workers := make([]worker, threads)
	for i := range workers {
		w := &workers[i]
		if w.m, err = linear.NewMatrix(quant.Q4_K, gemmRows, gemmCols, slices.Clone(blocks)); err != nil {
			return 0, err
		}
		w.in.Set(x, gemmIn, gemmCols)
		if err := k.Prepare(&w.in, w.m.Type); err != nil {
			return 0, err
		}
		w.dst = make([]float32, gemmIn*gemmRows)
	}
	return repeat(ctx, threads, machineTime, func(i int) (int64, error) {
		w := &workers[i]
		k.Mul(w.dst, gemmRows, w.m, &w.in, 0, gemmRows, &w.s)
		return 2 * gemmIn * gemmRows * gemmCols, nil
	})
}

// disk is the bytes per second of direct reads of a size at random places of a
// file, with depth of them in flight.
func disk(ctx context.Context, path string, size int64, depth int) (float64, error) {
	f, err := vfs.OpenDirect(vfs.OS{}, path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // was only read
	align := int64(f.Align())
	size = (size + align - 1) / align * align
	places := (f.Size() - size) / align
	if places <= 0 {
		return 0, fmt.Errorf("%s is smaller than a read of %d bytes", path, size)
	}
	bufs, random := make([][]byte, depth), make([]*rand.Rand, depth)
	for i := range bufs {
		bufs[i] = vfs.AlignedBuffer(int(size), int(align))
		random[i] = rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i)))
	}
	return repeat(ctx, depth, machineTime, func(i int) (int64, error) {
		_, err := f.ReadAt(bufs[i], random[i].Int64N(places)*align)
		return size, err
	})
}

// depths are the reads in flight that a disk is measured with.
var depths = []int{1, 4, 8}

// diskName names the value of a depth.
func diskName(depth int) string { return fmt.Sprintf("O_DIRECT, depth %d", depth) }

// diskTurn measures the disk at all depths; "best" is the most of them.
func diskTurn(s shape, path string) turn {
	return turn{"disk", func(ctx context.Context) (values, error) {
		v := values{}
		for _, d := range depths {
			rate, err := disk(ctx, path, s.expertPart, d)
			if err != nil {
				return nil, err
			}
			v[diskName(d)] = rate
			v["best"] = max(v["best"], rate)
		}
		return v, nil
	}}
}
