package cache

import (
	"slices"
	"sort"

	"github.com/lite-llm/lite/internal/base"
)

// Run is Count pieces of an object that are read whole, the experts of a pool: one
// begins Unit bytes after the other, and the first Len of them are it. A Len of 0
// is all of them.
type Run struct {
	Object string
	Off    int64
	Unit   int64
	Count  int64
	Len    int64
}

// end is the first byte after the run.
func (r Run) end() int64 { return r.Off + r.Unit*r.Count }

const (
	// plainCell is the bytes of a cell where no run is.
	plainCell = 1 << 20
	// maxCell bounds a cell, and with it the memory of a read that takes a part
	// of one: a longer unit is several cells.
	maxCell = 4 << 20
)

// grid cuts objects into cells, which are cached in whole or not at all. It is
// computed from a few runs; there is nothing in it for an expert.
type grid struct {
	runs map[string][]Run // by object, ordered
	unit int64            // bytes of a cell where no run is
}

// newGrid sorts the runs by object. Runs that overlap an earlier one, or are
// none, are left out: where cells begin changes time only.
func newGrid(runs []Run, cell int64) grid {
	g := grid{map[string][]Run{}, cell}
	for _, r := range runs {
		if r.Unit > 0 && r.Count > 0 && r.Off >= 0 && r.Count <= (1<<62-r.Off)/r.Unit {
			g.runs[r.Object] = append(g.runs[r.Object], r)
		}
	}
	for name, of := range g.runs {
		slices.SortFunc(of, func(a, b Run) int {
			switch {
			case a.Off < b.Off:
				return -1
			case a.Off > b.Off:
				return 1
			}
			return 0
		})
		kept := of[:0]
		for _, r := range of {
			if len(kept) == 0 || kept[len(kept)-1].end() <= r.Off {
				kept = append(kept, r)
			}
		}
		g.runs[name] = kept
	}
	return g
}

// cell is the part of the object that holds the byte at off, which is in it.
func (g grid) cell(obj base.Object, off int64) (begin, end int64) {
	runs := g.runs[obj.Name]
	i := sort.Search(len(runs), func(i int) bool { return runs[i].Off > off }) // the first run after off
	lo, hi := int64(0), obj.Size
	if i < len(runs) {
		hi = min(hi, runs[i].Off)
	}
	size := g.unit
	if i > 0 {
		r := runs[i-1]
		if lo = r.end(); off < lo { // in the run: its unit is cut by itself
			lo, size = r.Off+(off-r.Off)/r.Unit*r.Unit, maxCell
			hi = min(obj.Size, lo+r.Unit)
			if used := lo + r.Len; r.Len > 0 && off < used {
				hi = min(hi, used)
			} else if r.Len > 0 {
				lo = used // what stands between two
			}
		}
	}
	begin = lo + (off-lo)/size*size
	return begin, min(begin+size, hi)
}
