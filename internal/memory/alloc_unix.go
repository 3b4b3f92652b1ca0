//go:build unix

package memory

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Alloc returns n zero bytes outside the Go heap, at a page boundary. The
// garbage collector neither scans nor counts them, and Free gives them back to
// the system at once.
func Alloc(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes: %w", n, err)
	}
	return b, nil
}

// Free gives back what Alloc returned, whole.
func Free(b []byte) error { return unix.Munmap(b) }
