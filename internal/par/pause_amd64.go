//go:build amd64 && !purego

package par

// pause tells the processor that this is a spin loop, for some tens of cycles.
func pause()
