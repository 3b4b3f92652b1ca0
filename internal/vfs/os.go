package vfs

import (
	"io/fs"
	"os"
)

// OS is the operating system's file system. Names are its paths.
type OS struct{}

// osFile adds the size at opening to an os.File, whose other methods are what
// File asks for.
type osFile struct {
	*os.File
	size int64
}

// Size implements File.
func (f *osFile) Size() int64 { return f.size }

// Open implements FS.
func (OS) Open(name string) (File, error) {
	f, err := openRegular(name, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openRegular opens a regular file for reading with further flags. It looks
// before it opens, because opening a pipe waits for a writer.
func openRegular(name string, flags int) (*osFile, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrDirectory}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|flags, 0) //nolint:gosec // opening the caller's file is the purpose
	if err != nil {
		return nil, err
	}
	// The size of what was opened counts, not of what the name was before.
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &osFile{f, info.Size()}, nil
}
