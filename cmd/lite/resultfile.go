package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// resultFile is a file that a command writes: there in whole, or, when the
// command fails, not made at all. A file that stood there before is kept until
// the first result comes.
type resultFile struct {
	f    *os.File
	w    *bufio.Writer
	made bool // it was not there before
	used bool
}

// createResult makes sure that a file can be written. No name gives nil.
func createResult(name string) (*resultFile, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // no file is wanted
	}
	_, err := os.Stat(name)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666) //nolint:gosec // the umask decides, as for any tool's results
	if err != nil {
		return nil, fmt.Errorf("creating a file of results: %w", err)
	}
	return &resultFile{f: f, w: bufio.NewWriterSize(f, 1<<16), made: made}, nil
}

// Write implements io.Writer.
func (r *resultFile) Write(p []byte) (int, error) {
	if !r.used {
		r.used = true
		if info, err := r.f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := r.f.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return r.w.Write(p)
}

// close ends the file of a command whose error so far is err, and returns what
// went wrong in all.
func (r *resultFile) close(err error) error {
	if r == nil {
		return err
	}
	if err == nil {
		err = r.w.Flush()
	}
	err = errors.Join(err, r.f.Close())
	if err != nil && r.made {
		_ = os.Remove(r.f.Name()) // the error that is reported came first
	}
	return err
}
