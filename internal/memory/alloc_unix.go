//go:build unix

package memory

import "golang.org/x/sys/unix"

// alloc maps anonymous memory.
func alloc(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// free unmaps what alloc mapped.
func free(b []byte) error { return unix.Munmap(b) }
