package pack

import (
	"encoding/hex"
	"errors"
	"io"

	"github.com/zeebo/blake3"
)

// HashSize is the bytes of a hash.
const HashSize = 32

// Hash is a BLAKE3 hash of 256 bits. It prints, and stands in JSON, as 64
// hexadecimal digits in lower case.
type Hash [HashSize]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

var errHash = errors.New("a hash is 64 hexadecimal digits in lower case")

// UnmarshalText implements encoding.TextUnmarshaler. A hash has one spelling.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*HashSize {
		return errHash
	}
	var got Hash
	if _, err := hex.Decode(got[:], text); err != nil || got.String() != string(text) {
		return errHash
	}
	*h = got
	return nil
}

// sum is the hash of p.
func sum(p []byte) Hash { return blake3.Sum256(p) }

// span is a part of an object that has a hash of its own.
type span struct{ off, len int64 }

// leaves hashes the spans of what is written through it, front to back.
// Bytes between spans are padding and not hashed; they must be zero.
type leaves struct {
	spans []span
	sums  []byte // a hash for each span that has ended
	at    int64
	next  int
	h     *blake3.Hasher
	dirty bool // a byte of the padding was not zero
}

func newLeaves(spans []span) *leaves {
	return &leaves{spans: spans, sums: make([]byte, 0, len(spans)*HashSize), h: blake3.New()}
}

// Write implements io.Writer. It does not fail.
func (l *leaves) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if l.next == len(l.spans) || l.at < l.spans[l.next].off {
			k := int64(len(p))
			if l.next < len(l.spans) {
				k = min(k, l.spans[l.next].off-l.at)
			}
			l.dirty = l.dirty || !zero(p[:k])
			p, l.at = p[k:], l.at+k
			continue
		}
		s := l.spans[l.next]
		k := min(int64(len(p)), s.off+s.len-l.at)
		_, _ = l.h.Write(p[:k]) // a hash does not fail
		p, l.at = p[k:], l.at+k
		if l.at == s.off+s.len {
			l.sums = l.h.Sum(l.sums)
			l.h.Reset()
			l.next++
		}
	}
	return n, nil
}

func zero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// hashing is a writer that also hashes spans.
func hashing(w io.Writer, spans []span) (io.Writer, *leaves) {
	l := newLeaves(spans)
	return io.MultiWriter(w, l), l
}
