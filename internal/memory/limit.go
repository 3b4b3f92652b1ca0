package memory

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Limit is the memory that this process may still take.
type Limit struct {
	Bytes  int64  // beyond what it has now; 0 when a limit is reached already
	Source string // what says so, such as "cgroup /user.slice" or "available memory"
}

// ErrUnknown is returned by Available where the system tells neither what the
// machine has nor what a cgroup allows.
var ErrUnknown = errors.New("this system does not say how much memory there is; set --memory")

// Available is the least of what the machine has available and of what each
// cgroup around this process leaves: its limit without what its processes hold,
// page cache apart, which the kernel takes back before it refuses. What this
// process holds is taken already; a caller that plans all of it adds RSS. The
// error is ErrUnknown.
func Available() (Limit, error) { return AvailableIn(os.DirFS("/")) }

// AvailableIn is Available for the system whose root is given.
func AvailableIn(root fs.FS) (Limit, error) {
	best := Limit{Bytes: math.MaxInt64}
	if n, err := kilobytes(root, "proc/meminfo", "MemAvailable"); err == nil {
		best = Limit{Bytes: n, Source: "available memory"}
	}
	for _, g := range groups(root) {
		if n, ok := g.left(root); ok && n < best.Bytes {
			best = Limit{Bytes: n, Source: "cgroup " + g.name}
		}
	}
	if best.Source == "" {
		return Limit{}, ErrUnknown
	}
	best.Bytes = max(0, best.Bytes)
	return best, nil
}

// left is what the group's processes may still take; false when the group has
// no limit.
func (g *group) left(root fs.FS) (int64, bool) {
	limit, limited := int64(math.MaxInt64), false
	for _, name := range g.limits {
		if n, err := readInt(root, path.Join(g.dir, name)); err == nil {
			limit, limited = min(limit, n), true
		}
	}
	if !limited {
		return 0, false
	}
	// A group that does not say what it holds is taken as empty.
	used, _ := readInt(root, path.Join(g.dir, g.usage))
	return limit - max(0, used-g.cache(root)), true
}

// cache is the page cache of files that is charged to the group. Memory of
// tmpfs is no such cache, though the kernel counts it as "cache": nothing can
// drop it.
func (g *group) cache(root fs.FS) (n int64) {
	text, err := fs.ReadFile(root, path.Join(g.dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == g.prefix+"active_file" || key == g.prefix+"inactive_file" {
			if v, err := strconv.ParseInt(value, 10, 64); err == nil && v >= 0 {
				n = min(n+v, math.MaxInt64/2)
			}
		}
	}
	return n
}

// noLimit is how cgroup v1 writes that there is none: the largest multiple of
// a page, of 64 KiB at most.
const noLimit = math.MaxInt64 &^ (1<<16 - 1)

// errNoLimit is what a file without a number in it means to a reader of limits.
var errNoLimit = errors.New("no limit is set")

// readInt reads a file that holds one number of bytes.
func readInt(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 || n >= noLimit {
		return 0, errNoLimit // "max" of cgroup v2, among others
	}
	return n, nil
}
