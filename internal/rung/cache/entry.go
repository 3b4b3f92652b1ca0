package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"path/filepath"
)

// An entry is a file: the bytes of a cell, then a trailer.
//
//	0          n              n+8        n+40      n+48     n+52   n+64
//	│ n bytes  │ "LITECEL1"   │ key      │ n       │ CRC32C │ zero │
//
// The key is the SHA-256 of which bytes they are: the object's identity and the
// range. The checksum is of everything before it. A file that was cut, is a
// mixture, or holds other bytes fails it, and is a miss.
const (
	magic   = "LITECEL1"
	trailer = 64
	sumAt   = 48
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// key names a cell, whatever the process.
type key [sha256.Size]byte

// keyOf is the key of the cell [begin, end) of what identity says.
func keyOf(identity string, begin, end int64) key {
	return sha256.Sum256(fmt.Appendf(nil, "%d-%d\x00%s", begin, end, identity))
}

// path is where the entry stands in the cache directory.
func (k key) path() string {
	name := hex.EncodeToString(k[:])
	return filepath.Join(name[:2], name[2:40])
}

// seal is the trailer of these bytes.
func (k key) seal(data []byte) []byte {
	t := make([]byte, 0, trailer)
	t = append(t, magic...)
	t = append(t, k[:]...)
	t = binary.LittleEndian.AppendUint64(t, uint64(len(data)))
	t = binary.LittleEndian.AppendUint32(t, sum(data, t))
	return t[:trailer]
}

// sum is the checksum of an entry whose trailer begins with head.
func sum(data, head []byte) uint32 {
	return crc32.Update(crc32.Checksum(data, castagnoli), castagnoli, head)
}

// holds says that the trailer is that of the bytes under this key.
func (k key) holds(data, t []byte) bool { return bytes.Equal(t, k.seal(data)) }
