// Package memory holds bytes outside the Go heap and knows how many this
// process may use: of the machine, and of the cgroups that it runs in. It
// stands under the parameter's road: the slots of experts, the trunk and the
// pages of keys and values are its bytes, and the cap on the process is the
// number that it finds.
package memory

import (
	"fmt"
	"sync/atomic"
)

// inUse is the bytes that Alloc gave out and Free has not taken back.
var inUse atomic.Int64

// InUse is the bytes outside the heap that this process holds now, across all
// of its models. A test compares it before and after to find what leaks.
func InUse() int64 { return inUse.Load() }

// AllocError says that the system gave no memory. The process is at a limit
// that --memory did not know of.
type AllocError struct {
	Bytes int
	Err   error
}

// Error implements error.
func (e *AllocError) Error() string {
	return fmt.Sprintf("allocating %d bytes outside the heap: %v; give a smaller --memory", e.Bytes, e.Err)
}

// Unwrap returns the system's error.
func (e *AllocError) Unwrap() error { return e.Err }

// Alloc returns n > 0 zero bytes outside the Go heap, at a page boundary. The
// garbage collector neither scans nor counts them, and Free gives them back to
// the system at once. The error is an *AllocError.
func Alloc(n int) ([]byte, error) {
	b, err := alloc(n)
	if err != nil {
		return nil, &AllocError{Bytes: n, Err: err}
	}
	advise(b)
	inUse.Add(int64(n))
	return b, nil
}

// AllocSmall is Alloc in pages of the system's own size, for what will be
// resized, or freed before its neighbours. Pieces that adjoin share a huge page;
// of one that is given back in part the kernel keeps all, and charges it to the
// cgroup, until memory is short: 40 MiB of slots in 1.3 GiB where that was seen.
func AllocSmall(n int) ([]byte, error) {
	b, err := alloc(n)
	if err != nil {
		return nil, &AllocError{Bytes: n, Err: err}
	}
	adviseSmall(b)
	inUse.Add(int64(n))
	return b, nil
}

// Free gives back what Alloc, AllocSmall or Resize returned, whole: neither a part of it
// nor the same bytes twice, which is an error of the system. Nothing is freed
// when b is nil.
func Free(b []byte) error {
	if b == nil {
		return nil
	}
	n := len(b)
	if err := free(b); err != nil {
		return fmt.Errorf("freeing %d bytes outside the heap: %w", n, err)
	}
	inUse.Add(-int64(n))
	return nil
}

// Resize makes b, which AllocSmall or Resize returned, n > 0 bytes long. Its bytes
// are undefined afterwards, and b itself is gone; on an *AllocError b is as it
// was. It exists because the first touch of a page is dear, 0.27 ms for 640 KiB
// where this was measured: where the system can, Resize keeps the pages there
// are and takes a tenth of that.
func Resize(b []byte, n int) ([]byte, error) {
	old := len(b)
	r, err := resize(b, n)
	if err != nil {
		return nil, &AllocError{Bytes: n, Err: err}
	}
	inUse.Add(int64(n - old))
	return r, nil
}
