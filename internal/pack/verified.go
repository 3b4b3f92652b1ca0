package pack

import (
	"fmt"
	"io"
	"sync"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/vfs"
)

// maxCached bounds the hashes that are kept in memory, in bytes. They are read
// again when they are needed again.
const maxCached = 8 << 20

// cache holds the hashes of objects that were read before.
type cache struct {
	mu    sync.Mutex // guards what follows
	known map[string][]byte
	bytes int
}

// HashMemory is the most bytes of hashes that the checks of a pack keep.
func (p *Pack) HashMemory() int64 {
	largest := (p.Manifest.Trunk.Bytes/page + 1) * HashSize
	all := largest
	for _, at := range p.shards {
		n := at.g.leaves(at.shard) * HashSize
		largest, all = max(largest, n), all+n
	}
	return min(all, max(largest, maxCached))
}

// get returns the hashes of an object, which load reads where they are not known.
func (c *cache) get(name string, load func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	sums, ok := c.known[name]
	c.mu.Unlock()
	if ok {
		return sums, nil
	}
	sums, err := load()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || c.bytes+len(sums) > maxCached {
		c.known, c.bytes = map[string][]byte{}, 0
	}
	if _, ok := c.known[name]; !ok {
		c.known[name] = sums
		c.bytes += len(sums)
	}
	return sums, nil
}

// Check holds a read of p from off of an object against the pack's hashes. Where
// p ends inside of what has one hash, read is asked for the whole of it, with
// the contract of io.ReaderAt. p may reach past the object's end. The error is an
// *IntegrityError, or what read returned. It is safe for concurrent use.
func (p *Pack) Check(obj base.Object, b []byte, off int64, read func(p []byte, off int64) error) error {
	end := min(off+int64(len(b)), obj.Size)
	var leaf func(i int64) span
	var first, count int64
	switch at, ok := p.shards[obj.Name]; {
	case ok:
		leaf = func(i int64) span { return at.g.leaf(at.shard, i) }
		first, count = at.g.leafAt(at.shard, off), at.g.leaves(at.shard)
	case obj.Name == p.name(trunkName):
		t := &p.Manifest.Trunk
		leaf = func(i int64) span { return span{i * t.Page, min(t.Page, t.Bytes-i*t.Page)} }
		first, count = off/t.Page, (t.Bytes+t.Page-1)/t.Page
	default:
		return &IntegrityError{Object: obj.Name, Part: "a file that is not in the manifest"}
	}
	var sums []byte
	for i := first; i < count; i++ {
		s := leaf(i)
		if s.off >= end {
			break
		}
		if sums == nil {
			var err error
			if sums, err = p.sums(obj); err != nil {
				return err
			}
		}
		if err := p.checkLeaf(obj, b, off, i, s, Hash(sums[i*HashSize:]), read); err != nil {
			return err
		}
	}
	return nil
}

// checkLeaf checks one leaf that a read touches.
func (p *Pack) checkLeaf(obj base.Object, b []byte, off, i int64, s span, want Hash, read func([]byte, int64) error) error {
	if s.off >= off && s.off+s.len <= off+int64(len(b)) {
		if sum(b[s.off-off:][:s.len]) != want {
			return p.damaged(obj, i)
		}
		return nil
	}
	whole := make([]byte, s.len)
	if err := read(whole, s.off); err != nil {
		return err
	}
	if sum(whole) != want {
		return p.damaged(obj, i)
	}
	// These bytes are the right ones, whatever the first read gave.
	if s.off < off {
		copy(b, whole[off-s.off:])
	} else {
		copy(b[s.off-off:], whole)
	}
	return nil
}

// sums are the hashes of an object's leaves.
func (p *Pack) sums(obj base.Object) ([]byte, error) {
	return p.hashes.get(obj.Name, func() ([]byte, error) {
		at, ok := p.shards[obj.Name]
		if !ok {
			return p.trunkSums()
		}
		return p.shardSums(at)
	})
}

// trunkSums reads the hashes of the trunk and checks them.
func (p *Pack) trunkSums() ([]byte, error) {
	t := &p.Manifest.Trunk
	want := (t.Bytes + t.Page - 1) / t.Page * HashSize
	b, err := p.readHashes(p.name(trunkHashes), want, 0, want)
	if err == nil && sum(b) != t.Root {
		err = &IntegrityError{Object: p.name(trunkHashes), Part: "the hashes of the trunk"}
	}
	return b, err
}

