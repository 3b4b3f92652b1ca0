package pack

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/zeebo/blake3"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// Job is a pack to write.
type Job struct {
	FS     vfs.FS         // where the model's objects are
	Model  *weights.Model // a model file, or another pack
	Naming Manifest       // what the pack is: see Shapes for what the writer fills in
	// Tensors are the names of the model's tensors that hold each tier at each of
	// its layers, in the order of Naming.
	Tensors [][]Names
	// ShardBytes is the most bytes of a shard, which has at least one expert, or
	// one group of a nested model; 0 is 1 GiB.
	ShardBytes int64
	// Key signs the manifest; nil leaves it without a signature.
	Key ed25519.PrivateKey
	// Progress is told how many bytes of all are written; nil when nobody asks.
	Progress func(done, all int64)
}

// Names are the tensors that hold the experts of a tier at a layer, all of them
// stacked. Expert e of a joint model is part e; of a nested one, part e of its
// tier's. The heads are empty in a joint model.
type Names struct{ Gate, Up, Down, GroupHead, ExpertHead string }

// The bytes of a shard: what is asked for by default, and what may be.
const (
	DefaultShard = 1 << 30
	chunk        = 1 << 20 // of a read
)

// writer writes a pack.
type writer struct {
	job   *Job
	m     Manifest
	sink  Sink
	files map[string]vfs.File
	buf   []byte
	begun bool // the sink is ready
	done  int64
	all   int64
}

// Made is a pack that was written.
type Made struct {
	Digest   string // the SHA-256 of its manifest, in hexadecimal
	SignedBy string // the KeyID of the key that signed it, or empty
	Bytes    int64  // of its trunk and its shards
	Shards   int
}

