package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/lite-llm/lite/internal/bucket"
)

// Bucket is a Sink that writes the objects below a prefix of a bucket. The
// manifest comes last, so that there is a pack when there is a manifest. What an
// interrupted writer finished is noted in small objects below <prefix>/journal/,
// which are removed at the end. Nothing keeps two writers apart: of the same pack
// they write the same bytes, of two packs the result is damaged, and 'lite verify'
// says so.
type Bucket struct {
	b       bucket.Sink
	prefix  string
	journal string // the prefix of the notes of this identity
	done    map[string]entry
}

// NewBucket returns a sink for the keys below a prefix, which may be empty.
func NewBucket(b bucket.Sink, prefix string) *Bucket {
	return &Bucket{b: b, prefix: strings.Trim(prefix, "/"), done: map[string]entry{}}
}

// The notes of writers, below the prefix of a pack.
const (
	journalDir = "journal"
	begun      = "begun" // the note that a writer was here at all
)

// maxNote is the bytes of a note, in base64 and with the name and the size before
// it: the hashes of the leaves of a shard.
const maxNote = MaxHead

func (s *Bucket) key(name string) string { return path.Join(s.prefix, name) }

// where says what the sink writes, for errors.
func (s *Bucket) where() string { return strings.TrimSuffix(s.b.Name()+"/"+s.prefix, "/") }

// Begin implements Sink.
func (s *Bucket) Begin(ctx context.Context, identity Hash, _ int64) error {
	_, err := s.b.Stat(ctx, s.key(ManifestName))
	if err == nil {
		return &ExistsError{Path: s.where()}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.journal = s.key(journalDir + "/" + identity.String())
	objects, noted, err := s.list(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(objects) == 0:
	case !noted:
		return &ExistsError{Path: s.where()} // and nobody's business but its owner's
	case objects[s.journal+"/"+begun].Key == "":
		if err := s.clear(ctx, objects); err != nil {
			return err
		}
	default:
		return s.load(ctx, objects)
	}
	return s.b.Put(ctx, s.journal+"/"+begun, strings.NewReader(""), 0)
}

// list finds the objects of a pack below the prefix, and whether a writer of one
// left a note.
func (s *Bucket) list(ctx context.Context) (objects map[string]bucket.Object, noted bool, err error) {
	objects = map[string]bucket.Object{}
	below := s.prefix
	if below != "" {
		below += "/"
	}
	err = s.b.List(ctx, below, func(o bucket.Object) bool {
		objects[o.Key] = o
		noted = noted || strings.HasPrefix(o.Key, below+journalDir+"/") && strings.HasSuffix(o.Key, "/"+begun)
		return true
	})
	return objects, noted, err
}

// ofPack are the names that a writer of packs writes. Nothing else is ever removed.
var ofPack = regexp.MustCompile(`^(manifest\.(json|sig)|trunk\.(gguf|hashes)|tiers/[^/]+/L[0-9]+(-[0-9]+\.gguf|\.hashes)|journal/[0-9a-f]{64}/.+)$`)

// clear removes what a writer of another pack left.
func (s *Bucket) clear(ctx context.Context, objects map[string]bucket.Object) error {
	for key := range objects {
		if !ofPack.MatchString(strings.TrimPrefix(strings.TrimPrefix(key, s.prefix), "/")) {
			continue
		}
		if err := s.b.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// load reads the notes of a writer of the same pack. A note that is not whole, or
// of an object that is not there as it was, counts for nothing.
func (s *Bucket) load(ctx context.Context, objects map[string]bucket.Object) error {
	for key, o := range objects {
		if !strings.HasPrefix(key, s.journal+"/") || o.Size > maxNote || key == s.journal+"/"+begun {
			continue
		}
		body, err := s.b.Get(ctx, o, 0, o.Size)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
		name, e, ok := parseLine(strings.TrimSuffix(string(b), "\n"))
		if at, there := objects[s.key(name)]; ok && there && at.Size == e.size && key == s.journal+"/"+name {
			s.done[name] = e
		}
	}
	return nil
}

// Done implements Sink.
func (s *Bucket) Done(name string) ([]byte, bool) {
	e, ok := s.done[name]
	return e.note, ok
}

// Create implements Sink. The object is sent while it is written.
func (s *Bucket) Create(ctx context.Context, name string, size int64) (SinkFile, error) {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	f := &bucketFile{PipeWriter: w, s: s, ctx: ctx, cancel: cancel, name: name, size: size, sent: make(chan error, 1)}
	go func() {
		err := s.b.Put(ctx, s.key(name), r, size)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // never fails
		f.sent <- err
	}()
	return f, nil
}

// bucketFile is an object that is being sent.
type bucketFile struct {
	*io.PipeWriter
	s      *Bucket
	ctx    context.Context //nolint:containedctx // of the object that is sent while this lives
	cancel context.CancelFunc
	name   string
	size   int64
	sent   chan error // one result of the sending
	ended  bool
}

// Commit implements SinkFile.
func (f *bucketFile) Commit(note []byte) error {
	_ = f.Close() // never fails
	err := <-f.sent
	f.ended = true
	defer f.cancel()
	if err != nil {
		return err
	}
	e := entry{f.size, note}
	line := string(journalLine(f.name, e))
	if err := f.s.b.Put(f.ctx, f.s.journal+"/"+f.name, strings.NewReader(line), int64(len(line))); err != nil {
		return fmt.Errorf("noting that %s is finished: %w", f.name, err)
	}
	f.s.done[f.name] = e
	return nil
}

// Abort implements SinkFile.
func (f *bucketFile) Abort() {
	if f.ended {
		return
	}
	f.ended = true
	f.cancel()
	_ = f.CloseWithError(context.Canceled) // never fails
	<-f.sent                               //nolint:errcheck // what ended it came first
}

// Finish implements Sink: the notes are not needed any more. The manifest is there
// already, so the pack is whole whatever comes of it.
func (s *Bucket) Finish(ctx context.Context) error {
	for name := range s.done {
		if err := s.b.Remove(ctx, s.journal+"/"+name); err != nil {
			return err
		}
	}
	return s.b.Remove(ctx, s.journal+"/"+begun)
}

// Close implements Sink.
func (*Bucket) Close() error { return nil }
