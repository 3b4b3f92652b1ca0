package lite

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/s3"
	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/tiny"
)

// credentials has the environment say who asks.
func credentials(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": s3test.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	} {
		t.Setenv(name, value)
	}
}

// upload puts a file, or all files of a directory, into the server's bucket.
func upload(t *testing.T, srv *s3test.Server, from, key string) {
	t.Helper()
	b, err := s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.NoError(t, filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		require.NoError(t, err)
		name := key
		if rel != "." {
			name += "/" + filepath.ToSlash(rel)
		}
		f, err := os.Open(path)
		require.NoError(t, err)
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		require.NoError(t, err)
		return b.Put(context.Background(), name, f, info.Size())
	}))
}

// remoteModels are a GGUF file and a pack, and what they answer here.
func remoteModels(t *testing.T) map[string]string {
	t.Helper()
	gguf := filepath.Join(t.TempDir(), "model.gguf")
	require.NoError(t, os.WriteFile(gguf, sparse()[modeltest.Path], 0o600))
	return map[string]string{"model.gguf": gguf, "tiny.pack": packOf(t, tiny.Name, PackOptions{ShardBytes: 1 << 20})}
}

// TestRemote runs models that exist only in a bucket, twice. The answers are those
// of the local files, and the second run reads nothing from the bucket.
func TestRemote(t *testing.T) {
	srv := s3test.Start(t)
	credentials(t)
	for key, path := range remoteModels(t) {
		t.Run(key, func(t *testing.T) {
			want := answerOf(t, path, Options{})
			upload(t, srv, path, "a/"+key)
			storage := Storage{Endpoint: srv.URL, CacheDir: t.TempDir(), CacheBytes: 64 << 20}
			o := Options{Storage: storage}
			url := "s3://" + s3test.Name + "/a/" + key
			srv.Set(nil)
			require.Equal(t, want, answerOf(t, url, o))
			require.Positive(t, srv.Gets())
			srv.Set(nil)
			require.Equal(t, want, answerOf(t, url, o))
			require.Zero(t, srv.Gets(), srv.Seen())
			require.LessOrEqual(t, bytesIn(t, storage.CacheDir), storage.CacheBytes)

			if key == "model.gguf" {
				o.Storage.CacheDir = NoCacheDir
				require.Equal(t, want, answerOf(t, url, o))
				return
			}
			// Under the least memory, and with a cache that is too small.
			o.Storage.CacheDir, o.Storage.CacheBytes = t.TempDir(), 1<<20
			o = leastRemote(t, url, o)
			require.Equal(t, want, answerOf(t, url, o))
			require.LessOrEqual(t, bytesIn(t, o.Storage.CacheDir), o.Storage.CacheBytes)
		})
	}
}

// leastRemote are options under which a remote model thrashes.
func leastRemote(t *testing.T, url string, o Options) Options {
	t.Helper()
	o.Memory, o.Context, o.Chunk, o.Threads = 1, 512, 16, 1
	_, err := Open(url, o)
	var short *MemoryError
	require.ErrorAs(t, err, &short)
	o.Memory = short.Need
	return o
}

// bytesIn is what the files below dir take.
func bytesIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "usage" {
			return err
		}
		info, err := e.Info()
		require.NoError(t, err)
		n += (info.Size() + 4095) &^ 4095
		return nil
	}))
	return n
}

// TestRemoteDirectory runs models of a directory that is used like a bucket.
func TestRemoteDirectory(t *testing.T) {
	for key, path := range remoteModels(t) {
		t.Run(key, func(t *testing.T) {
			want := answerOf(t, path, Options{})
			o := Options{Storage: Storage{CacheDir: t.TempDir(), CacheBytes: 64 << 20}}
			require.Equal(t, want, answerOf(t, "dir:"+path, o))
			m, err := Open("dir:"+path, o)
			require.NoError(t, err)
			got, g := ask(m.NewSession(), question())
			require.NoError(t, g.Err())
			require.Equal(t, want, got)
			require.Zero(t, m.remote.object.Counts().Bytes)
			require.NoError(t, m.Close())
		})
	}
}

// TestRemoteErrors holds that what is wrong is said, by the right type and without
// secrets.
func TestRemoteErrors(t *testing.T) {
	srv := s3test.Start(t)
	credentials(t)
	path := remoteModels(t)["model.gguf"]
	upload(t, srv, path, "model.gguf")
	url := "s3://" + s3test.Name + "/model.gguf"
	o := Options{Storage: Storage{Endpoint: srv.URL, CacheDir: NoCacheDir}}
	for name, c := range map[string]struct {
		url    string
		change func(o *Options)
		fault  s3test.Fault
		want   func(err error) bool
	}{
		"not there":       {url: url + "x", want: is(fs.ErrNotExist)},
		"denied":          {url: url, fault: s3test.Denied, want: is(fs.ErrPermission)},
		"expired":         {url: url, fault: s3test.Expired, want: is(bucket.ErrRefused)},
		"no profile":      {url: url, change: func(o *Options) { o.Storage.Profile = "nobody" }, want: isA[*CredentialsError]},
		"endpoint":        {url: url, change: func(o *Options) { o.Storage.Endpoint = "http://a:b@c" }, want: isA[*EndpointError]},
		"direct reads":    {url: url, change: func(o *Options) { o.Direct = DirectAlways }, want: isA[*OptionError]},
		"bucket":          {url: "s3:///model.gguf", want: is(bucket.ErrKey)},
		"no directory":    {url: "dir:/nowhere/at/all.gguf", want: is(fs.ErrNotExist)},
		"cache is a file": {url: url, change: func(o *Options) { o.Storage.CacheDir = path }, want: isA[*fs.PathError]},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			if c.change != nil {
				c.change(&o)
			}
			srv.Set(func(int, *http.Request) s3test.Fault { return c.fault })
			_, err := Open(c.url, o)
			require.Error(t, err)
			require.True(t, c.want(err), "%v", err)
			for _, secret := range []string{s3test.SecretKey, s3test.AccessKey, "a:b"} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
