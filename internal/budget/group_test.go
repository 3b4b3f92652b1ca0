//go:build linux

package budget

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/memory"
)

// group is a memory cgroup of version 1 or 2 that a command runs in.
type group struct {
	dir string
	v1  bool
}

// newGroup makes a cgroup of that many bytes. Without the rights for one the
// test says so and is skipped; in CI that is a failure.
func newGroup(t *testing.T, limit int64) *group {
	t.Helper()
	around, err := parents()
	errs := []error{err}
	for _, parent := range around {
		g, err := parent.child(limit)
		if err == nil {
			t.Cleanup(func() { require.NoError(t, os.Remove(g.dir)) })
			return g
		}
		errs = append(errs, err)
	}
	why := fmt.Sprintf("there are no rights for a memory cgroup here: %v", errors.Join(errs...))
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return nil
}

// parents are the groups that one may be made in: that of this process and
// those around it.
func parents() (all []group, err error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		root, ok := map[string]string{"memory": "/sys/fs/cgroup/memory", "": "/sys/fs/cgroup"}[f[1]]
		if !ok {
			continue
		}
		for name := filepath.Clean("/" + f[2]); ; name = filepath.Dir(name) {
			all = append(all, group{dir: filepath.Join(root, name), v1: f[1] == "memory"})
			if name == "/" {
				break
			}
		}
	}
	return all, nil
}

// child makes a group within g. Memory that could be swapped would not count,
// so that there is no swap where the system lets it be forbidden.
func (g group) child(limit int64) (*group, error) {
	if !g.v1 { // refused where it is on already, or not ours to give
		_ = os.WriteFile(filepath.Join(g.dir, "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	dir, err := os.MkdirTemp(g.dir, "lite-budget-")
	if err != nil {
		return nil, err
	}
	c := &group{dir: dir, v1: g.v1}
	name, swap, most := "memory.max", "memory.swap.max", "0"
	if c.v1 {
		name, swap, most = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", strconv.FormatInt(limit, 10)
	}
	err = c.write(name, strconv.FormatInt(limit, 10))
	if serr := c.write(swap, most); err == nil && !errors.Is(serr, fs.ErrNotExist) {
		err = serr
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return c, nil
}

// write sets one of the group's files, which must be there.
func (g *group) write(name, value string) error {
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// number reads a number of the group: a file's only one, or that of a key.
func (g *group) number(t *testing.T, name, key string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("%s has no %q", name, key)
	return 0
}

// hits is how often the limit was reached, and kills how many processes were
// killed for it.
func (g *group) hits(t *testing.T) (hits, kills int64) {
	t.Helper()
	if g.v1 {
		return g.number(t, "memory.failcnt", ""), g.number(t, "memory.oom_control", "oom_kill ")
	}
	return g.number(t, "memory.events", "max "), g.number(t, "memory.events", "oom_kill ")
}

// peak is the most memory that was charged to the group; false where the kernel
// does not say, which is version 2 before Linux 5.19.
func (g *group) peak(t *testing.T) (int64, bool) {
	t.Helper()
	if g.v1 {
		return g.number(t, "memory.max_usage_in_bytes", ""), true
	}
	if _, err := os.Stat(filepath.Join(g.dir, "memory.peak")); err != nil {
		return 0, false
	}
	return g.number(t, "memory.peak", ""), true
}

// run runs a command, in the group unless that is nil. It returns what was
// written to both outputs, and the kernel's count of the peak RSS. That begins with
// the peak of the process that starts another, which is made small first; where it is
// larger all the same, the count is its own and returned as 0.
func (g *group) run(t *testing.T, path string, args ...string) (stdout, stderr []byte, peak int64, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	if g != nil {
		// The shell moves itself, so that nothing is charged elsewhere.
		join := append([]string{"-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, g.dir, path}, args...)
		cmd = exec.CommandContext(t.Context(), "/bin/sh", join...)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // sets the peak back, where the kernel can
	own := memory.PeakRSS()
	err = cmd.Run()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10
	}
	if peak <= max(own, memory.PeakRSS()) {
		peak = 0
	}
	return out.Bytes(), errs.Bytes(), peak, err
}
