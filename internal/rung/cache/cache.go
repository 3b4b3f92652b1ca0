// Package cache is the nvme rung before a farther one: a directory that keeps
// what was read from an object store, bounded in size, shared by processes, and
// checked on each read. On the parameter's road it stands between object and
// dram.
//
// Objects are cut into cells (an expert, or a MiB of anything else), and a cell
// is a file of its own, with a checksum. Why nothing wrong is ever read: an
// entry counts only when its checksum, which covers the bytes, the name of the
// object's version and the range, is right. Whatever a crash, a full disk, a
// flipped bit or another process makes of a file can lose a cell and no more.
// docs/adr/0009 has the rest: the bound, and what is done about the dead.
package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
)

// Options configure a Rung.
type Options struct {
	// Dir is the cache directory; it is made. A directory inside of it is the
	// cache's, and nothing else in it is touched.
	Dir string
	// Budget is the most bytes that entries take, in whole blocks of 4 KiB;
	// directories come on top. Processes that share the directory each hold
	// themselves to their own. 0 is half of what is free and of what entries
	// take already, when the cache is opened.
	Budget base.ByteSize
	// Below is where misses are read, without alignment, until SetBelow. The
	// caller closes it.
	Below rung.Rung
	// Identity says which bytes an object is: equal identities, equal bytes.
	Identity func(ctx context.Context, name string) (string, error)
	// Cell is the bytes of a cell where no run is; 0 is a MiB.
	Cell int64
	// Clock is the time of day, which orders entries by use.
	Clock func() time.Time

	disk disk // a test's; nil is Dir
	tag  string
}

// Rung reads through the cache. It implements rung.Rung under the name "nvme".
type Rung struct {
	opt    Options
	disk   disk
	room   *room
	below  atomic.Pointer[rung.Rung]
	grid   atomic.Pointer[grid]
	past   atomic.Bool // the page cache holds nothing of the entries
	closed atomic.Bool
	shut   func() error
	names  sync.Map // of objects: their identities
	part   atomic.Uint64

	counts struct {
		hits, misses, stored, corrupt, diskErrors, failed atomic.Uint64
		hitBytes, missBytes, storedBytes                  atomic.Int64
	}
}

// Stats is what a cache did since it was opened.
type Stats struct {
	Hits, Misses        uint64 // cells
	HitBytes, MissBytes int64  // read from the directory, and from the rung below
	Stored              uint64 // cells written
	StoredBytes         int64
	Evicted             uint64 // cells removed to make room
	Corrupt             uint64 // cells whose checksum was wrong: removed, and read below
	DiskErrors          uint64 // failures of the disk or the file system, each a miss or a cell not kept
	Used, Budget        int64  // bytes of all entries, by the last count; what they may take
}

// inside is the cache's own directory in Options.Dir. Its name is the format's.
const inside = "lite-cells-1"

// Open opens a cache directory, removes what dead processes left and evicts
// what is beyond the budget.
func Open(opt Options) (*Rung, error) {
	r := &Rung{opt: opt, disk: opt.disk, shut: func() error { return nil }}
	if r.opt.Cell <= 0 {
		r.opt.Cell = plainCell
	}
	r.SetRuns(nil)
	r.SetBelow(opt.Below)
	if opt.tag == "" {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, err
		}
		r.opt.tag = hex.EncodeToString(b[:])
	}
	if r.disk == nil {
		dir := filepath.Join(opt.Dir, inside)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("the cache directory: %w", err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("the cache directory: %w", err)
		}
		r.disk, r.shut = osDisk{root}, root.Close
	}
	var err error
	if r.room, err = openRoom(r.disk, int64(opt.Budget)); err != nil {
		return nil, errors.Join(fmt.Errorf("the cache directory %s: %w", opt.Dir, err), r.shut())
	}
	return r, nil
}

// SetBelow has misses read elsewhere from now on, such as through a check of what
// is read, before it is kept.
func (r *Rung) SetBelow(below rung.Rung) { r.below.Store(&below) }

// SetPast has the page cache keep nothing of what is read and written here, where
// memory is for something else: a cgroup counts its pages. A miss then waits for the
// disk.
func (r *Rung) SetPast(past bool) { r.past.Store(past) }

// SetBudget changes how much the entries may take, which is more than nothing, and
// evicts what is beyond.
func (r *Rung) SetBudget(n int64) error { return r.room.setBudget(n) }

