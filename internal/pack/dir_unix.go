//go:build unix

package pack

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked is returned by lockFile when another process has the lock.
var errLocked = errors.New("locked")

// lockFile takes a lock that ends with the process, however it ends.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// freeBytes is the room that is left where path is.
func freeBytes(path string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:gosec,unconvert // types differ between systems
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	f, err := os.Open(path) //nolint:gosec // a directory of the pack
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
