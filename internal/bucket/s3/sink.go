package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/steady"
)

// partSize is the bytes of a part of a large object. A part is in memory while
// it is sent; 10,000 parts are the most that S3 takes, 640 GB.
const partSize = 64 << 20

// Put implements bucket.Sink. A large object is sent in parts and appears when
// the last one is there.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, size int64) error {
	if err := errors.Join(ctx.Err(), bucket.CheckKey(key)); err != nil {
		return err
	}
	if size < 0 || size > partSize {
		return b.put(ctx, b.writer, key, body, size)
	}
	data, err := io.ReadAll(io.LimitReader(body, size+1))
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return b.odd("write", key, "length")
	}
	return b.putAgain(ctx, key, data)
}

// putAgain sends an object that is in memory, several times if it must. The client
// would read the same reader again, while the connection that failed may still be
// reading it: here each try has a reader of its own.
func (b *Bucket) putAgain(ctx context.Context, key string, data []byte) error {
	clock, pause := steady.NewSystem(), firstPause
	for try := 1; ; try++ {
		err := b.put(ctx, b.core.Client, key, bytes.NewReader(data), int64(len(data)))
		if err == nil || try == writeRetries || bucket.Final(err) || ctx.Err() != nil {
			return err
		}
		after, stop := clock.After(pause)
		select {
		case <-after:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
		pause *= 2
	}
}

// firstPause is how long a write waits before it is tried again; then twice as long.
const firstPause = 50 * time.Millisecond

// put sends an object once, or its parts as often as the client does.
func (b *Bucket) put(ctx context.Context, c *minio.Client, key string, body io.Reader, size int64) error {
	_, err := c.PutObject(ctx, b.bucket, key, body, size, minio.PutObjectOptions{
		PartSize: partSize, NumThreads: 1, ContentType: "application/octet-stream",
	})
	if err != nil {
		return b.fail(ctx, "write", key, err)
	}
	return nil
}

// List implements bucket.Sink.
func (b *Bucket) List(ctx context.Context, prefix string, yield func(bucket.Object) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing that nobody reads any more
	for info := range b.writer.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return b.fail(ctx, "list", prefix, info.Err)
		}
		if !yield(bucket.Object{Key: info.Key, Size: info.Size, Version: info.ETag}) {
			return nil
		}
	}
	return nil
}

// Remove implements bucket.Sink.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), bucket.CheckKey(key)); err != nil {
		return err
	}
	if err := b.writer.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{}); err != nil {
		return b.fail(ctx, "remove", key, err)
	}
	return nil
}
