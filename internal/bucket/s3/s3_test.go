package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/s3"
	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
	"github.com/lite-llm/lite/internal/bucket/steady"
)

// credentials puts the server's into variables and names them.
func credentials(t *testing.T) s3.Credentials {
	t.Setenv("LITE_TEST_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("LITE_TEST_SECRET_ACCESS_KEY", s3test.SecretKey)
	return s3.Credentials{Env: "LITE_TEST"}
}

func open(t *testing.T, srv *s3test.Server) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL, Credentials: credentials(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// eager is a clock on which pauses end at once, and stalls as soon as the proxy
// holds a request.
type eager struct {
	mu      sync.Mutex
	now     time.Duration
	holding bool
	alarms  map[chan struct{}]bool
}

func (e *eager) Now() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

func (e *eager) After(d time.Duration) (<-chan struct{}, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := make(chan struct{})
	if e.holding || d < time.Second {
		e.now += d
		close(ch)
		return ch, func() {}
	}
	e.alarms[ch] = true
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.alarms, ch)
	}
}

func (e *eager) hold(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holding = on
	if on {
		e.now += time.Hour
		for ch := range e.alarms {
			close(ch)
			delete(e.alarms, ch)
		}
	}
}

// calm lets time go on as usual when the request that was held has ended, before
// anybody learns of that.
type calm struct {
	bucket.Bucket
	clock *eager
}

func (c calm) Get(ctx context.Context, obj bucket.Object, off, n int64) (io.ReadCloser, error) {
	body, err := c.Bucket.Get(ctx, obj, off, n)
	if err != nil {
		c.clock.hold(false)
		return nil, err
	}
	return calmBody{body, c.clock}, nil
}

type calmBody struct {
	io.ReadCloser
	clock *eager
}

func (c calmBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil {
		c.clock.hold(false)
	}
	return n, err
}

func (c calmBody) Close() error {
	c.clock.hold(false) // it may have been given up before it was read
	return c.ReadCloser.Close()
}

func patient(srv *s3test.Server, b bucket.Bucket) *steady.Bucket {
	clock := &eager{alarms: map[chan struct{}]bool{}}
	srv.OnHold(func() { clock.hold(true) })
	return steady.New(calm{b, clock}, steady.Options{Clock: clock, Rand: func() float64 { return 0.1 }, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Late: -1})
}

func TestRoundTrip(t *testing.T) {
	srv := s3test.Start(t)
	b, ctx := open(t, srv), context.Background()
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	require.NoError(t, b.Put(ctx, "a/b.gguf", bytes.NewReader(data), int64(len(data))))
	require.NoError(t, b.Put(ctx, "a/c", bytes.NewReader(nil), 0))
	obj, err := b.Stat(ctx, "a/b.gguf")
	require.NoError(t, err)
	require.Equal(t, int64(len(data)), obj.Size)
	require.NotEmpty(t, obj.Version)
	srv.Set(func(_ int, r *http.Request) s3test.Fault {
		if r.Header.Get("If-Match") != `"`+obj.Version+`"` {
			return s3test.Denied // the store is to be asked for this version
		}
		return s3test.None
	})
	for _, at := range [][2]int64{{0, 1}, {0, obj.Size}, {obj.Size - 1, 1}, {12345, 54321}, {7, 0}} {
		body, err := b.Get(ctx, obj, at[0], at[1])
		require.NoError(t, err)
		got, err := io.ReadAll(body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[at[0]:at[0]+at[1]], got))
		require.NoError(t, body.Close())
	}
	srv.Set(nil)
	_, err = b.Get(ctx, obj, obj.Size, 1)
	require.ErrorIs(t, err, bucket.ErrRange)
	_, err = b.Stat(ctx, "a/d")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = b.Stat(ctx, "../a")
	require.ErrorIs(t, err, bucket.ErrKey)
	var keys []string
	list := func(o bucket.Object) bool { keys = append(keys, o.Key); return true }
	require.NoError(t, b.List(ctx, "a/", list))
	require.Equal(t, []string{"a/b.gguf", "a/c"}, keys)
	require.NoError(t, b.Remove(ctx, "a/c"))
	require.NoError(t, b.Remove(ctx, "a/c"))

	// Another version is another object.
	require.NoError(t, b.Put(ctx, "a/b.gguf", bytes.NewReader(data[1:]), obj.Size-1))
	_, err = b.Get(ctx, obj, 0, 10)
	require.ErrorIs(t, err, bucket.ErrChanged)
}

