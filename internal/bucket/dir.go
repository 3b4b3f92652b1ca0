package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Dir is the bucket of a plain directory: a mounted share, or a test. Nothing
// outside of it is reached, not by symbolic links either.
type Dir struct {
	name string
	root *os.Root
}

// OpenDir opens a directory as a bucket. Close gives it back.
func OpenDir(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Dir{"dir:" + dir, root}, nil
}

// Close closes the directory. Reads that have begun go on.
func (d *Dir) Close() error { return d.root.Close() }

// Name implements Bucket.
func (d *Dir) Name() string { return d.name }

// fail makes an error of the system an *Error. What a disk says about an input
// or output error may pass.
func (d *Dir) fail(op, key string, err error) error {
	if errors.Is(err, syscall.EIO) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ESTALE) {
		err = fmt.Errorf("%w: %w", ErrFault, err)
	}
	if errors.Is(err, syscall.ENOTDIR) { // there are no directories among keys
		err = fs.ErrNotExist
	}
	return &Error{Op: op, Bucket: d.name, Key: key, Err: err}
}

// Stat implements Bucket.
func (d *Dir) Stat(ctx context.Context, key string) (Object, error) {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return Object{}, err
	}
	info, err := d.root.Stat(key)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		return Object{}, d.fail("look at", key, err)
	}
	return object(key, info), nil
}

// object describes a file. Its version is what a writer cannot help changing.
func object(key string, info fs.FileInfo) Object {
	return Object{Key: key, Size: info.Size(), Version: fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())}
}

// Get implements Bucket.
func (d *Dir) Get(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, error) {
	if err := errors.Join(ctx.Err(), CheckKey(obj.Key), CheckRange(obj, off, n)); err != nil {
		return nil, err
	}
	f, err := d.root.Open(obj.Key)
	if err != nil {
		return nil, d.fail("read", obj.Key, err)
	}
	same := func() error {
		info, err := f.Stat()
		switch {
		case err != nil:
			return d.fail("read", obj.Key, err)
		case object(obj.Key, info) != obj:
			return d.fail("read", obj.Key, ErrChanged)
		}
		return nil
	}
	if err := same(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	body := struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, off, n), f}
	// A file that is written to while it is read has another time afterwards.
	return Exactly(body, n, func(_ string, err error) error { return d.fail("read", obj.Key, err) }, same), nil
}

// Put implements Sink: a file beside the place, synced, then renamed to it.
func (d *Dir) Put(ctx context.Context, key string, body io.Reader, size int64) error {
	if err := errors.Join(ctx.Err(), CheckKey(key)); err != nil {
		return err
	}
	if err := d.put(ctx, key, body, size); err != nil {
		return d.fail("write", key, err)
	}
	return nil
}

// partSuffix ends the name of a file that is being written.
const partSuffix = ".part"

func (d *Dir) put(ctx context.Context, key string, body io.Reader, size int64) (err error) {
	if dir := path.Dir(key); dir != "." {
		if err := d.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	part := key + partSuffix
	f, err := d.root.Create(part)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.root.Remove(part))
		}
	}()
	n, err := io.Copy(f, io.LimitReader(body, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came, of %d", n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), ctx.Err()); err != nil {
		return err
	}
	return d.root.Rename(part, key)
}

// List implements Sink.
func (d *Dir) List(ctx context.Context, prefix string, yield func(Object) bool) error {
	// The walk is in lexical order of each directory, which is that of the keys
	// but where one name is the beginning of another: then it does not matter.
	err := fs.WalkDir(d.root.FS(), ".", func(key string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || e.IsDir() || !strings.HasPrefix(key, prefix) || strings.HasSuffix(key, partSuffix) {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !yield(object(key, info)) {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return d.fail("list", prefix, err)
	}
	return nil
}

// Remove implements Sink.
func (d *Dir) Remove(_ context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.fail("remove", key, err)
	}
	return nil
}
