package pack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lite-llm/lite/internal/base"
)

// Partial is what a pack's directory is called while it is written.
const Partial = ".partial"

// Dir is a Sink that writes a directory. It writes DIR.partial and renames it at
// the end, so that DIR is a whole pack whenever it is there.
type Dir struct {
	path    string // of the finished pack
	journal *os.File
	done    map[string]entry
}

// NewDir returns a sink for a directory that does not exist. The error is an
// *ExistsError when there is something at path.
func NewDir(path string) (*Dir, error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, err
		}
		return nil, &ExistsError{Path: path}
	}
	return &Dir{path: path}, nil
}

func (d *Dir) partial() string { return d.path + Partial }

// Begin implements Sink.
func (d *Dir) Begin(_ context.Context, identity Hash, left int64) error {
	b, err := d.open()
	if err != nil {
		return err
	}
	entries, whole, ours := readJournal(b, identity)
	if !ours {
		return &ExistsError{Path: d.journal.Name()}
	}
	if err := os.Mkdir(d.partial(), 0o777); errors.Is(err, fs.ErrExist) { //nolint:gosec // the umask decides, as for any tool's results
		if len(b) == 0 {
			// Somebody's directory only happens to have this name.
			return errors.Join(&ExistsError{Path: d.partial()}, os.Remove(d.journal.Name()))
		}
	} else if err != nil {
		return d.full(err, left)
	}
	if entries == nil {
		if whole, err = d.restart(identity); err != nil {
			return err
		}
	}
	if err := d.journal.Truncate(whole); err != nil {
		return err
	}
	if _, err := d.journal.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	d.keep(entries)
	for _, e := range d.done {
		left -= e.size
	}
	if free, ok := freeBytes(d.partial()); ok && free < left {
		return &SpaceError{Path: d.path, Need: base.ByteSize(left), Have: base.ByteSize(free)}
	}
	return nil
}

// open opens the journal, which stands beside the directory, takes its lock and
// returns what is in it.
func (d *Dir) open() ([]byte, error) {
	var err error
	if d.journal, err = os.OpenFile(d.partial()+journalSuffix, os.O_RDWR|os.O_CREATE, 0o666); err != nil { //nolint:gosec // as above
		return nil, d.full(err, 0)
	}
	if err := lockFile(d.journal); err != nil {
		if errors.Is(err, errLocked) {
			err = &BusyError{Path: d.partial()}
		}
		return nil, err
	}
	return io.ReadAll(d.journal)
}

// restart removes what a writer of another pack left, and begins the journal.
func (d *Dir) restart(identity Hash) (int64, error) {
	if err := errors.Join(os.RemoveAll(d.partial()), os.Mkdir(d.partial(), 0o777)); err != nil { //nolint:gosec // as above
		return 0, err
	}
	head := journalHead(identity)
	if err := d.journal.Truncate(0); err != nil {
		return 0, err
	}
	if _, err := d.journal.WriteAt(head, 0); err != nil {
		return 0, d.full(err, 0)
	}
	return int64(len(head)), errors.Join(d.journal.Sync(), syncDir(d.partial()), syncDir(filepath.Dir(d.path)))
}

// keep takes over the finished objects that are still there as they were.
func (d *Dir) keep(entries map[string]entry) {
	d.done = map[string]entry{}
	for name, e := range entries {
		info, err := os.Lstat(d.file(name))
		if err == nil && info.Mode().IsRegular() && info.Size() == e.size {
			d.done[name] = e
		}
	}
}

func (d *Dir) file(name string) string {
	return filepath.Join(d.partial(), filepath.FromSlash(name))
}

// Done implements Sink.
func (d *Dir) Done(name string) ([]byte, bool) {
	e, ok := d.done[name]
	return e.note, ok
}

// full turns the system's error for a full disk into ours.
func (d *Dir) full(err error, left int64) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &SpaceError{Path: d.path, Need: base.ByteSize(left), Have: -1}
	}
	return err
}

// dirFile is a file of a pack that is being written.
type dirFile struct {
	d    *Dir
	f    *os.File
	w    *bufio.Writer
	name string
	size int64
}

// Create implements Sink.
func (d *Dir) Create(_ context.Context, name string, _ int64) (SinkFile, error) {
	path := d.file(name)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // the umask decides
		return nil, d.full(err, 0)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) //nolint:gosec // as above
	if err != nil {
		return nil, d.full(err, 0)
	}
	return &dirFile{d: d, f: f, w: bufio.NewWriterSize(f, 1<<20), name: name}, nil
}

// Write implements io.Writer.
func (f *dirFile) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.size += int64(n)
	return n, f.d.full(err, 0)
}

// Commit implements SinkFile: the bytes first, then the name, then the journal,
// so that what the journal has is there. A failed sync is not tried again: the
// system may have dropped the pages.
func (f *dirFile) Commit(note []byte) error {
	err := f.w.Flush()
	if err == nil {
		err = f.f.Sync()
	}
	err = errors.Join(err, f.f.Close())
	f.f = nil
	if err == nil {
		for dir := filepath.Dir(f.d.file(f.name)); err == nil && len(dir) >= len(f.d.partial()); dir = filepath.Dir(dir) {
			err = syncDir(dir)
		}
	}
	if err == nil {
		e := entry{f.size, note}
		if _, err = f.d.journal.Write(journalLine(f.name, e)); err == nil {
			err = f.d.journal.Sync()
		}
		f.d.done[f.name] = e
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.d.file(f.name), f.d.full(err, 0))
	}
	return nil
}

// Abort implements SinkFile.
func (f *dirFile) Abort() {
	if f.f != nil {
		_ = f.f.Close() // what it holds is written again
		_ = os.Remove(f.f.Name())
		f.f = nil
	}
}

// Finish implements Sink. A writer that is killed after the rename leaves a
// journal of nothing behind.
func (d *Dir) Finish(context.Context) error {
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		return &ExistsError{Path: d.path}
	}
	if err := os.Rename(d.partial(), d.path); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(d.path)), os.Remove(d.journal.Name()))
}

// Close implements Sink.
func (d *Dir) Close() error {
	if d.journal == nil {
		return nil
	}
	err := d.journal.Close()
	d.journal = nil
	return err
}
