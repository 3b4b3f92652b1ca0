// Package s3 is the bucket of an S3 store. It tries once, takes nothing of an
// answer on trust that it can check, and says what was wrong in the words of
// package bucket. On the parameter's road it stands below bucket/steady.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/lite-llm/lite/internal/bucket"
)

// Bucket is a bucket of a store.
type Bucket struct {
	name, bucket string
	core         minio.Core
	writer       *minio.Client
	transport    *http.Transport
}

// Open readies a bucket. Nothing is asked of the store yet. The error is an
// *EndpointError, a *CredentialsError, or a *bucket.Error for a bad name.
func Open(name string, c Config) (*Bucket, error) {
	c, u, err := c.settle()
	if err != nil {
		return nil, err
	}
	creds, err := c.Credentials.open()
	if err != nil {
		return nil, err
	}
	if bad := bucket.CheckKey(name); bad != nil || strings.Contains(name, "/") {
		return nil, &bucket.Error{Op: "name", Key: name, Err: bucket.ErrKey}
	}
	b := &Bucket{name: "s3://" + name, bucket: name, transport: transport()}
	client := func(retries int) (c2 *minio.Client) {
		if err != nil {
			return nil
		}
		c2, err = minio.New(u.Host, &minio.Options{
			Creds: creds, Secure: u.Scheme == "https", Transport: b.transport, Region: c.Region, MaxRetries: retries,
		})
		return c2
	}
	b.core.Client = client(1) // package steady tries again
	b.writer = client(writeRetries)
	if err != nil {
		return nil, &EndpointError{"it is none that the S3 client takes"}
	}
	return b, nil
}

// writeRetries is how often the client sends a part of an object: it has it in
// memory, while nobody above could make it again.
const writeRetries = 6

// transport is one for ranges of megabytes, many at once. Stalls are found by
// package steady; its own limits are for connections, which nobody else sees.
func transport() *http.Transport {
	t, _ := http.DefaultTransport.(*http.Transport)
	t = t.Clone()
	t.MaxIdleConnsPerHost = 64
	t.TLSHandshakeTimeout = 10 * time.Second
	t.DisableCompression = true // a range of bytes is what it is
	return t
}

// Close closes idle connections.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// Name implements bucket.Bucket.
func (b *Bucket) Name() string { return b.name }

// Stat implements bucket.Bucket.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Object, error) {
	if err := errors.Join(ctx.Err(), bucket.CheckKey(key)); err != nil {
		return bucket.Object{}, err
	}
	info, err := b.core.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return bucket.Object{}, b.fail(ctx, "look at", key, err)
	}
	if info.Size < 0 || info.ETag == "" {
		return bucket.Object{}, b.odd("look at", key, "no-size-or-etag")
	}
	return bucket.Object{Key: key, Size: info.Size, Version: info.ETag}, nil
}

// Get implements bucket.Bucket with a ranged GET of exactly this version.
func (b *Bucket) Get(ctx context.Context, obj bucket.Object, off, n int64) (io.ReadCloser, error) {
	if err := errors.Join(ctx.Err(), bucket.CheckKey(obj.Key), bucket.CheckRange(obj, off, n)); err != nil {
		return nil, err
	}
	if n == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	var opt minio.GetObjectOptions
	if err := errors.Join(opt.SetRange(off, off+n-1), opt.SetMatchETag(obj.Version)); err != nil {
		return nil, &bucket.Error{Op: "read", Bucket: b.name, Key: obj.Key, Err: bucket.ErrRange}
	}
	body, info, header, err := b.core.GetObject(ctx, b.bucket, obj.Key, opt)
	if err != nil {
		return nil, b.fail(ctx, "read", obj.Key, err)
	}
	if err := b.check(info.ETag, header, obj, off, n); err != nil {
		_ = body.Close() // what it would say is of no interest any more
		return nil, err
	}
	return bucket.Exactly(body, n, func(code string, err error) error {
		if code == "" {
			return b.fail(ctx, "read", obj.Key, err)
		}
		return b.odd("read", obj.Key, code)
	}, nil), nil
}

