package s3

import (
	"context"
	"errors"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/lite-llm/lite/internal/bucket"
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
	_, err := b.writer.PutObject(ctx, b.bucket, key, body, size, minio.PutObjectOptions{
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
