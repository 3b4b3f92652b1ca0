//go:build !amd64 || purego

package kernel

func best() Impl { return Reference }
