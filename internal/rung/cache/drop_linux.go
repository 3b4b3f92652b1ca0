package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// drop takes a file out of the page cache, after what was written is on the disk.
func drop(f *os.File) error {
	fd := int(f.Fd())
	if err := unix.Fdatasync(fd); err != nil {
		return err
	}
	return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
}
