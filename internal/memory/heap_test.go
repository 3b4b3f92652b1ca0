package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHeapCounts holds Heap to what a program takes and gives back.
func TestHeapCounts(t *testing.T) {
	debug.FreeOSMemory()
	const size = 64 << 20
	before := Heap()
	b := make([]byte, size)
	require.GreaterOrEqual(t, Heap(), before+size)
	runtime.KeepAlive(b)
	debug.FreeOSMemory()
	require.Less(t, Heap(), before+size)

	slab, err := Alloc(size)
	require.NoError(t, err)
	require.Less(t, Heap(), before+size, "what is outside the heap does not count")
	require.NoError(t, Free(slab))
}

func TestLimitHeap(t *testing.T) {
	const own = 1 << 40
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(own))
	inForce := func() int64 { return debug.SetMemoryLimit(-1) }

	low := LimitHeap(1 << 30)
	require.EqualValues(t, 1<<30, inForce())
	high := LimitHeap(1 << 31)
	require.EqualValues(t, 1<<31, inForce(), "the last plan knows of those before it")
	high()
	high()
	require.EqualValues(t, 1<<30, inForce(), "released once, however often it is said")
	low()
	require.EqualValues(t, own, inForce())

	above := LimitHeap(1 << 50)
	require.EqualValues(t, own, inForce(), "the program's own limit stays")
	above()
	require.EqualValues(t, own, inForce())
}

// TestLimitHeapCollects makes far more garbage than the limit, which alone
// starts the collector here.
func TestLimitHeapCollects(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	debug.FreeOSMemory()
	limit := Heap() + 16<<20
	defer LimitHeap(limit)()
	for range 2000 {
		sink = make([]byte, 1<<20)
	}
	require.Less(t, Heap(), limit+500<<20, "it is late when garbage comes this fast, but not by all of it")
}

var sink []byte
