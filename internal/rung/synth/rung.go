package synth

import (
	"context"
	"errors"
	"io/fs"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/zeebo/blake3"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
)

// Name is the rung's word in statistics.
const Name = "synthetic"

// ErrDigest is the cause of a ReadError of a record whose bytes are not those of
// its digest.
var ErrDigest = errors.New("the bytes do not have their digest: they were damaged on the way")

// Rung reads a synthetic model. A record, which is a projection of an expert or a
// routing head, is fetched whole with its digest, and held to it, whatever part of
// it is asked for.
type Rung struct {
	m      *Model
	source source
	spare  sync.Pool // of *[]byte: records of which a part is read
	closed atomic.Bool

	reads, failed atomic.Uint64
	bytes         atomic.Int64
}

// source is where records come from: a generator, or a test's that damages them.
type source interface {
	// fetch fills p with a record and returns its digest.
	fetch(o *object, section int, record int64, p []byte) [32]byte
}

// Rung is the rung that holds the model.
func (m *Model) Rung() *Rung { return &Rung{m: m, source: generator{m.Spec.Seed}} }

// Name implements rung.Rung.
func (*Rung) Name() string { return Name }

// Align implements rung.Rung.
func (*Rung) Align() int { return 1 }

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := r.span(obj, off, len(p))
	if err == nil {
		err = r.read(ctx, r.m.objects[obj.Name], p[:n], off)
	}
	switch {
	case err == nil:
		r.reads.Add(1)
		r.bytes.Add(int64(len(p)))
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	r.failed.Add(1)
	if _, typed := errors.AsType[*rung.ReadError](err); typed {
		return err
	}
	return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: err}
}

// span is how many of the n bytes from off on the object has.
func (r *Rung) span(obj base.Object, off int64, n int) (int, error) {
	have := r.m.objects[obj.Name]
	switch {
	case r.closed.Load():
		return 0, fs.ErrClosed
	case have == nil:
		return 0, fs.ErrNotExist
	case have.Object != obj:
		return 0, rung.ErrChanged
	}
	return rung.Span(obj, off, n)
}

// read fills p, which is inside the object, from off on.
func (r *Rung) read(ctx context.Context, o *object, p []byte, off int64) error {
	for i := sort.Search(len(o.sections), func(i int) bool { return o.sections[i].end() > off }); len(p) > 0; i++ {
		s := &o.sections[i]
		if gap := s.off - off; gap > 0 { // between tensors
			n := min(gap, int64(len(p)))
			clear(p[:n])
			p, off = p[n:], off+n
		}
		for len(p) > 0 && off < s.end() {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := r.part(o, i, p, off-s.off)
			if err != nil {
				return err
			}
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

// part fills p from the record of a section that has the byte at.
func (r *Rung) part(o *object, i int, p []byte, at int64) (n int, err error) {
	s := &o.sections[i]
	record, skip := at/s.record, at%s.record
	if skip == 0 && int64(len(p)) >= s.record {
		return int(s.record), r.fetch(o, i, record, p[:s.record])
	}
	b, ok := r.spare.Get().(*[]byte)
	if !ok || int64(len(*b)) < s.record {
		fresh := make([]byte, s.record)
		b = &fresh
	}
	defer r.spare.Put(b)
	whole := (*b)[:s.record]
	if err := r.fetch(o, i, record, whole); err != nil {
		return 0, err
	}
	return copy(p, whole[skip:]), nil
}

// fetch fills p with a record that has its digest.
func (r *Rung) fetch(o *object, section int, record int64, p []byte) error {
	want := r.source.fetch(o, section, record, p)
	if blake3.Sum256(p) != want {
		return ErrDigest
	}
	return nil
}

// Whole implements rung.Whole.
func (*Rung) Whole() bool { return true }

// Counts implements rung.Counter.
func (r *Rung) Counts() rung.Counts {
	return rung.Counts{Reads: r.reads.Load(), Bytes: r.bytes.Load(), Failed: r.failed.Load()}
}

// Close implements rung.Rung.
func (r *Rung) Close() error {
	r.closed.Store(true)
	return nil
}

// generator makes records. It stands where a bucket would, and so the digest that
// comes with the bytes is its own work, beside that of the reader.
type generator struct{ seed uint64 }

func (g generator) fetch(o *object, section int, record int64, p []byte) [32]byte {
	fill(p, [2]uint64{g.seed, o.key<<32 | uint64(section)}, uint64(record)) //nolint:gosec // indices
	o.sections[section].blocks.Put(p)
	return blake3.Sum256(p)
}