// TestWritesGoOn holds that an object is stored although the store stumbles, in
// whole.
func TestWritesGoOn(t *testing.T) {
	srv := s3test.Start(t)
	b, ctx := open(t, srv), context.Background()
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	for _, fault := range []s3test.Fault{s3test.Unavailable, s3test.SlowDown, s3test.Internal, s3test.Reset} {
		srv.Set(func(i int, _ *http.Request) s3test.Fault {
			if i < 3 {
				return fault
			}
			return s3test.None
		})
		require.NoError(t, b.Put(ctx, "a", bytes.NewReader(data), int64(len(data))), fault)
		obj, err := b.Stat(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, int64(len(data)), obj.Size)
		require.NoError(t, b.Remove(ctx, "a"))
	}
	srv.Set(func(int, *http.Request) s3test.Fault { return s3test.Denied })
	require.ErrorIs(t, b.Put(ctx, "a", bytes.NewReader(data), int64(len(data))), fs.ErrPermission)
	srv.Set(nil)
	_, err := b.Stat(ctx, "a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// faults are what the proxy does, whether trying again helps when it does it
// once, and what it is when it does it always.
var faults = []struct {
	fault  s3test.Fault
	passes bool
	always error
}{
	{s3test.Unavailable, true, bucket.ErrFault},
	{s3test.Internal, true, bucket.ErrFault},
	{s3test.SlowDown, true, bucket.ErrFault},
	{s3test.HTMLIn503, true, bucket.ErrFault},
	{s3test.Silent, true, bucket.ErrStalled},
	{s3test.Stall, true, bucket.ErrStalled},
	{s3test.Truncated, true, bucket.ErrFault},
	{s3test.Reset, true, bucket.ErrFault},
	{s3test.ResetInside, true, bucket.ErrFault},
	{s3test.WrongRange, true, bucket.ErrFault},
	{s3test.NoRange, true, bucket.ErrFault},
	{s3test.ErrorIn200, true, bucket.ErrFault},
	{s3test.ErrorIn206, true, bucket.ErrFault},
	{s3test.LongerThan, true, bucket.ErrFault},
	{s3test.NotHTTP, true, bucket.ErrFault},
	{s3test.RedirectAway, true, bucket.ErrFault},
	{s3test.WrongETag, false, bucket.ErrChanged},
	{s3test.NoETag, true, bucket.ErrFault},
	{s3test.WrongSize, false, bucket.ErrChanged},
	{s3test.Expired, false, fs.ErrPermission},
	{s3test.Denied, false, fs.ErrPermission},
	{s3test.Disappeared, false, fs.ErrNotExist},
}

// TestFaults holds that every fault ends in the same bytes or in a typed error,
// and that no error repeats a secret, or what a server chose to say.
func TestFaults(t *testing.T) {
	srv := s3test.Start(t)
	b, ctx := open(t, srv), context.Background()
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	require.NoError(t, b.Put(ctx, "a", bytes.NewReader(data), int64(len(data))))
	for _, f := range faults {
		t.Run(f.fault, func(t *testing.T) {
			s := patient(srv, b)
			srv.Set(nil)
			obj, err := s.Stat(ctx, "a")
			require.NoError(t, err)
			read := func(n int) error {
				srv.Set(func(i int, _ *http.Request) s3test.Fault {
					if i < n {
						return f.fault
					}
					return s3test.None
				})
				p := make([]byte, 200_000)
				err := s.ReadAt(ctx, obj, p, 50_000)
				if err == nil {
					require.True(t, bytes.Equal(data[50_000:250_000], p))
					return nil
				}
				text := fmt.Sprintf("%v %+v", err, err)
				require.NotContains(t, text, s3test.SecretKey)
				require.NotContains(t, text, s3test.AccessKey)
				require.NotContains(t, text, "\x1b")
				return err
			}
			for n := 1; n <= 3; n++ {
				before := s.Counts().Attempts
				err := read(n)
				if !f.passes {
					require.ErrorIs(t, err, f.always)
					require.Equal(t, before+1, s.Counts().Attempts, "nothing would be gained by another attempt")
					continue
				}
				require.NoError(t, err)
				if f.fault != s3test.Reset { // there net/http tries again on a connection that was used before
					require.Equal(t, before+uint64(n)+1, s.Counts().Attempts, "the client must not try by itself")
				}
			}
			err = read(1 << 30)
			require.ErrorIs(t, err, f.always)
			var up *steady.GivenUpError
			require.Equal(t, f.passes, errors.As(err, &up))
			require.NoError(t, read(0), "what is over is over")
		})
	}
}

// TestCredentials holds that credentials are those that were named, are read
// again when they expire, and are asked for only where they are.
func TestCredentials(t *testing.T) {
	srv := s3test.Start(t)
	ctx := context.Background()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(secret string) {
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "[cold]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s3test.AccessKey, secret), 0o600))
	}
	write(s3test.SecretKey)
	require.NoError(t, open(t, srv).Put(ctx, "a", bytes.NewReader([]byte("x")), 1))

	b, err := s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL, Credentials: s3.Credentials{File: file, Profile: "cold"}})
	require.NoError(t, err)
	_, err = b.Stat(ctx, "a")
	require.NoError(t, err)

	// They expire, and somebody writes new ones.
	srv.Set(func(int, *http.Request) s3test.Fault { return s3test.Expired })
	_, err = b.Stat(ctx, "a")
	require.Error(t, err)
	obj := bucket.Object{Key: "a", Size: 1, Version: "9dd4e461268c8034f5c8564e155c67a6"}
	_, err = b.Get(ctx, obj, 0, 1)
	require.ErrorIs(t, err, fs.ErrPermission)
	srv.Set(nil)
	write("another-" + s3test.SecretKey)
	_, err = b.Get(ctx, obj, 0, 1)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotContains(t, err.Error(), s3test.SecretKey)
	write(s3test.SecretKey)
	body, err := b.Get(ctx, obj, 0, 1)
	require.NoError(t, err)
	require.NoError(t, body.Close())

	for name, c := range map[string]s3.Credentials{
		"variables": {Env: "LITE_NOBODY"},
		"file":      {File: filepath.Join(t.TempDir(), "none")},
		"profile":   {File: file, Profile: "warm"},
		"both":      {File: file, Env: "LITE_TEST"},
	} {
		_, err := s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL, Credentials: c})
		var ce *s3.CredentialsError
		require.ErrorAs(t, err, &ce, name)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	b, err = s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL})
	require.NoError(t, err)
	srv.Set(nil)
	_, err = b.Stat(ctx, "a")
	require.ErrorIs(t, err, fs.ErrPermission, "nobody in particular asks")
}

