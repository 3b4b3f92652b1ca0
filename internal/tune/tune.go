// Package tune turns what was measured at start into choices: how many threads,
// how a disk is read, how many reads are in flight. It measures nothing itself, so
// that every choice can be tested; and none of them can change a result.
package tune

// ReadRate is how fast a disk gave bytes in one way of reading.
type ReadRate struct {
	Direct      bool    `json:"direct"` // past the page cache
	Depth       int     `json:"depth"`  // reads in flight
	BytesPerSec float64 `json:"bytes_per_s"`
}

// ThreadTime is how long one product by the output head took.
type ThreadTime struct {
	Threads int     `json:"threads"`
	Seconds float64 `json:"s"`
}

// Depths are the numbers of reads in flight that are tried.
func Depths() []int { return []int{1, 2, 4, 8} }

// same is the share of the best that counts as good as it: the best of several tries
// differs by as much between two measurements of the same.
const same = 0.97

// Depth chooses the fewest reads in flight that are as fast as any: what is asked
// for first then comes first, and can be computed with while the rest is read. 0
// says that nothing was measured.
func Depth(rates []ReadRate) (depth int) {
	best := 0.0
	for _, r := range rates {
		best = max(best, r.BytesPerSec)
	}
	for _, r := range rates {
		if r.BytesPerSec >= same*best && (depth == 0 || r.Depth < depth) {
			depth = r.Depth
		}
	}
	return depth
}

// Direct says whether to read past the page cache where there is room for the
// whole file in it. That leaves nothing for the next start, so it must be twice as
// fast: as where a device reads far ahead of what is wanted.
func Direct(direct, buffered float64) bool { return direct > 2*buffered }

// ThreadCounts are the numbers of threads that are tried: all n, three quarters,
// half, a quarter, and one. Half is one for each core where each has two.
func ThreadCounts(n int) (counts []int) {
	for _, c := range []int{n, n * 3 / 4, n / 2, n / 4, 1} {
		if c > 0 && (len(counts) == 0 || c < counts[len(counts)-1]) {
			counts = append(counts, c)
		}
	}
	return counts
}

// much is how many times as fast fewer threads must be: a prompt gains from more,
// even where the product of one row that is measured does not; and who else works
// on the machine while it is measured will not do so for as long as a model is open.
const much = 1.25

// Threads chooses the most threads than which no fewer are much faster. 0 says that
// nothing was measured.
func Threads(times []ThreadTime) (threads int) {
	best := 0.0
	for _, t := range times {
		if best == 0 || t.Seconds < best {
			best = t.Seconds
		}
	}
	for _, t := range times {
		if t.Seconds <= much*best {
			threads = max(threads, t.Threads)
		}
	}
	return threads
}
