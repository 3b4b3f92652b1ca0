// Package s3test starts a real S3 server for tests, versitygw on a directory,
// and a proxy before it that fails as a test says. It stands beside the start of
// the parameter's road.
//
// The server is a program of its own module (tools/s3). .ci/run builds it once;
// tests find it through LITE_VERSITYGW, or in .cache, and are skipped where it is
// not: it takes a minute to build, and go test ./... is to need nothing.
package s3test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The credentials of the server's owner.
const (
	AccessKey = "LITETESTACCESSKEY"
	SecretKey = "lite-test-secret-key-that-must-not-be-printed"
	// Name is the one bucket that it has.
	Name = "models"
)

// Server is a server that runs until its test ends, and the proxy before it.
type Server struct {
	// Dir is the bucket's directory: a file in it is an object once it was put.
	Dir string
	// URL is the proxy's.
	URL string
	*Proxy
}

// program finds the server, or skips the test.
func program(t testing.TB) string {
	if path := os.Getenv("LITE_VERSITYGW"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "../../../../.cache/versitygw")
	if _, err := os.Stat(path); err != nil {
		t.Skip("there is no versitygw: 'bash .ci/run s3server' builds it")
	}
	return path
}

// Start starts a server with an empty bucket.
func Start(t testing.TB) *Server {
	t.Helper()
	exe := program(t)
	dir, err := os.MkdirTemp("", "s3") //nolint:usetesting // short: the path of a socket has some 100 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bucket := filepath.Join(dir, "root", Name)
	require.NoError(t, os.MkdirAll(bucket, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "meta"), 0o700))
	socket := filepath.Join(dir, "sock")
	cmd := exec.CommandContext(context.Background(), exe, //nolint:gosec // the test's own server
		"--access", AccessKey, "--secret", SecretKey, "--port", socket, "--quiet",
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "root"))
	cmd.Env = []string{"HOME=" + dir}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, bufio.NewScanner(out), socket)
	p := newProxy(t, &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
	})
	return &Server{Dir: bucket, URL: p.server.URL, Proxy: p}
}

// await waits until the socket takes connections. The server says what it will
// listen to a moment before it does.
func await(t testing.TB, out *bufio.Scanner, socket string) {
	t.Helper()
	lines := make(chan struct{})
	go func() { // until it ends, so that it never waits for its reader
		for out.Scan() {
		}
		close(lines)
	}()
	for {
		if c, err := net.Dial("unix", socket); err == nil { //nolint:noctx // it answers at once, or is not there
			require.NoError(t, c.Close())
			return
		}
		select {
		case <-lines:
			require.Fail(t, "versitygw ended")
		default:
			runtime.Gosched()
		}
	}
}
