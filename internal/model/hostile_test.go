package model_test

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func nan() float32 { return float32(math.NaN()) }

// hostile are numbers that a file may claim.
var hostile = []uint64{0, 1, 2, 3, 5, 7, 1 << 12, 1<<12 + 1, 1 << 20, 1<<24 - 1, 1 << 24, 1<<24 + 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, 1 << 62, 1 << 63, 1<<64 - 1}

// most is how many bytes building a small model may take, whatever its file
// claims: some hundred KiB in truth.
const most = 4 << 20

// allocated runs f and returns the bytes that it allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileNumbers puts every hostile number under every key of every family:
// the result is a model or an error, and never memory for what is not there.
func TestHostileNumbers(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, key := range keysOf(fresh()) {
			for _, n := range hostile {
				d := fresh()
				switch v := d.keys[key].(type) {
				case uint32, uint64:
					d.keys[key] = n
				case float32:
					d.keys[key] = math.Float32frombits(uint32(n))
				case []uint32:
					for i := range v {
						v = slices.Clone(v)
						v[i] = uint32(n)
					}
					d.keys[key] = v
				default:
					continue
				}
				src := d.source(t)
				require.Less(t, allocated(func() { build(src) }), uint64(most), "%s = %d", key, n)
			}
		}
	})
}

// TestHostileTensors gives every tensor dimensions of the largest product that a
// reader lets pass.
func TestHostileTensors(t *testing.T) {
	each(t, func(t *testing.T, fresh func() *described) {
		for _, name := range fresh().order {
			for _, dims := range [][]int{{math.MaxInt64}, {1 << 31, 1 << 31}, {64, 1 << 50}, {1 << 40, 2, 2}, {1, 1, 1, 1}} {
				d := fresh()
				x := d.tensors[name]
				x.Dims = dims
				d.tensors[name] = x
				src := d.source(t)
				require.Less(t, allocated(func() { build(src) }), uint64(most), "%s %v", name, dims)
			}
		}
	})
}
