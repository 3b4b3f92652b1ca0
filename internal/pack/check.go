package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lite-llm/lite/internal/base"
)

// CheckAll reads every byte of the pack and calls bad for everything that is not
// as the pack was made: an *IntegrityError, or a *ManifestError for a file that is
// missing or of another size. progress is told how many bytes of all were read;
// nil when nobody asks. The error is one that ended the check: ctx's, or a file
// system's.
func (p *Pack) CheckAll(ctx context.Context, bad func(error), progress func(done, all int64)) error {
	c := &checker{p: p, bad: bad, progress: progress, buf: make([]byte, chunk)}
	for _, obj := range p.Model.Objects {
		c.all += obj.Size
	}
	for _, obj := range p.Model.Objects {
		if err := c.object(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

// checker reads a whole pack.
type checker struct {
	p         *Pack
	bad       func(error)
	progress  func(done, all int64)
	buf       []byte
	done, all int64
}

// report tells of what is wrong with a file, and returns what ends the check.
func (c *checker) report(err error) error {
	if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		err = &ManifestError{Path: missing.Path, What: "is missing"}
	}
	_, damaged := errors.AsType[*IntegrityError](err)
	_, unfit := errors.AsType[*ManifestError](err)
	if damaged || unfit {
		c.bad(err)
		return nil
	}
	return err
}

// object checks a file against its hashes.
func (c *checker) object(ctx context.Context, obj base.Object) error {
	end := c.done + obj.Size
	err := c.read(ctx, obj)
	c.advance(end - c.done)
	return c.report(err)
}

func (c *checker) advance(n int64) {
	if c.done += n; c.progress != nil {
		c.progress(c.done, c.all)
	}
}

// read reads a file and reports all of its parts that are not right.
func (c *checker) read(ctx context.Context, obj base.Object) (err error) {
	want, err := c.p.sums(obj)
	if err != nil {
		return err
	}
	f, err := c.p.fs.Open(obj.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Size() != obj.Size {
		return &ManifestError{Path: obj.Name, What: fmt.Sprintf("has %d bytes, the manifest says %d", f.Size(), obj.Size)}
	}
	at, isShard := c.p.shards[obj.Name]
	spans := c.p.Manifest.Trunk.spans
	if isShard {
		spans = func() []span { return at.g.spans(at.shard) }
	}
	l := newLeaves(spans())
	var head bytes.Buffer // of a shard
	for off := int64(0); off < obj.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := c.buf[:min(obj.Size-off, chunk)]
		if err := readFull(f, b, off); err != nil {
			return err
		}
		_, _ = l.Write(b) // does not fail
		if room := c.p.Manifest.ShardHead - int64(head.Len()); isShard && room > 0 {
			head.Write(b[:min(int64(len(b)), room)])
		}
		off += int64(len(b))
		c.advance(int64(len(b)))
	}
	for i := int64(0); i*HashSize < int64(len(want)); i++ {
		if Hash(l.sums[i*HashSize:]) != Hash(want[i*HashSize:]) {
			c.bad(c.p.damaged(obj, i))
		}
	}
	if l.dirty {
		c.bad(&IntegrityError{Object: obj.Name, Part: "the padding"})
	}
	if isShard {
		return c.head(obj, at, head.Bytes())
	}
	return nil
}

// head holds that other programs see in a shard what this one does.
func (c *checker) head(obj base.Object, at place, have []byte) error {
	s, err := c.p.Manifest.shard(at.tier, at.layer)
	if err != nil {
		return err
	}
	s.number = at.shard
	var want bytes.Buffer
	if _, _, err := s.begin(&want); err != nil {
		return err
	}
	if !bytes.Equal(have, want.Bytes()) {
		return &ManifestError{Path: obj.Name, What: "has a head that does not describe what the manifest says"}
	}
	return nil
}
