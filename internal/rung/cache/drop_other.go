//go:build !linux

package cache

import "os"

// drop leaves it to the system what it keeps.
func drop(*os.File) error { return nil }
