//go:build unix

package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// A lock is flock's: of the open file, so that it ends with the process,
// however that ends.

// lockNow takes the lock of a file, or fails at once when somebody holds it.
func lockNow(f *os.File) error { return flock(f, unix.LOCK_EX|unix.LOCK_NB) }

// lockWait takes the lock of a file and waits for it.
func lockWait(f *os.File) error { return flock(f, unix.LOCK_EX) }

// free is the bytes that a directory's file system has free for who asks.
func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:gosec,unconvert // the types differ between systems
}

func unlock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}