// Write writes a pack into sink. It keeps a few
// megabytes in memory whatever the model's size. Equal jobs give equal bytes. An
// interrupted job goes on, when it is written again, after the last object that
// was finished.
func Write(ctx context.Context, sink Sink, job *Job) (*Made, error) {
	w := &writer{job: job, sink: sink, m: job.Naming, files: map[string]vfs.File{}, buf: make([]byte, chunk)}
	made, err := w.write(ctx)
	for _, f := range w.files {
		err = errors.Join(err, f.Close())
	}
	err = errors.Join(err, sink.Close())
	if full, ok := errors.AsType[*SpaceError](err); ok && full.Have < 0 {
		full.Need = base.ByteSize(w.all - w.done)
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (w *writer) write(ctx context.Context) (*Made, error) {
	if err := w.layOut(); err != nil {
		return nil, err
	}
	for _, obj := range w.job.Model.Objects {
		f, err := w.job.FS.Open(obj.Name)
		if err != nil {
			return nil, err
		}
		w.files[obj.Name] = f
	}
	id, err := w.identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.sink.Begin(ctx, id, w.all); err != nil {
		return nil, err
	}
	w.begun = true
	if err := w.trunk(ctx); err != nil {
		return nil, err
	}
	for t := range w.m.Tiers {
		for l := range w.m.Tiers[t].Layers {
			if err := w.layer(ctx, &w.m.Tiers[t], l, &w.job.Tensors[t][l]); err != nil {
				return nil, err
			}
		}
	}
	return w.finish(ctx)
}

// layOut fills in what the manifest says of sizes.
func (w *writer) layOut() error {
	m, limit := &w.m, w.job.ShardBytes
	m.Format, m.Version, m.Trunk.Page = format, version, page
	if limit <= 0 {
		limit = DefaultShard
	}
	tiers := make([]Tier, len(m.Tiers)) // the job's are not written to
	copy(tiers, m.Tiers)
	m.Tiers = tiers
	for i := range m.Tiers {
		t := &m.Tiers[i]
		t.Shapes = append([]Shape(nil), t.Shapes...)
		t.Layers = append([]Layer(nil), t.Layers...)
		for k := range t.Shapes {
			s := &t.Shapes[k]
			s.PerShard = max(s.Count, 1)
			g, err := m.geometry(t, s)
			if err != nil {
				return fmt.Errorf("the tier %q cannot be packed: %w", t.Name, err)
			}
			unit, room := int64(1), g.stride
			if m.Routing == Nested {
				unit, room = t.Experts, t.Experts*g.stride+g.expertRoom
			}
			s.PerShard = min(s.Count, max(1, limit/room)*unit)
		}
	}
	if err := w.headSize(); err != nil {
		return err
	}
	infos, _, err := w.trunkInfos()
	if err != nil {
		return err
	}
	var head counter
	if _, err := gguf.NewWriter(&head, w.keys(), infos); err != nil {
		return err
	}
	m.Trunk.Bytes = head.n
	for _, x := range infos {
		n, err := x.Bytes()
		if err != nil {
			return err
		}
		m.Trunk.Bytes += up(n)
	}
	w.all = m.Trunk.Bytes
	if err := m.validate(); err != nil {
		return fmt.Errorf("the pack %w", err)
	}
	return w.each(func(s *shard) error {
		w.all += s.g.size(s.number)
		return nil
	})
}

// headSize finds the one size that all shards' heads have.
func (w *writer) headSize() error {
	w.m.ShardHead = Align
	return w.each(func(s *shard) error {
		n, err := s.headBytes()
		w.m.ShardHead = max(w.m.ShardHead, n)
		return err
	})
}

// each calls f for every shard.
func (w *writer) each(f func(s *shard) error) error {
	for i := range w.m.Tiers {
		t := &w.m.Tiers[i]
		for k := range t.Layers {
			s, err := w.m.shard(t, &t.Layers[k])
			if err != nil {
				return err
			}
			for ; s.number < s.g.shards; s.number++ {
				if err := f(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// shard is the first shard of a tier at a layer.
func (m *Manifest) shard(t *Tier, l *Layer) (*shard, error) {
	shape := &t.Shapes[l.Shape]
	g, err := m.geometry(t, shape)
	return &shard{m: m, tier: t, layer: l, shape: shape, g: g}, err
}

// trunkInfos are the tensors of the trunk: all of the model's but those that
// stand in shards.
func (w *writer) trunkInfos() ([]gguf.Info, []weights.Tensor, error) {
	inShards := map[string]bool{}
	for _, layers := range w.job.Tensors {
		for _, n := range layers {
			for _, name := range []string{n.Gate, n.Up, n.Down, n.GroupHead, n.ExpertHead} {
				inShards[name] = true
			}
		}
	}
	var infos []gguf.Info
	var tensors []weights.Tensor
	for t := range w.job.Model.All() {
		if inShards[t.Name] {
			continue
		}
		if t.Stack != nil {
			return nil, nil, fmt.Errorf("the tensor %s stands in shards and would be trunk", t.Name)
		}
		infos = append(infos, gguf.Info{Name: t.Name, Type: t.Type, Dims: t.Dims})
		tensors = append(tensors, t)
	}
	return infos, tensors, nil
}

// identity is the hash of what a pack is made of: two jobs with equal ones are
// taken to write the same pack, so that the second goes on where the first was
// interrupted. Of each tensor it has the description and the bytes at both ends.
func (w *writer) identity(ctx context.Context) (id Hash, err error) {
	h := blake3.New()
	m, err := w.m.encode()
	if err != nil {
		return id, err
	}
	_, _ = h.Write(m)
	if err := gguf.WriteKeys(h, w.keys()); err != nil {
		return id, err
	}
	for t := range w.job.Model.All() {
		_, _ = fmt.Fprintln(h, t.Name, t.Type, t.Dims) // a hash does not fail
		where := []base.Range{t.Range}
		if t.Stack != nil {
			where = where[:0]
			for _, r := range t.Stack.Runs {
				where = append(where, r.At)
			}
		}
		for _, r := range where {
			n := min(r.Len, Align)
			end := base.Range{Object: r.Object, Off: r.Off + r.Len - n, Len: n}
			for _, part := range []base.Range{{Object: r.Object, Off: r.Off, Len: n}, end} {
				if err := w.copy(ctx, h, part); err != nil {
					return id, err
				}
			}
		}
	}
	return Hash(h.Sum(nil)), nil
}

// keys are the metadata of the trunk: the model's, without those of a split and
// with the alignment of packs.
func (w *writer) keys() []weights.KV {
	var kvs []weights.KV
	for k, v := range w.job.Model.Meta.All() {
		if k == gguf.KeyAlignment || gguf.SplitKey(k) {
			continue
		}
		kvs = append(kvs, weights.KV{Key: k, Value: v})
	}
	return append(kvs, weights.KV{Key: gguf.KeyAlignment, Value: uint32(Align)})
}

// copy writes a range of the model to out.
func (w *writer) copy(ctx context.Context, out io.Writer, r base.Range) error {
	f := w.files[r.Object.Name]
	for off, end := r.Off, r.Off+r.Len; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := w.buf[:min(end-off, int64(len(w.buf)))]
		n, err := f.ReadAt(p, off)
		if n < len(p) {
			if err == nil || errors.Is(err, io.EOF) {
				return &ManifestError{Path: r.Object.Name, What: fmt.Sprintf("ends at byte %d: it was cut while it was packed", off+int64(n))}
			}
			return fmt.Errorf("reading %s at byte %d: %w", r.Object.Name, off, err)
		}
		if _, err := out.Write(p); err != nil {
			return err
		}
		off += int64(n)
		if w.begun { // else it is only looked at
			w.advance(int64(n))
		}
	}
	return nil
}

// advance tells who asks how far the writer is.
func (w *writer) advance(n int64) {
	if w.done += n; w.job.Progress != nil {
		w.job.Progress(w.done, w.all)
	}
}

// object writes one object, unless it was written before, by what fill writes,
// and returns the note that fill returned then.
func (w *writer) object(ctx context.Context, name string, size int64, fill func(out io.Writer) (note []byte, err error)) ([]byte, error) {
	if note, ok := w.sink.Done(name); ok {
		w.advance(size)
		return note, nil
	}
	f, err := w.sink.Create(ctx, name, size)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	end := w.done + size
	note, err := fill(f)
	if err == nil {
		err = f.Commit(note)
	}
	if err != nil {
		return nil, err
	}
	w.advance(end - w.done) // what was not copied: heads and padding
	return note, nil
}

// small writes an object whose bytes are at hand.
func (w *writer) small(ctx context.Context, name string, data []byte) error {
	if _, ok := w.sink.Done(name); ok {
		return nil
	}
	f, err := w.sink.Create(ctx, name, int64(len(data)))
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit(nil)
}

// trunk writes trunk.gguf with its hashes.
func (w *writer) trunk(ctx context.Context) error {
	infos, tensors, err := w.trunkInfos()
	if err != nil {
		return err
	}
	sums, err := w.object(ctx, trunkName, w.m.Trunk.Bytes, func(out io.Writer) ([]byte, error) {
		out, l := hashing(out, w.m.Trunk.spans())
		g, err := gguf.NewWriter(out, w.keys(), infos)
		if err != nil {
			return nil, err
		}
		for _, t := range tensors {
			if err := g.Tensor(t.Name, func(out io.Writer) error { return w.copy(ctx, out, t.Range) }); err != nil {
				return nil, err
			}
		}
		return l.sums, g.Close()
	})
	if err != nil {
		return err
	}
	w.m.Trunk.Root = sum(sums)
	return w.small(ctx, trunkHashes, sums)
}

// spans are the pages of a trunk.
func (t *Trunk) spans() []span {
	all := make([]span, 0, (t.Bytes+t.Page-1)/t.Page)
	for off := int64(0); off < t.Bytes; off += t.Page {
		all = append(all, span{off, min(t.Page, t.Bytes-off)})
	}
	return all
}

// layer writes the shards of a tier at a layer and their hashes.
func (w *writer) layer(ctx context.Context, t *Tier, l int, names *Names) error {
	s, err := w.m.shard(t, &t.Layers[l])
	if err != nil {
		return err
	}
	src, err := w.source(s, names)
	if err != nil {
		return err
	}
	var roots, all []byte
	for ; s.number < s.g.shards; s.number++ {
		name := shardName(t.Name, s.layer.Layer, s.number)
		sums, err := w.object(ctx, name, s.g.size(s.number), func(out io.Writer) ([]byte, error) { return w.shard(ctx, out, s, src) })
		if err != nil {
			return err
		}
		root := sum(sums)
		roots, all = append(roots, root[:]...), append(all, sums...)
	}
	s.layer.Root = sum(roots)
	return w.small(ctx, hashesName(t.Name, s.layer.Layer), append(roots, all...))
}

// stacks are the tensors that a layer is written from.
type stacks struct {
	parts             [parts]weights.Tensor
	group, expertHead weights.Tensor
	of                int // experts in each of the stacks
}

// source finds the tensors of a layer and holds them against its shape.
func (w *writer) source(s *shard, names *Names) (*stacks, error) {
	src := &stacks{}
	find := func(name string, x *Matrix, rows int64) (t weights.Tensor, err error) {
		t, ok := w.job.Model.Tensor(name)
		typ, _ := parseType(x.Type)
		if !ok || t.Type != typ || int64(t.Dim(0)) != x.Cols || int64(t.Elements())%(x.Cols*x.Rows) != 0 || int64(t.Elements()) < x.Cols*rows {
			return t, fmt.Errorf("the tensor %s is missing or is not %s with %d rows of %d", name, x.Type, rows, x.Cols)
		}
		return t, nil
	}
	var err error
	for i, x := range []*Matrix{&s.shape.Gate, &s.shape.Up, &s.shape.Down} {
		if src.parts[i], err = find([...]string{names.Gate, names.Up, names.Down}[i], x, x.Rows*s.shape.Count); err != nil {
			return nil, err
		}
	}
	if src.of = src.parts[0].Dim(2); s.g.perGroup == 0 {
		return src, nil
	}
	if src.group, err = find(names.GroupHead, &s.shape.GroupHead, s.shape.GroupHead.Rows); err != nil {
		return nil, err
	}
	src.expertHead, err = find(names.ExpertHead, &s.shape.ExpertHead, s.shape.Count)
	return src, err
}

// shard writes one shard and returns the hashes of its leaves.
func (w *writer) shard(ctx context.Context, out io.Writer, s *shard, src *stacks) ([]byte, error) {
	out, l := hashing(out, s.g.spans(s.number))
	g, infos, err := s.begin(out)
	if err != nil {
		return nil, err
	}
	next := 0
	put := func(t weights.Tensor, i, n int) error {
		r, err := t.Slice(i, n)
		if err != nil {
			return err
		}
		err = g.Tensor(infos[next].Name, func(out io.Writer) error { return w.copy(ctx, out, r) })
		next++
		return err
	}
	first, n := s.g.in(s.number)
	if s.g.perGroup > 0 {
		if s.number == 0 {
			if err := put(src.group, 0, 1); err != nil {
				return nil, err
			}
		}
		for i := range s.g.groups(n) {
			if err := put(src.expertHead, int(first/s.g.perGroup+i), int(s.tier.Groups)); err != nil {
				return nil, err
			}
		}
	}
	for i := range n {
		index := int(first + i)
		if s.layer.Experts != nil {
			index = int(s.layer.Experts[index])
		}
		for k := range src.parts {
			if err := put(src.parts[k], index, src.of); err != nil {
				return nil, err
			}
		}
	}
	return l.sums, g.Close()
}

// finish writes the manifest and its signature, and makes the pack appear.
func (w *writer) finish(ctx context.Context) (*Made, error) {
	if err := w.m.validate(); err != nil {
		return nil, fmt.Errorf("the pack %w", err)
	}
	b, err := w.m.encode()
	if err != nil {
		return nil, err
	}
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("the manifest has %d bytes, the limit is %d", len(b), MaxManifest)
	}
	if w.job.Key != nil {
		if err := w.small(ctx, SignatureName, sign(w.job.Key, b)); err != nil {
			return nil, err
		}
	}
	if err := w.small(ctx, ManifestName, b); err != nil {
		return nil, err
	}
	made := &Made{Digest: digest(b), Bytes: w.m.Trunk.Bytes}
	if w.job.Key != nil {
		made.SignedBy = KeyID(w.job.Key.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // of an Ed25519 key, always
	}
	err = w.each(func(s *shard) error {
		made.Bytes += s.g.size(s.number)
		made.Shards++
		return nil
	})
	return made, errors.Join(err, w.sink.Finish(ctx))
}

// ShapeOf is the shape of experts with these projections, of which there are
// count.
func ShapeOf(count int64, gate, up, down Matrix) Shape {
	return Shape{Count: count, PerShard: count, Gate: gate, Up: up, Down: down}
}

// MatrixOf describes a matrix.
func MatrixOf(t quant.Type, cols, rows int) Matrix {
	return Matrix{Type: t.String(), Cols: int64(cols), Rows: int64(min(rows, math.MaxInt32))}
}
