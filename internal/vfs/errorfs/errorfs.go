// Package errorfs wraps a vfs.FS with scripted faults, so that a test can say
// which read of a model fails, ends early, comes late or comes back changed. It
// stands where the disk stands on the parameter's road.
//
//	disk := errorfs.New(vfs.OS{},
//		errorfs.Nth(3).Fail(syscall.EIO),
//		errorfs.Within("model.gguf", 4096, 512).Short(100),
//		errorfs.All().Wait(func(op errorfs.Op) { <-turn[op.Index] }))
//
// The same calls in the same order meet the same faults: there is no clock and
// no chance in it. Where calls are concurrent, rules by name and range stay
// exact, and rules by index hit one call each, whichever comes to that number.
package errorfs

import (
	"io"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/vfs"
)

// Op is one call as a rule sees it.
type Op struct {
	// Open is true for the opening of a file, which has no Off and no Len, and
	// false for a ReadAt.
	Open bool
	// Name is the file.
	Name string
	// Index counts the reads of the whole FS from 0, and its openings likewise.
	Index int64
	// Off and Len are the range that the read asks for, in bytes.
	Off int64
	Len int
}

// Match says which calls a rule is about.
type Match func(Op) bool

// All matches every read.
func All() Match { return func(op Op) bool { return !op.Open } }

// Nth matches the read with index i, counted over the whole FS from 0.
func Nth(i int64) Match { return func(op Op) bool { return !op.Open && op.Index == i } }

// Every matches the reads with indices n-1, 2n-1, 3n-1, ….
func Every(n int64) Match { return func(op Op) bool { return !op.Open && op.Index%n == n-1 } }

// From matches the read with index i and all that follow: a disk that dies.
func From(i int64) Match { return func(op Op) bool { return !op.Open && op.Index >= i } }

// Named matches every read of a file.
func Named(name string) Match { return func(op Op) bool { return !op.Open && op.Name == name } }

// Within matches the reads that touch any of n bytes of a file from off.
func Within(name string, off, n int64) Match {
	return func(op Op) bool {
		return !op.Open && op.Name == name && op.Off < off+n && off < op.Off+int64(op.Len)
	}
}

// Opening matches the opening of a file.
func Opening(name string) Match { return func(op Op) bool { return op.Open && op.Name == name } }

// Rule is what happens to the calls that it matches. Make one from a Match.
type Rule struct {
	match  Match
	before func(op Op)
	fail   error
	short  int
	cut    bool
	change func(op Op, p []byte)
}

// Fail makes the call return err, a read with no bytes.
func (m Match) Fail(err error) Rule { return Rule{match: m, fail: err} }

// Short makes a read return its first n bytes and io.EOF, as a file does that
// was cut after it was opened. A read of n bytes or fewer is left whole.
func (m Match) Short(n int) Rule { return Rule{match: m, short: n, cut: true} }

// Wait calls f before the call goes on. A test blocks in f until it wants the
// read to complete, which is a slow disk without a clock.
func (m Match) Wait(f func(Op)) Rule { return Rule{match: m, before: f} }

// Flip inverts the bits of mask in the byte at offset off of the file, wherever
// a matched read covers it.
func (m Match) Flip(off int64, mask byte) Rule {
	return Rule{match: m, change: func(op Op, p []byte) {
		if at := off - op.Off; at >= 0 && at < int64(len(p)) {
			p[at] ^= mask
		}
	}}
}

// FS is a file system with faults. It is safe for concurrent use if the
// functions given to Wait are.
type FS struct {
	inner        vfs.FS
	rules        []Rule
	reads, opens atomic.Int64
	bytes        atomic.Int64
}

// New wraps fsys. All rules that match a call apply, in their order: the
// callbacks first, then the first failure, else the shortest cut and all flips.
func New(fsys vfs.FS, rules ...Rule) *FS { return &FS{inner: fsys, rules: rules} }

// Reads is the number of reads so far, failed ones included.
func (f *FS) Reads() int64 { return f.reads.Load() }

// Bytes is the number of bytes that reads have returned so far.
func (f *FS) Bytes() int64 { return f.bytes.Load() }

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) {
	if err := f.begin(Op{Open: true, Name: name, Index: f.opens.Add(1) - 1}); err != nil {
		return nil, err
	}
	inner, err := f.inner.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{File: inner, fs: f}, nil
}

// OpenDirect implements vfs.DirectFS, if the wrapped FS does.
func (f *FS) OpenDirect(name string) (vfs.DirectFile, error) {
	if err := f.begin(Op{Open: true, Name: name, Index: f.opens.Add(1) - 1}); err != nil {
		return nil, err
	}
	inner, err := vfs.OpenDirect(f.inner, name)
	if err != nil {
		return nil, err
	}
	return &directFile{file{File: inner, fs: f}, inner.Align()}, nil
}

// begin runs the callbacks of the rules that match and returns the first
// failure among them.
func (f *FS) begin(op Op) error {
	var fail error
	for _, r := range f.rules {
		if !r.match(op) {
			continue
		}
		if r.before != nil {
			r.before(op)
		}
		if fail == nil {
			fail = r.fail
		}
	}
	return fail
}

// file hides the optional interfaces of the wrapped file: a Resident one would
// let its reader past the faults.
type file struct {
	vfs.File
	fs *FS
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	op := Op{Name: f.Name(), Index: f.fs.reads.Add(1) - 1, Off: off, Len: len(p)}
	if err := f.fs.begin(op); err != nil {
		return 0, err
	}
	n, err := f.File.ReadAt(p, off)
	for _, r := range f.fs.rules {
		if !r.match(op) {
			continue
		}
		if r.cut && r.short < n {
			n, err = r.short, io.EOF
		}
		if r.change != nil {
			r.change(op, p[:n])
		}
	}
	f.fs.bytes.Add(int64(n))
	return n, err
}

// directFile is a file opened past the page cache.
type directFile struct {
	file
	align int
}

// Align implements vfs.DirectFile.
func (f *directFile) Align() int { return f.align }