// Budget is how much the entries may take.
func (r *Rung) Budget() int64 { return r.room.bound() }

// SetRuns says where experts are, so that each is a cell. What was cached
// elsewhere under other runs stays until it is evicted.
func (r *Rung) SetRuns(runs []Run) {
	g := newGrid(runs, r.opt.Cell)
	r.grid.Store(&g)
}

// Forget removes what is kept of an object: who read it found that it is not what it
// should be, which a checksum of what came cannot tell.
func (r *Rung) Forget(ctx context.Context, obj base.Object) error {
	identity, err := r.identity(ctx, obj)
	if err != nil {
		return err
	}
	g := *r.grid.Load()
	for off := int64(0); off < obj.Size; {
		begin, end := g.cell(obj, off)
		r.remove(keyOf(identity, begin, end).path())
		off = end
	}
	return nil
}

// Name implements rung.Rung.
func (*Rung) Name() string { return "nvme" }

// Align implements rung.Rung.
func (*Rung) Align() int { return 1 }

// Whole implements rung.Whole: a part of a cell costs as much as all of it.
func (*Rung) Whole() bool { return true }

// Counts implements rung.Counter: the cells that the directory had.
func (r *Rung) Counts() rung.Counts {
	c := &r.counts
	return rung.Counts{Reads: c.hits.Load(), Bytes: c.hitBytes.Load(), Failed: c.failed.Load()}
}

// Stats returns the counts so far. Any goroutine may call it.
func (r *Rung) Stats() Stats {
	c := &r.counts
	used, evicted := r.room.stats()
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), HitBytes: c.hitBytes.Load(), MissBytes: c.missBytes.Load(),
		Stored: c.stored.Load(), StoredBytes: c.storedBytes.Load(), Evicted: evicted, Corrupt: c.corrupt.Load(),
		DiskErrors: c.diskErrors.Load(), Used: used, Budget: r.room.bound(),
	}
}

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := rung.Span(obj, off, len(p))
	if err == nil {
		err = r.read(ctx, obj, p[:n], off)
	}
	if err == nil {
		return nil
	}
	r.counts.failed.Add(1)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*rung.ReadError](err); ok {
		err = e.Err
	}
	return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: err}
}

// part is what a read takes of a cell.
type part struct {
	k          key
	begin, end int64  // the cell
	p          []byte // what of the caller's is in it
	off        int64  // where that begins
}

// whole says that all of the cell was asked for.
func (c *part) whole() bool { return int64(len(c.p)) == c.end-c.begin }

// read reads cell by cell. Whole cells that adjoin and are missing are one read
// of the rung below.
func (r *Rung) read(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if r.closed.Load() {
		return fs.ErrClosed
	}
	identity, err := r.identity(ctx, obj)
	if err != nil {
		return err
	}
	g := *r.grid.Load()
	all, from := p, off
	var missing []part
	for len(p) > 0 {
		c := part{off: off}
		c.begin, c.end = g.cell(obj, off)
		n := min(int64(len(p)), c.end-off)
		c.p, p, off = p[:n:n], p[n:], off+n
		c.k = keyOf(identity, c.begin, c.end)
		if r.hit(&c) {
			if err := r.fetch(ctx, obj, all, from, missing); err != nil {
				return err
			}
			missing = missing[:0]
			continue
		}
		missing = append(missing, c)
	}
	return r.fetch(ctx, obj, all, from, missing)
}

// identity is the object's, asked once.
func (r *Rung) identity(ctx context.Context, obj base.Object) (string, error) {
	name := fmt.Sprintf("%d\x00%s", obj.Size, obj.Name)
	if v, ok := r.names.Load(name); ok {
		s, _ := v.(string)
		return s, nil
	}
	id, err := r.opt.Identity(ctx, obj.Name)
	if err != nil {
		return "", err
	}
	id = fmt.Sprintf("%d\x00%s", obj.Size, id) // one who believes in another size shares nothing
	r.names.Store(name, id)
	return id, nil
}

// hit reads a cell's part from the directory, and says whether it is there.
func (r *Rung) hit(c *part) bool {
	data := c.p
	if !c.whole() {
		data = make([]byte, c.end-c.begin)
	}
	ok, err := r.load(c.k, data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		r.counts.diskErrors.Add(1)
	case !ok:
		r.counts.corrupt.Add(1)
	}
	if !ok {
		r.remove(c.k.path())
		return false
	}
	if !c.whole() {
		copy(c.p, data[c.off-c.begin:])
	}
	r.counts.hits.Add(1)
	r.counts.hitBytes.Add(int64(len(c.p)))
	return true
}