// shardSums reads the hashes of a shard and checks them: the roots of all shards
// of the layer against the manifest, and then the shard's own against its root.
func (p *Pack) shardSums(at place) ([]byte, error) {
	name, g := p.name(hashesName(at.tier.Name, at.layer.Layer)), at.g
	roots, err := p.readHashes(name, g.hashBytes(), 0, g.shards*HashSize)
	if err != nil {
		return nil, err
	}
	if sum(roots) != at.layer.Root {
		return nil, &IntegrityError{Object: name, Part: fmt.Sprintf("the hashes of layer %d of tier %s", at.layer.Layer, at.tier.Name)}
	}
	sums, err := p.readHashes(name, g.hashBytes(), (g.shards+g.leavesBefore(at.shard))*HashSize, g.leaves(at.shard)*HashSize)
	if err == nil && sum(sums) != Hash(roots[at.shard*HashSize:]) {
		err = &IntegrityError{Object: name, Part: fmt.Sprintf("the hashes of shard %d of layer %d of tier %s", at.shard, at.layer.Layer, at.tier.Name)}
	}
	return sums, err
}

// readHashes reads n bytes from off of a file of hashes, which must have size
// bytes in all.
func (p *Pack) readHashes(name string, size, off, n int64) ([]byte, error) {
	f, err := p.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if f.Size() != size {
		return nil, &ManifestError{Path: name, What: fmt.Sprintf("has %d bytes, the manifest says %d", f.Size(), size)}
	}
	b := make([]byte, n)
	return b, readFull(f, b, off)
}

// damaged says what the i-th leaf of an object is, whose bytes are not right.
func (p *Pack) damaged(obj base.Object, i int64) error {
	e := &IntegrityError{Object: obj.Name}
	at, ok := p.shards[obj.Name]
	if !ok {
		e.Part = fmt.Sprintf("page %d of the trunk", i)
		return e
	}
	where := fmt.Sprintf("of layer %d in tier %s", at.layer.Layer, at.tier.Name)
	first, n := at.g.in(at.shard)
	heads := at.g.leaves(at.shard) - n // before the experts
	switch {
	case i == 0:
		e.Part = "the head of a shard " + where
	case i >= heads:
		index := first + i - heads
		if at.layer.Experts != nil {
			index = int64(at.layer.Experts[index])
		}
		e.Part = fmt.Sprintf("expert %d %s", index, where)
	default:
		e.Part = "a routing head " + where
	}
	return e
}

// Verified is the pack's file system, of which every read of a shard and of the
// trunk is checked. Reads that go on from each other read what has one hash once.
func (p *Pack) Verified() vfs.FS { return verifiedFS{p} }

// verifiedFS is the file system of a pack, of which every read is checked.
type verifiedFS struct{ p *Pack }

// Open implements vfs.FS.
func (v verifiedFS) Open(name string) (vfs.File, error) {
	f, err := v.p.fs.Open(name)
	if err != nil {
		return nil, err
	}
	return &verifiedFile{File: f, p: v.p}, nil
}

// verifiedFile is a file of a pack.
type verifiedFile struct {
	vfs.File
	p *Pack

	mu struct {
		sync.Mutex
		off  int64  // where the piece begins that was last read whole
		last []byte // and its bytes, which are the right ones
	}
}

// ReadAt implements io.ReaderAt.
func (f *verifiedFile) ReadAt(p []byte, off int64) (int, error) {
	if f.remembered(p, off) {
		return len(p), nil
	}
	n, err := f.File.ReadAt(p, off)
	if n < len(p) && err != nil && err != io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return n, err
	}
	var last []byte
	var at int64
	bad := f.p.Check(base.Object{Name: f.Name(), Size: f.Size()}, p[:n], off, func(p []byte, off int64) error {
		last, at = p, off
		return readFull(f.File, p, off)
	})
	if bad != nil {
		return 0, bad
	}
	if last != nil {
		f.mu.Lock()
		f.mu.last, f.mu.off = last, at
		f.mu.Unlock()
	}
	return n, err
}

// remembered fills p from the piece that was last read whole, if it is in there.
func (f *verifiedFile) remembered(p []byte, off int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < f.mu.off || off+int64(len(p)) > f.mu.off+int64(len(f.mu.last)) {
		return false
	}
	copy(p, f.mu.last[off-f.mu.off:])
	return true
}