func TestEndpoints(t *testing.T) {
	for _, endpoint := range []string{
		"http://user:" + s3test.SecretKey + "@host", "ftp://host", "http://", "http://host/path", "http://host?x=1", "http://\x00" + s3test.SecretKey,
	} {
		_, err := s3.Open("models", s3.Config{Endpoint: endpoint})
		var ee *s3.EndpointError
		require.ErrorAs(t, err, &ee, endpoint)
		require.NotContains(t, err.Error(), s3test.SecretKey)
	}
	for _, name := range []string{"", "a/b", "..", "a\x00b"} {
		_, err := s3.Open(name, s3.Config{Endpoint: "http://127.0.0.1:1"})
		require.ErrorIs(t, err, bucket.ErrKey, name)
	}
	b, err := s3.Open("models", s3.Config{Endpoint: "http://127.0.0.1:1", Credentials: credentials(t)})
	require.NoError(t, err)
	_, err = b.Stat(context.Background(), "a")
	require.ErrorIs(t, err, bucket.ErrFault)
	require.ErrorContains(t, err, "refused")
}

// TestMain has the client not wait after its one attempt. In the program it does,
// for a moment at random, which is no more than the pause that follows.
func TestMain(m *testing.M) {
	minio.DefaultRetryUnit = time.Microsecond
	m.Run()
}