// coarse is how old a use may be before it is noted anew: times of use order
// evictions, and writing them on each read would be as many writes as reads.
const coarse = time.Minute

// load fills data from an entry and says whether it is the right bytes. Without
// an error and without them, the entry is corrupt.
func (r *Rung) load(k key, data []byte) (ok bool, err error) {
	f, err := r.disk.Open(k.path())
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() != int64(len(data))+trailer {
		return false, nil
	}
	var t [trailer]byte
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return false, err
	}
	if n, err := f.ReadAt(t[:], int64(len(data))); n < trailer {
		return false, err
	}
	if r.past.Load() {
		if err := f.Drop(); err != nil {
			r.counts.diskErrors.Add(1) // the bytes are there, and checked
		}
	}
	if !k.holds(data, t[:]) {
		return false, nil
	}
	if now := r.opt.Clock(); now.Sub(info.ModTime()) > coarse {
		_ = r.disk.Touch(k.path(), now) // an older time costs an eviction too early
	}
	return true, nil
}

// remove removes an entry, or what is left of one. The count of bytes stays too
// high until the next one: that is the safe side.
func (r *Rung) remove(name string) {
	if err := r.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.counts.diskErrors.Add(1)
	}
}

// fetch reads missing cells, which adjoin, from below and keeps them. all is what
// the caller reads, from the offset from on.
func (r *Rung) fetch(ctx context.Context, obj base.Object, all []byte, from int64, missing []part) error {
	for len(missing) > 0 {
		n := 0
		for n < len(missing) && missing[n].whole() {
			n++
		}
		var err error
		if n > 0 {
			err = r.fetchWhole(ctx, obj, all, from, missing[:n])
		} else {
			n = 1
			err = r.fetchPart(ctx, obj, &missing[0])
		}
		if err != nil {
			return err
		}
		missing = missing[n:]
	}
	return nil
}

// fetchWhole reads adjoining cells that are the caller's in whole, in one go.
func (r *Rung) fetchWhole(ctx context.Context, obj base.Object, all []byte, from int64, cells []part) error {
	n := 0
	for i := range cells {
		n += len(cells[i].p)
	}
	first := cells[0].begin - from
	if err := (*r.below.Load()).ReadAt(ctx, obj, all[first:first+int64(n)], cells[0].begin); err != nil {
		return err
	}
	for i := range cells {
		r.missed(cells[i].k, cells[i].p)
	}
	return nil
}

// fetchPart reads a cell of which the caller wants a part.
func (r *Rung) fetchPart(ctx context.Context, obj base.Object, c *part) error {
	data := make([]byte, c.end-c.begin)
	if err := (*r.below.Load()).ReadAt(ctx, obj, data, c.begin); err != nil {
		return err
	}
	copy(c.p, data[c.off-c.begin:])
	r.missed(c.k, data)
	return nil
}

// missed counts a cell that came from below, and keeps it.
func (r *Rung) missed(k key, data []byte) {
	r.counts.misses.Add(1)
	r.counts.missBytes.Add(int64(len(data)))
	stored, err := r.store(k, data)
	switch {
	case err != nil:
		r.counts.diskErrors.Add(1)
	case stored:
		r.counts.stored.Add(1)
		r.counts.storedBytes.Add(int64(len(data)))
	}
}

// store writes an entry: to a file that is reserved, then renamed to its name.
// It is not synced: an entry that a power failure tears is a miss.
func (r *Rung) store(k key, data []byte) (stored bool, err error) {
	name := filepath.Join(partDir, fmt.Sprintf("%s-%d", r.opt.tag, r.part.Add(1)))
	f, err := r.room.reserve(name, k.path(), int64(len(data))+trailer)
	if f == nil {
		return false, err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		_, err = f.WriteAt(k.seal(data), int64(len(data)))
	}
	if err == nil && r.past.Load() {
		err = f.Drop()
	}
	if err == nil {
		err = r.disk.Mkdir(filepath.Dir(k.path()))
	}
	if err == nil {
		err = r.disk.Rename(name, k.path())
	}
	if err != nil {
		r.remove(name)
	}
	return err == nil, errors.Join(err, f.Close())
}

// Close implements rung.Rung. The rung below is the caller's.
func (r *Rung) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return errors.Join(r.room.close(), r.shut())
}
