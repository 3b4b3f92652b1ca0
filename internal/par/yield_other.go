//go:build !linux

package par

import "runtime"

// yield lets another goroutine run.
func yield() { runtime.Gosched() }
