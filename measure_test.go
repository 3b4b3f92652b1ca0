package lite

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/tune"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
)

// ways are the ways of reading that were measured, without their rates.
func ways(rates []ReadRate) (ways []ReadRate) {
	for _, r := range rates {
		ways = append(ways, ReadRate{Direct: r.Direct, Depth: r.Depth})
	}
	return ways
}

// TestReadsAreMeasured: the trunk is read in every way that is open, and what was
// measured decides.
func TestReadsAreMeasured(t *testing.T) {
	file := wide(t)
	depths := func(direct bool) (all []ReadRate) {
		for _, d := range tune.Depths() {
			all = append(all, ReadRate{Direct: direct, Depth: d})
		}
		return all
	}
	for name, c := range map[string]struct {
		o    Options
		want []ReadRate
	}{
		"direct":         {Options{Direct: DirectAlways}, depths(true)},
		"buffered":       {Options{Direct: DirectNever}, depths(false)},
		"depth is given": {Options{Direct: DirectNever, ReadDepth: 3}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Memory, c.o.fs = 1<<30, file.FS()
			m, err := Open(modeltest.Path, c.o)
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			p := m.Plan()
			require.Equal(t, c.want, ways(p.Measured.Reads))
			for _, r := range p.Measured.Reads {
				require.Positive(t, r.BytesPerSec)
			}
			if c.o.ReadDepth > 0 {
				require.Equal(t, c.o.ReadDepth, p.ReadDepth)
			} else {
				require.Equal(t, tune.Depth(p.Measured.Reads), p.ReadDepth)
			}
			require.Equal(t, c.o.Direct == DirectAlways, p.Direct)
			for name, b := range m.trunk.data {
				require.Equal(t, file.Tensor(t, name), b, name)
			}
		})
	}
}

// TestTheWayIsMeasured: where the file would fit the page cache both ways are
// tried, and the plan says which was taken.
func TestTheWayIsMeasured(t *testing.T) {
	file := wide(t)
	m, err := Open(modeltest.Path, Options{Memory: 1 << 30, fs: file.FS()})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	p := m.Plan()
	require.GreaterOrEqual(t, len(p.Measured.Reads), 2)
	through, past := p.Measured.Reads[0], p.Measured.Reads[1]
	require.False(t, through.Direct)
	require.True(t, past.Direct)
	require.Equal(t, tune.Direct(past.BytesPerSec, through.BytesPerSec), p.Direct)
	require.Equal(t, map[bool]int{true: 4096, false: 1}[p.Direct], m.rung.Align())
	for name, b := range m.trunk.data {
		require.Equal(t, file.Tensor(t, name), b, name)
	}
}

// TestMeasuringFails gives everything back, wherever a read fails.
func TestMeasuringFails(t *testing.T) {
	file := wide(t)
	before := memory.InUse()
	reached := int64(0)
	for n := int64(1); n < 90; n++ {
		m, err := Open(modeltest.Path, Options{Memory: 1 << 30, fs: errorfs.New(file.FS(), errorfs.Nth(n).Fail(syscall.EIO))})
		if err == nil {
			require.NoError(t, m.Close())
			break
		}
		reached = n
		require.ErrorIs(t, err, syscall.EIO)
		require.Equal(t, before, memory.InUse())
	}
	require.Greater(t, reached, int64(20), "failures after the description was read")
}

// TestThreadsAreMeasured unless they were asked for.
func TestThreadsAreMeasured(t *testing.T) {
	for _, asked := range []int{0, 1, 3} {
		opt, err := Options{Memory: 1 << 30, Threads: asked, fs: sparse()}.settle()
		require.NoError(t, err)
		if asked == 0 {
			opt.Threads = 3 // as if there were three processors
		}
		m := &Model{path: modeltest.Path, opt: opt}
		require.NoError(t, m.capHeap())
		require.NoError(t, m.open(modeltest.Path))
		p := m.Plan()
		if asked > 0 {
			require.Equal(t, asked, p.Threads)
			require.Empty(t, p.Measured.Threads)
		} else {
			require.Len(t, p.Measured.Threads, len(tune.ThreadCounts(3)))
			require.Equal(t, tune.Threads(p.Measured.Threads), p.Threads)
		}
		require.NoError(t, m.Close())
	}
}
