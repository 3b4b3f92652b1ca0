package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// readAhead is the setting of a disk, in KiB: how far a mapped file's pages are read
// ahead of a fault. It matters to llama.cpp by a factor of ten.
type readAhead struct {
	file  string
	found string // its content
}

// tuned is the read-ahead that llama.cpp was fastest with.
const tuned = "128"

// readAheadOf finds the setting of the disk that path is on.
func readAheadOf(ctx context.Context, path string) (readAhead, error) {
	out, err := command(ctx, ".", "df", "--output=source", path)
	if err != nil {
		return readAhead{}, err
	}
	lines := strings.Fields(string(out))
	device := filepath.Join("/sys/class/block", filepath.Base(lines[len(lines)-1]))
	for _, queue := range []string{"queue", "../queue"} { // a disk, or a partition of one
		name := device + "/" + queue + "/read_ahead_kb"
		b, err := os.ReadFile(name)
		if err == nil {
			return readAhead{name, strings.TrimSpace(string(b))}, nil
		}
	}
	return readAhead{}, fmt.Errorf("%s is not on a disk", path)
}

// with runs f with another setting.
func (r readAhead) with(kib string, f func() error) (err error) {
	if kib == r.found {
		return f()
	}
	if err := os.WriteFile(r.file, []byte(kib), 0); err != nil {
		return fmt.Errorf("setting the read-ahead: %w", err)
	}
	defer func() { err = errors.Join(err, os.WriteFile(r.file, []byte(r.found), 0)) }()
	return f()
}

// dropCaches leaves nothing of any file in memory.
func dropCaches(ctx context.Context) error {
	if _, err := command(ctx, ".", "sync"); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("emptying the page cache: %w", err)
	}
	return nil
}
