package main

import (
	"bytes"
	"context"
	"errors"
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
		return g, fmt.Errorf("a cgroup is needed, and root's rights to make one: %w", err)
	}
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0); err != nil {
		return g, errors.Join(fmt.Errorf("limiting a cgroup: %w", err), g.close())
	}
	return g, nil
}

// command runs a program in the group. What it printed and its complaints are one.
func (g *group) command(ctx context.Context, name string, args ...string) ([]byte, error) {
	script := `echo $$ > "$0" && exec "$@" 2>&1`
	out, err := command(ctx, ".", "bash", append([]string{"-c", script, filepath.Join(g.dir, "cgroup.procs"), name}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("%s in a cgroup of %d bytes: %w: %s", filepath.Base(name), g.limit, errors.Unwrap(err), bytes.TrimSpace(out))
	}
	return out, nil
}

// unhurt returns an error when the limit was reached.
func (g *group) unhurt() error {
	n, err := g.reached()
	if err == nil && n > 0 {
		err = fmt.Errorf("the limit of %d bytes was reached %d times", g.limit, n)
	}
	return err
}

// reached is how often the limit was.
func (g *group) reached() (int64, error) {
	file, key := "memory.failcnt", ""
	if g.v2 {
		file, key = "memory.events", "max"
	}
	return g.count(file, key)
}

// peak is the most memory that was charged, in bytes.
func (g *group) peak() (int64, error) {
	if g.v2 {
		return g.count("memory.peak", "")
	}
	return g.count("memory.max_usage_in_bytes", "")
}

func (g *group) count(file, key string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0, fmt.Errorf("what the kernel counted: %w", err)
	}
	return counted(string(b), key)
}

// counted is the number of a file of a cgroup: its only one, or that in the line
// of a key.
func counted(content, key string) (int64, error) {
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if key == "" && len(fields) == 1 || key != "" && len(fields) == 2 && fields[0] == key {
			return strconv.ParseInt(fields[len(fields)-1], 10, 64)
		}
	}
	return 0, fmt.Errorf("no number %q in %q", key, content)
}

// close removes the group, whose programs have ended.
func (g *group) close() error {
	if err := os.Remove(g.dir); err != nil {
		return fmt.Errorf("removing a cgroup: %w", err)
	}
	return nil
}
