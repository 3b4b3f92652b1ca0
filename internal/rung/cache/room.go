package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// room keeps the entries of all processes within a budget.
//
// A file, usage, holds how many bytes they take, and its lock is that of the
// directory. The number is never too low: it is raised before a file is made,
// and lowered only by a count of all files. A process that dies in between, or a
// cell that is removed by itself, leaves it too high, until the next count.
// Files that are being written are made at their full size, under the lock, and
// so are counted; their own lock, which dies with the process, tells those that
// are abandoned.
type room struct {
	disk disk
	mu   struct {
		sync.Mutex // and then usage's own: flock is of the process's open file
		usage      stateFile
		used       int64 // at the last look
		evicted    uint64
		budget     int64
	}
}

// stateFile is the file usage.
type stateFile interface {
	readFile
	writeFile
	Lock() error
	Unlock() error
}

const (
	partDir   = "part"  // of files that are being written
	usageName = "usage" // the file of the lock
	usageLen  = 12      // bytes: the number, and its CRC32C
	block     = 4096    // what file systems give files by
)

// taken is what a file of n bytes takes.
func taken(n int64) int64 { return (n + block - 1) / block * block }

func openRoom(d disk, budget int64) (*room, error) {
	m := &room{disk: d}
	m.mu.budget = budget
	if err := d.Mkdir(partDir); err != nil {
		return nil, err
	}
	var err error
	if m.mu.usage, err = d.State(usageName); err != nil {
		return nil, err
	}
	if err = m.locked(m.open); err != nil {
		return nil, errors.Join(err, m.mu.usage.Close())
	}
	return m, nil
}

// open counts what is there, decides about the budget where nobody did, and evicts
// what is beyond. The lock is held.
func (m *room) open() error {
	if m.mu.budget > 0 {
		return m.count(m.mu.budget)
	}
	if err := m.count(math.MaxInt64); err != nil {
		return err
	}
	free, err := m.disk.Free()
	if err != nil {
		return err
	}
	m.mu.budget = (free + m.mu.used) / 2
	return m.count(m.mu.budget)
}

// locked does something while no other process, and no other goroutine of this
// one, looks at usage.
func (m *room) locked(do func() error) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.mu.usage.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.mu.usage.Unlock()) }()
	return do()
}

// reserve makes room for an entry and the file that is renamed to it later. It
// returns nil when the entry is there, or there is no room.
func (m *room) reserve(name, entry string, size int64) (f writeFile, err error) {
	n := taken(size)
	err = m.locked(func() error {
		if n > m.mu.budget {
			return nil
		}
		if there, err := m.disk.Open(entry); err == nil {
			return there.Close() // another process was first
		}
		used, ok := m.read()
		if !ok || used > m.mu.budget-n {
			// A tenth more is evicted than must be, so that counts are rare.
			if err := m.count(min(m.mu.budget/10*9, m.mu.budget-n)); err != nil {
				return err
			}
			used = m.mu.used
		}
		if used > m.mu.budget-n {
			return nil // what others are writing takes it
		}
		if err := m.write(used + n); err != nil {
			return err
		}
		f, err = m.disk.Create(name, size)
		return err
	})
	if err != nil && f != nil { // the lock could not be given back
		return nil, errors.Join(err, f.Close(), m.disk.Remove(name))
	}
	return f, err
}

// entryFile is an entry that a count has found.
type entryFile struct {
	name string
	size int64
	used time.Time
}

// count counts the files, removes abandoned ones, and removes entries, the
// longest unused first, until at most so many bytes are taken. The lock is held.
func (m *room) count(most int64) error {
	var entries []entryFile
	used := int64(0)
	err := m.disk.Walk(func(name string, info fs.FileInfo) error {
		dir := filepath.Dir(name)
		switch {
		case dir == partDir && m.disk.Abandoned(name):
			return m.disk.Remove(name)
		case dir == partDir:
			used += taken(info.Size())
		case len(dir) == 2 && !strings.Contains(dir, "."):
			entries = append(entries, entryFile{name, taken(info.Size()), info.ModTime()})
			used += taken(info.Size())
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b entryFile) int {
		if c := a.used.Compare(b.used); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for _, e := range entries {
		if used <= most {
			break
		}
		switch err := m.disk.Remove(e.name); {
		case err == nil:
			m.mu.evicted++
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		used -= e.size
	}
	return m.write(used)
}

// read is the number in usage, and false when it is none.
func (m *room) read() (int64, bool) {
	var b [usageLen]byte
	if n, _ := m.mu.usage.ReadAt(b[:], 0); n < len(b) {
		return 0, false
	}
	n := int64(binary.LittleEndian.Uint64(b[:])) //nolint:gosec // its sign is looked at
	if n < 0 || binary.LittleEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], castagnoli) {
		return 0, false
	}
	return n, true
}

// write sets the number in usage.
func (m *room) write(n int64) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(n)) //nolint:gosec // not negative
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := m.mu.usage.WriteAt(b, 0); err != nil {
		return err
	}
	m.mu.used = n
	return nil
}

func (m *room) stats() (used int64, evicted uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.used, m.mu.evicted
}

// setBudget changes the budget.
func (m *room) setBudget(n int64) error {
	return m.locked(func() error {
		m.mu.budget = n
		return m.count(n)
	})
}

func (m *room) bound() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.budget
}

func (m *room) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.usage.Close()
}
