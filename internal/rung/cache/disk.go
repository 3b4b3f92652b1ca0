package cache

import (
	"io/fs"
	"os"
	"time"
)

// disk is the cache directory as the cache uses it, so that a test can stand in
// for one that fails. Names are relative to it.
type disk interface {
	entries
	// State opens the file of the directory's lock, or makes it.
	State(name string) (stateFile, error)
	// Free is the bytes that are free.
	Free() (int64, error)
	// Abandoned says that nobody holds the lock of a file that Create made.
	Abandoned(name string) bool
}

// entries are the files of a disk.
type entries interface {
	// Open opens an entry for reading.
	Open(name string) (readFile, error)
	// Create makes a file that is not there yet, of size bytes that are zero,
	// and locks it: who finds it unlocked knows that its writer is gone.
	Create(name string, size int64) (writeFile, error)
	Rename(from, to string) error
	Remove(name string) error
	Mkdir(name string) error
	// Walk yields every file below a directory.
	Walk(yield func(name string, info fs.FileInfo) error) error
	// Touch sets the time that a file was last used.
	Touch(name string, at time.Time) error
}

type readFile interface {
	ReadAt(p []byte, off int64) (int, error)
	Stat() (fs.FileInfo, error)
	// Drop takes what was read or written out of the page cache.
	Drop() error
	Close() error
}

type writeFile interface {
	WriteAt(p []byte, off int64) (int, error)
	Drop() error
	Close() error
}

// osFile is a file that can leave the page cache.
type osFile struct{ *os.File }

// Drop implements readFile and writeFile. Pages leave when they are on the disk.
func (f osFile) Drop() error { return drop(f.File) }

// osDisk is a directory of the system.
type osDisk struct{ root *os.Root }

// Open implements disk.
func (d osDisk) Open(name string) (readFile, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Create implements disk.
func (d osDisk) Create(name string, size int64) (writeFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err = lockNow(f); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		_ = f.Close()
		_ = d.root.Remove(name)
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements disk.
func (d osDisk) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements disk.
func (d osDisk) Remove(name string) error { return d.root.Remove(name) }

// Mkdir implements disk.
func (d osDisk) Mkdir(name string) error { return d.root.MkdirAll(name, 0o700) }

// Touch implements disk.
func (d osDisk) Touch(name string, at time.Time) error { return d.root.Chtimes(name, at, at) }

// Walk implements disk. What others remove meanwhile is not there.
func (d osDisk) Walk(yield func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return skipGone(err)
		}
		info, err := e.Info()
		if err != nil {
			return skipGone(err)
		}
		return yield(name, info)
	})
}

func skipGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// Abandoned implements disk.
func (d osDisk) Abandoned(name string) bool {
	f, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // nothing was written
	return lockNow(f) == nil
}

// Free implements disk.
func (d osDisk) Free() (int64, error) { return free(d.root.Name()) }

// State implements disk.
func (d osDisk) State(name string) (stateFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osState{osFile{f}}, nil
}

// osState is a file with a lock.
type osState struct{ osFile }

// Lock implements stateFile.
func (f osState) Lock() error { return lockWait(f.File) }

// Unlock implements stateFile.
func (f osState) Unlock() error { return unlock(f.File) }
