package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// group is a cgroup with a limit on memory, of version 1 or 2.
type group struct {
	dir   string
	limit int64
	v2    bool
}

// newGroup makes a cgroup, which takes the rights for it.
func newGroup(name string, limit int64) (group, error) {
	g := group{dir: filepath.Join("/sys/fs/cgroup/memory", name), limit: limit}
	file := "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		g.dir, g.v2, file = filepath.Join("/sys/fs/cgroup", name), true, "memory.max"
	}
	if err := os.MkdirAll(g.dir, 0o750); err != nil {
		return g, fmt.Errorf("a cgroup is needed: %w", err)
	}
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0); err != nil {
		return g, fmt.Errorf("limiting a cgroup: %w", err)
	}
	return g, nil
}

// command runs a program in the group.
func (g *group) command(ctx context.Context, name string, args ...string) ([]byte, error) {
	script := `echo $$ > "$0" && exec "$@" 2>&1`
	return command(ctx, ".", "bash", append([]string{"-c", script, filepath.Join(g.dir, "cgroup.procs"), name}, args...)...)
}

// unhurt returns an error when the limit was reached.
func (g *group) unhurt() error {
	file := "memory.failcnt"
	if g.v2 {
		file = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return fmt.Errorf("whether the limit was reached: %w", err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if n := strings.TrimPrefix(line, "max "); (!g.v2 || n != line) && n != "" && n != "0" {
			return fmt.Errorf("the limit of %d bytes was reached %s times", g.limit, n)
		}
	}
	return nil
}

// close removes the group, whose programs have ended.
func (g *group) close() error {
	if err := os.Remove(g.dir); err != nil {
		return fmt.Errorf("removing a cgroup: %w", err)
	}
	return nil
}
