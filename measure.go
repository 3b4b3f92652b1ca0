package lite

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/lite-llm/lite/internal/kernel/linear"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/par"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/tune"
	"github.com/lite-llm/lite/internal/vfs"
)

// Measured is what was measured while the model was opened, and what the choices
// rest on that were left open. A list is empty where nothing was left open, or the
// model is too small to measure.
type Measured struct {
	// Reads are parts of the trunk, read in one way each.
	Reads []ReadRate `json:"reads"`
	// Threads are products by the output head.
	Threads []ThreadTime `json:"threads"`
}

// ReadRate is how fast the disk gave bytes in one way of reading.
type ReadRate = tune.ReadRate

// ThreadTime is how long a number of threads took.
type ThreadTime = tune.ThreadTime

const (
	// defaultDepth is the reads in flight where nothing is measured: it saturates
	// the disks that were tried.
	defaultDepth = 4
	// sampleBytes is what one way of reading is tried on, at most: some 10 ms of a
	// disk. A trunk of less than sampleLeast for each is not worth it.
	sampleBytes = 16 << 20
	sampleLeast = 1 << 20
	// rounds is how often each way is tried, in turns. The best counts: what others
	// do on the machine only takes from it.
	rounds = 3
	// tries is how often the two ways past and through the page cache are tried.
	tries = 2
)

// trunkReader reads the trunk, and finds meanwhile how the disk is read best: the
// trunk has to be read anyway.
type trunkReader struct {
	m     *Model
	jobs  []readJob
	unit  int64 // bytes of a read that is measured: as large as an expert's
	share int64 // bytes that each way of reading is tried on
}

// readTrunk reads the jobs and settles the plan's Direct and ReadDepth.
func (m *Model) readTrunk(jobs []readJob, unit int64) error {
	depths := tune.Depths()
	ways := int64(rounds*len(depths) + 2*tries)
	t := &trunkReader{m: m, jobs: jobs, unit: max(vfs.DirectAlign, min(unit, piece)), share: min(sampleBytes, bytesOf(jobs)/ways) &^ (vfs.DirectAlign - 1)}
	m.plan.ReadDepth = m.opt.ReadDepth
	if t.share >= sampleLeast {
		if err := t.choose(depths); err != nil {
			return err
		}
	}
	if m.plan.ReadDepth == 0 {
		m.plan.ReadDepth = defaultDepth
	}
	rest, _ := cut(t.jobs, math.MaxInt64, piece)
	return readAll(context.Background(), m.rung, rest, max(m.plan.ReadDepth, defaultDepth))
}

// choose settles what was left open of how to read.
func (t *trunkReader) choose(depths []int) error {
	m := t.m
	if err := t.chooseDirect(); err != nil || m.plan.ReadDepth > 0 {
		return err
	}
	rates := make([]ReadRate, len(depths))
	for range rounds {
		for i, d := range depths {
			rate, err := t.sample(m.rung, d)
			if err != nil {
				return err
			}
			rates[i] = ReadRate{Direct: m.plan.Direct, Depth: d, BytesPerSec: max(rate, rates[i].BytesPerSec)}
		}
	}
	m.plan.ReadDepth = tune.Depth(rates)
	m.plan.Measured.Reads = append(m.plan.Measured.Reads, rates...)
	return nil
}

// chooseDirect reads past the page cache although the file would fit it, where
// that is much faster.
func (t *trunkReader) chooseDirect() error {
	m := t.m
	if m.plan.Direct || m.opt.Direct != DirectAuto { // what is remote is DirectNever
		return nil
	}
	direct, err := m.openFiles(true)
	if _, refused := errors.AsType[*DirectError](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	buffered := m.rung
	var through, past float64
	for range tries {
		for _, way := range []struct {
			r    rung.Rung
			best *float64
		}{{buffered, &through}, {direct, &past}} {
			rate, err := t.sample(way.r, defaultDepth)
			if err != nil {
				return errors.Join(err, direct.Close())
			}
			*way.best = max(*way.best, rate)
		}
	}
	m.plan.Measured.Reads = []ReadRate{
		{Direct: false, Depth: defaultDepth, BytesPerSec: through}, {Direct: true, Depth: defaultDepth, BytesPerSec: past},
	}
	if !tune.Direct(past, through) {
		return direct.Close()
	}
	m.rung, m.plan.Direct = direct, true
	return buffered.Close()
}

// sample reads the next part of the trunk in one way and returns the rate, in
// bytes per second.
func (t *trunkReader) sample(r rung.Rung, depth int) (float64, error) {
	var jobs []readJob
	jobs, t.jobs = cut(t.jobs, t.share, t.unit)
	for _, j := range jobs { // what the system does for a page's first use is not the disk's
		for i := 0; i < len(j.p); i += vfs.DirectAlign {
			j.p[i] = 0
		}
	}
	begin := time.Now() //nolint:forbidigo // chooses how, never what
	if err := readAll(context.Background(), r, jobs, depth); err != nil {
		return 0, err
	}
	return float64(bytesOf(jobs)) / max(time.Since(begin).Seconds(), 1e-9), nil
}

// unitOf is the bytes of the largest projection of an expert, which one read takes;
// of the whole pieces of a trunk where there are no experts.
func unitOf(needs *model.Model) (n int64) {
	for _, pools := range needs.Experts {
		for _, p := range pools {
			for _, s := range p.Slabs {
				n = max(n, s.Size)
			}
		}
	}
	if n == 0 {
		n = piece
	}
	return (n + vfs.DirectAlign - 1) &^ (vfs.DirectAlign - 1)
}

// chooseThreads settles the plan's Threads by the output head, the largest
// product of a token, unless they were asked for.
func (m *Model) chooseThreads() error {
	counts := tune.ThreadCounts(m.plan.Threads)
	if m.opt.threadsAsked || len(counts) == 1 {
		return nil
	}
	k, x := linear.For(m.opt.kernels), make([]float32, m.m.Dim)
	for i := range x {
		x[i] = float32(i%7 - 3)
	}
	var in linear.Input
	in.Set(x, 1, m.m.Dim)
	if err := k.Prepare(&in, m.m.Output.Type); err != nil {
		return err
	}
	logits := make([]float32, m.m.Vocab)
	times := make([]ThreadTime, len(counts))
	for range rounds {
		for i, n := range counts {
			d := headTime(k, &in, m.m.Output, logits, n)
			if times[i].Threads = n; times[i].Seconds == 0 || d < times[i].Seconds {
				times[i].Seconds = d
			}
		}
	}
	m.plan.Measured.Threads, m.plan.Threads = times, tune.Threads(times)
	return nil
}

// headTime is how long n threads take for the product, the better of two times.
func headTime(k *linear.Kernels, in *linear.Input, head linear.Matrix, logits []float32, n int) (seconds float64) {
	pool := par.New(n)
	defer pool.Close()
	scratch := make([]linear.Scratch, n)
	work := func(w int) {
		lo, hi := par.Split(head.Rows, n, w, linear.RowAlign)
		k.Mul(logits, head.Rows, head, in, lo, hi, &scratch[w])
	}
	pool.Run(work)      // wakes the workers
	begin := time.Now() //nolint:forbidigo // chooses how, never what
	pool.Run(work)
	first := time.Since(begin)
	pool.Run(work)
	return max(1e-9, min(first, time.Since(begin)-first).Seconds())
}
