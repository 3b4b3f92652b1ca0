package pack_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/vfs"
)

// failing is a bucket of which one operation fails, which never gives a part of an
// object away.
type failing struct {
	bucket.Sink
	ops, at int
	puts    []string
}

var errBucket = errors.New("the bucket is broken")

func (f *failing) op() error {
	f.ops++
	if f.ops-1 == f.at {
		return errBucket
	}
	return nil
}

func (f *failing) Stat(ctx context.Context, key string) (bucket.Object, error) {
	if err := f.op(); err != nil {
		return bucket.Object{}, err
	}
	return f.Sink.Stat(ctx, key)
}

func (f *failing) Put(ctx context.Context, key string, body io.Reader, size int64) error {
	if err := f.op(); err != nil {
		return err
	}
	f.puts = append(f.puts, key)
	return f.Sink.Put(ctx, key, body, size)
}

func (f *failing) Remove(ctx context.Context, key string) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.Sink.Remove(ctx, key)
}

func (f *failing) List(ctx context.Context, prefix string, yield func(bucket.Object) bool) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.Sink.List(ctx, prefix, yield)
}

// bucketAt is a bucket in a directory.
func bucketAt(t *testing.T, root string) *bucket.Dir {
	t.Helper()
	b, err := bucket.OpenDir(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// TestBucket writes the same objects as into a directory, below a prefix and
// without one, lets each operation fail, and goes on without writing again what was
// finished; a pack is there when its manifest is.
func TestBucket(t *testing.T) {
	j := resumed(t)
	j.ShardBytes = 0
	want := write(t, j)
	for _, prefix := range []string{"", "models/a"} {
		whole := &failing{Sink: bucketAt(t, t.TempDir()), at: -1}
		_, err := pack.Write(context.Background(), pack.NewBucket(whole, prefix), j)
		require.NoError(t, err)
		for i := 0; i < whole.ops; i += 1 + i%7 {
			root := t.TempDir()
			b := &failing{Sink: bucketAt(t, root), at: i}
			_, err := pack.Write(context.Background(), pack.NewBucket(b, prefix), j)
			require.ErrorIs(t, err, errBucket, "operation %d", i)
			there := pack.Is(vfs.OS{}, filepath.Join(root, prefix))
			before := len(b.puts)
			_, err = pack.Write(context.Background(), pack.NewBucket(b, prefix), j)
			if there { // only notes were left to be removed
				var exists *pack.ExistsError
				require.ErrorAs(t, err, &exists)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want, tree(t, filepath.Join(root, prefix)))
			require.LessOrEqual(t, len(b.puts), len(whole.puts)+3, "what was finished is not sent again: %d before", before)
		}
	}
}

// TestSomebodysBucket is not written to where there is anything, and what is not of
// a pack is not removed.
func TestSomebodysBucket(t *testing.T) {
	root := t.TempDir()
	b := bucketAt(t, root)
	ctx := context.Background()
	mine := filepath.Join(root, "p", "thesis.txt")
	require.NoError(t, os.Mkdir(filepath.Join(root, "p"), 0o700))
	require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))
	_, err := pack.Write(ctx, pack.NewBucket(b, "p"), resumed(t))
	var exists *pack.ExistsError
	require.ErrorAs(t, err, &exists)

	require.NoError(t, os.Rename(mine, filepath.Join(root, "thesis.txt")))
	require.NoError(t, os.Remove(filepath.Join(root, "p")))
	interrupted := &failing{Sink: b, at: 20}
	_, err = pack.Write(ctx, pack.NewBucket(interrupted, "p"), resumed(t))
	require.ErrorIs(t, err, errBucket)
	require.NoError(t, os.Rename(filepath.Join(root, "thesis.txt"), mine))
	other := resumed(t)
	other.ShardBytes = 1
	_, err = pack.Write(ctx, pack.NewBucket(b, "p"), other)
	require.NoError(t, err)
	require.FileExists(t, mine)
	require.NoError(t, os.Remove(mine))
	require.Equal(t, write(t, other), tree(t, filepath.Join(root, "p")), "nothing is left of the other pack")
	_, err = pack.Write(ctx, pack.NewBucket(b, "p"), other)
	require.ErrorAs(t, err, &exists)
}
