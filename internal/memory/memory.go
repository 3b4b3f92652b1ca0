// Package memory holds bytes outside the Go heap and knows how many this
// process may use: of the machine, and of the cgroup that it runs in. It
// stands under the parameter's road: the slots of experts, the trunk and the
// KV pages are its bytes.
package memory

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Limit is the memory that this process may use.
type Limit struct {
	Bytes  int64
	Source string // what says so, such as "cgroup /user.slice" or "available memory"
}

// Available is the least of what the machine has available and what the
// cgroups above this process leave. It returns an error where the system
// tells neither.
func Available() (Limit, error) { return AvailableIn(os.DirFS("/")) }

// AvailableIn is Available for the system whose root is given.
func AvailableIn(root fs.FS) (Limit, error) {
	best := Limit{Bytes: math.MaxInt64}
	if n, err := meminfo(root, "MemAvailable"); err == nil {
		best = Limit{Bytes: n, Source: "available memory"}
	}
	for _, g := range groups(root) {
		limit, err := readInt(root, path.Join(g.dir, g.limit))
		if err != nil {
			continue
		}
		// What is charged already, other than to this process's future,
		// cannot be used: but page cache is given back under pressure.
		used, _ := readInt(root, path.Join(g.dir, g.usage))
		cache := fileCache(root, g.dir)
		if free := limit - max(0, used-cache); free < best.Bytes {
			best = Limit{Bytes: free, Source: "cgroup " + g.name}
		}
	}
	if best.Bytes == math.MaxInt64 {
		return best, errors.New("this system does not say how much memory there is; set --memory")
	}
	return best, nil
}

// group is one memory cgroup above this process.
type group struct{ name, dir, limit, usage string }

// groups lists the memory cgroups of this process, innermost first.
func groups(root fs.FS) []group {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var all []group
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		base, limit, usage := "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		switch {
		case f[0] == "0" && f[1] == "":
			base, limit, usage = "sys/fs/cgroup", "memory.max", "memory.current"
		case !strings.Contains(","+f[1]+",", ",memory,"):
			continue
		}
		for at := path.Clean("/" + f[2]); ; at = path.Dir(at) {
			all = append(all, group{at, path.Join(base, at), limit, usage})
			if at == "/" {
				break
			}
		}
	}
	return all
}

// fileCache is the page cache charged to a cgroup.
func fileCache(root fs.FS, dir string) int64 {
	text, err := fs.ReadFile(root, path.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == "total_cache" || key == "file" {
			n, _ := strconv.ParseInt(value, 10, 64)
			return n
		}
	}
	return 0
}

// Hits is how often the innermost memory cgroup of this process reached its
// limit: memory.failcnt, or "max" of memory.events. It returns an error when
// there is none.
func Hits() (int64, error) {
	root := os.DirFS("/")
	for _, g := range groups(root) {
		if n, err := readInt(root, path.Join(g.dir, "memory.failcnt")); err == nil {
			return n, nil
		}
		text, err := fs.ReadFile(root, path.Join(g.dir, "memory.events"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "max "); ok {
				return strconv.ParseInt(v, 10, 64)
			}
		}
	}
	return 0, errors.New("this process is in no memory cgroup that counts its hits")
}

// PeakRSS is the most memory that this process has had resident, in bytes; 0
// where the system does not say.
func PeakRSS() int64 { return status("VmHWM") }

// RSS is the memory that this process has resident now, in bytes.
func RSS() int64 { return status("VmRSS") }

func status(key string) int64 {
	n, _ := kilobytes(os.DirFS("/"), "proc/self/status", key)
	return n
}

// Total is the machine's memory in bytes; 0 where the system does not say.
func Total() int64 {
	n, _ := meminfo(os.DirFS("/"), "MemTotal")
	return n
}

func meminfo(root fs.FS, key string) (int64, error) { return kilobytes(root, "proc/meminfo", key) }

// kilobytes reads a line such as "MemTotal:  24 kB", in bytes.
func kilobytes(root fs.FS, name, key string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", name, key)
}

// readInt reads a file that holds one number; "max" is an error, which is what
// an absent limit is to the caller.
func readInt(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n > math.MaxInt64>>12<<12-1 {
		return 0, fmt.Errorf("%s holds no limit", name)
	}
	return int64(n), nil
}
