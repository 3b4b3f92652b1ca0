//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

// best is the fastest implementation that runs here. F16C came with the first
// AVX processors, before AVX2, and golang.org/x/sys/cpu has no flag for it.
func best() Impl {
	if cpu.X86.HasAVX2 {
		return AVX2
	}
	return Reference
}
