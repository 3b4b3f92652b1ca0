//go:build !unix

package pack

import (
	"errors"
	"os"
)

// errLocked is returned by lockFile when another process has the lock.
var errLocked = errors.New("locked")

// lockFile does nothing where there are no such locks.
func lockFile(*os.File) error { return nil }

// freeBytes is not known.
func freeBytes(string) (int64, bool) { return 0, false }

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }
