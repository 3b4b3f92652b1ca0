package bucket_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket"
)

func openDir(t *testing.T) (d *bucket.Dir, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bucket")
	require.NoError(t, os.Mkdir(path, 0o700))
	d, err := bucket.OpenDir(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, path
}

func read(t *testing.T, d *bucket.Dir, obj bucket.Object, off, n int64) (string, error) {
	t.Helper()
	body, err := d.Get(context.Background(), obj, off, n)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(body)
	require.NoError(t, body.Close())
	return string(b), err
}

func TestDir(t *testing.T) {
	d, path := openDir(t)
	ctx := context.Background()
	require.NoError(t, d.Put(ctx, "a/b/c", strings.NewReader("0123456789"), 10))
	require.NoError(t, d.Put(ctx, "z", strings.NewReader(""), 0))
	obj, err := d.Stat(ctx, "a/b/c")
	require.NoError(t, err)
	require.Equal(t, int64(10), obj.Size)
	for _, c := range []struct {
		off, n int64
		want   string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {10, 0, ""}, {9, 1, "9"}} {
		got, err := read(t, d, obj, c.off, c.n)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err = read(t, d, obj, 9, 2)
	require.ErrorIs(t, err, bucket.ErrRange)

	var keys []string
	list := func(o bucket.Object) bool { keys = append(keys, o.Key); return true }
	require.NoError(t, d.List(ctx, "", list))
	require.Equal(t, []string{"a/b/c", "z"}, keys)
	require.NoError(t, d.Remove(ctx, "z"))
	require.NoError(t, d.Remove(ctx, "z"))
	_, err = d.Stat(ctx, "a/b/c/d")
	require.ErrorIs(t, err, fs.ErrNotExist, "a key is no directory")
	_, err = d.Stat(ctx, "z")
	require.ErrorIs(t, err, fs.ErrNotExist)

	for _, n := range []int64{9, 11} {
		require.Error(t, d.Put(ctx, "short", strings.NewReader("0123456789"), n), "what comes is not what was said")
	}
	broken := io.MultiReader(strings.NewReader("01"), failing{})
	require.ErrorIs(t, d.Put(ctx, "broken", broken, 10), errFailing)
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left of what was not written")
}

var errFailing = errors.New("it fails")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// TestDirChanges holds that a version is read, or none.
func TestDirChanges(t *testing.T) {
	d, path := openDir(t)
	file := filepath.Join(path, "a")
	require.NoError(t, os.WriteFile(file, []byte("0123456789"), 0o600))
	obj, err := d.Stat(context.Background(), "a")
	require.NoError(t, err)
	body, err := d.Get(context.Background(), obj, 0, 10)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
	_, err = io.ReadAll(body)
	require.ErrorIs(t, err, bucket.ErrChanged, "it was written to while it was read")
	require.NoError(t, body.Close())
	_, err = read(t, d, obj, 0, 10)
	require.ErrorIs(t, err, bucket.ErrChanged)
	obj, err = d.Stat(context.Background(), "a")
	require.NoError(t, err)
	require.NoError(t, os.Truncate(file, 5))
	_, err = read(t, d, obj, 0, 10)
	require.ErrorIs(t, err, bucket.ErrChanged)
	require.NoError(t, os.Remove(file))
	_, err = read(t, d, obj, 0, 10)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestDirIsAll holds that nothing outside of the directory is reached.
func TestDirIsAll(t *testing.T) {
	d, path := openDir(t)
	secret := filepath.Join(filepath.Dir(path), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("0"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(path, "link")))
	require.NoError(t, os.Symlink(filepath.Dir(path), filepath.Join(path, "up")))
	for _, key := range []string{"../secret", "/etc/passwd", "link", "up/secret", "a/../../secret", "", "a//b", ".", "a\x00", strings.Repeat("a", 2000)} {
		_, err := d.Stat(context.Background(), key)
		require.Error(t, err, key)
		_, err = read(t, d, bucket.Object{Key: key, Size: 1}, 0, 1)
		require.Error(t, err, key)
		require.Error(t, d.Put(context.Background(), "up/"+key, strings.NewReader(""), 0), key)
	}
}
