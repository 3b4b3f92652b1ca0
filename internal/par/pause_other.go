//go:build !amd64 || purego

package par

import "runtime"

// pause lets other goroutines run: there is no portable spin instruction.
func pause() { runtime.Gosched() }
