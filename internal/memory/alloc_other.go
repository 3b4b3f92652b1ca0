//go:build !unix

package memory

// Alloc returns n zero bytes. This system has no anonymous mappings for Go
// without cgo, so they are on the heap.
func Alloc(n int) ([]byte, error) { return make([]byte, n), nil }

// Free gives back what Alloc returned.
func Free([]byte) error { return nil }
