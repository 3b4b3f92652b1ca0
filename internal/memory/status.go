package memory

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// PageSize is the unit in which the system gives memory, in bytes.
func PageSize() int { return os.Getpagesize() }

// PeakRSS is the most memory that this process has had resident, in bytes; 0
// where the system does not say. The kernel counts in batches for each thread,
// so that it may be some pages per thread behind.
func PeakRSS() int64 { return statusOf("proc/self/status", "VmHWM") }

// RSS is the memory that this process has resident now, in bytes; 0 where the
// system does not say.
func RSS() int64 { return statusOf("proc/self/status", "VmRSS") }

// Anonymous is the part of RSS that no file stands behind: what the process has
// allocated, without the pages of its program that it shares with the page
// cache. It is RSS where the system does not tell them apart.
func Anonymous() int64 {
	if n := statusOf("proc/self/status", "RssAnon"); n > 0 {
		return n
	}
	return RSS()
}

// Total is the machine's memory in bytes; 0 where the system does not say.
func Total() int64 { return statusOf("proc/meminfo", "MemTotal") }

// statusOf is a line of a file of the system, in bytes, or 0.
func statusOf(name, key string) int64 {
	n, _ := kilobytes(os.DirFS("/"), name, key)
	return n
}

// kilobytes reads a line such as "MemTotal:  24 kB", in bytes.
func kilobytes(root fs.FS, name, key string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, key+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>10 {
			return 0, fmt.Errorf("%s holds no number of kB in %q", name, strings.TrimSpace(line))
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("%s has no %s", name, key)
}