// check holds an answer to what was asked. A proxy, or a store that fails late,
// answers 200 with a text about its trouble, or with another range.
func (b *Bucket) check(etag string, h http.Header, obj bucket.Object, off, n int64) error {
	switch etag {
	case obj.Version:
	case "":
		return b.odd("read", obj.Key, "no-etag") // some other thing's answer
	default: // it should have been refused: If-Match was in the request
		return &bucket.Error{Op: "read", Bucket: b.name, Key: obj.Key, Code: "another-etag", Err: bucket.ErrChanged}
	}
	first, last, size, ok := contentRange(h.Get("Content-Range"))
	switch whole := n == obj.Size; {
	case !ok && (!whole || h.Get("Content-Range") != ""):
		return b.odd("read", obj.Key, "no-range")
	case ok && (first != off || last != off+n-1):
		return b.odd("read", obj.Key, "another-range")
	case ok && size != obj.Size:
		return &bucket.Error{Op: "read", Bucket: b.name, Key: obj.Key, Code: "another-size", Err: bucket.ErrChanged}
	case h.Get("Content-Length") != strconv.FormatInt(n, 10):
		return b.odd("read", obj.Key, "another-length")
	}
	return nil
}

// contentRange reads "bytes first-last/size" (RFC 9110, section 14.4).
func contentRange(s string) (first, last, size int64, ok bool) {
	s, unit := strings.CutPrefix(s, "bytes ")
	span, total, slash := strings.Cut(s, "/")
	from, to, dash := strings.Cut(span, "-")
	for _, n := range []struct {
		text string
		to   *int64
	}{{from, &first}, {to, &last}, {total, &size}} {
		v, err := strconv.ParseUint(n.text, 10, 63)
		if err != nil {
			return 0, 0, 0, false
		}
		*n.to = int64(v)
	}
	return first, last, size, unit && slash && dash
}

// odd is an answer that is none to what was asked.
func (b *Bucket) odd(op, key, code string) error {
	return &bucket.Error{Op: op, Bucket: b.name, Key: key, Code: code, Err: bucket.ErrFault}
}

// expired are the codes of credentials whose time is over.
var expired = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true, "TokenRefreshRequired": true, "InvalidToken": true}

// refused are the codes, and the statuses, of what no attempt changes.
var refused = map[string]error{
	"NoSuchKey": fs.ErrNotExist, "NoSuchBucket": fs.ErrNotExist, "NoSuchVersion": fs.ErrNotExist, "404": fs.ErrNotExist,
	"PreconditionFailed": bucket.ErrChanged, "412": bucket.ErrChanged,
	"InvalidRange": bucket.ErrChanged, "416": bucket.ErrChanged, // it is shorter than it was
	"AccessDenied": fs.ErrPermission, "InvalidAccessKeyId": fs.ErrPermission, "SignatureDoesNotMatch": fs.ErrPermission,
	"401": fs.ErrPermission, "403": fs.ErrPermission,
}

// code is what the store calls an error, empty when it did not get to say so.
func code(err error) string {
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		return ""
	}
	if w := word(e.Code); w != "" || e.StatusCode == 0 {
		return w
	}
	return strconv.Itoa(e.StatusCode)
}

// word is s if it is one of letters and digits, such as codes are, and empty
// otherwise: what a server says goes into logs and terminals.
func word(s string) string {
	const most = 64
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}
	if len(s) > most || strings.ContainsFunc(s, odd) {
		return ""
	}
	return s
}

// fail makes an error of the client a *bucket.Error. Of the client's own text
// only the kind is kept: it may repeat what a server said.
func (b *Bucket) fail(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &bucket.Error{Op: op, Bucket: b.name, Key: key, Code: code(err), Err: bucket.ErrFault}
	resp, answered := errors.AsType[minio.ErrorResponse](err)
	switch {
	case !answered:
		e.Code, e.Err = "", fmt.Errorf("%w: %w", bucket.ErrFault, &ConnectionError{err})
	case expired[e.Code]:
		e.Err = fs.ErrPermission
	case refused[e.Code] != nil:
		e.Err = refused[e.Code]
	case refused[strconv.Itoa(resp.StatusCode)] != nil:
		e.Err = refused[strconv.Itoa(resp.StatusCode)]
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusRequestTimeout && resp.StatusCode != http.StatusTooManyRequests && e.Code != "RequestTimeout":
		e.Err = bucket.ErrRefused
	}
	return e
}

// ConnectionError says that the way to a store broke. Its text tells the kind;
// the error itself can be asked for.
type ConnectionError struct{ err error }

// Error implements error.
func (e *ConnectionError) Error() string {
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	switch {
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return "the connection was refused: is the endpoint right?"
	case errors.Is(e.err, syscall.ECONNRESET), errors.Is(e.err, syscall.EPIPE):
		return "the connection was reset"
	case errors.As(e.err, &dns):
		return "the host of the endpoint was not found"
	case errors.Is(e.err, io.ErrUnexpectedEOF), errors.Is(e.err, io.EOF):
		return "the connection ended early"
	case errors.As(e.err, &timeout) && timeout.Timeout():
		return "the connection timed out"
	}
	return "the connection failed"
}

// Unwrap returns the client's error.
func (e *ConnectionError) Unwrap() error { return e.err }
