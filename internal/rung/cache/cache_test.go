package cache

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/rungtest"
)

func TestConformance(t *testing.T) {
	for name, budget := range map[string]int64{"all fits": 1 << 30, "little fits": 2<<20 + 8192, "nothing fits": 1} {
		t.Run(name, func(t *testing.T) {
			rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
				r := openDir(t, t.TempDir(), budget, newBelow(map[string][]byte{"a": data}))
				if budget == 1 {
					// What is counted are the reads of the directory.
					return struct{ rung.Rung }{r}, base.Object{Name: "a", Size: int64(len(data))}
				}
				r.SetRuns([]Run{{"a", 100, 1000, 50, 0}, {"a", 2 << 20, 5 << 10, 7, 4 << 10}})
				return r, base.Object{Name: "a", Size: int64(len(data))}
			})
		})
	}
}

// TestGrid holds that cells are a partition of the object, whatever the runs,
// and that the unit of a run is a cell.
func TestGrid(t *testing.T) {
	obj := base.Object{Name: "a", Size: 30 << 20}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var runs []Run
		for range r.IntN(6) {
			unit := 1 + r.Int64N(6<<20)
			runs = append(runs, Run{"a", r.Int64N(obj.Size), unit, r.Int64N(10) - 1, r.Int64N(2) * r.Int64N(unit+1)})
		}
		g := newGrid(runs, plainCell)
		for at := int64(0); at < obj.Size; {
			begin, end := g.cell(obj, at)
			require.Equal(t, at, begin)
			require.Greater(t, end, begin)
			require.LessOrEqual(t, end-begin, int64(maxCell))
			inner := begin + r.Int64N(end-begin)
			b2, e2 := g.cell(obj, inner)
			require.Equal(t, [2]int64{begin, end}, [2]int64{b2, e2})
			at = end
			require.LessOrEqual(t, end, obj.Size)
		}
	}
	g := newGrid([]Run{{"a", 4096, 300, 100, 0}, {"a", 5000, 1, 1, 0}, {"b", 0, 1, 1, 0}}, plainCell)
	begin, end := g.cell(obj, 4096+300*7+5)
	require.Equal(t, [2]int64{4096 + 2100, 4096 + 2400}, [2]int64{begin, end}, "an expert")
	begin, end = g.cell(obj, 4095)
	require.Equal(t, [2]int64{0, 4096}, [2]int64{begin, end}, "what is before a run ends with it")
	begin, end = g.cell(obj, 4096+300*100)
	require.Equal(t, [2]int64{34096, 34096 + plainCell}, [2]int64{begin, end})
}

// TestSecondRunReadsNothing holds that what one process has read another finds,
// whatever pieces either reads it in.
func TestSecondRunReadsNothing(t *testing.T) {
	dir, data := t.TempDir(), noise(1, 9<<20+123)
	obj := base.Object{Name: "a", Size: int64(len(data))}
	runs := []Run{{"a", 1<<20 + 77, 333_333, 11, 333_000}}
	read := func(piece int) (reads, n int) {
		b := newBelow(map[string][]byte{"a": data})
		r := openDir(t, dir, 1<<30, b)
		r.SetRuns(runs)
		p := make([]byte, piece)
		for off := 0; off < len(data); off += piece {
			require.NoError(t, r.ReadAt(context.Background(), obj, p, int64(off)))
			want := data[off:min(off+piece, len(data))]
			require.True(t, bytes.Equal(want, p[:len(want)]))
		}
		return b.count()
	}
	reads, n := read(len(data))
	require.Equal(t, 1, reads, "what adjoins is one read")
	require.Equal(t, len(data), n)
	for _, piece := range []int{1 << 20, 65_537, 8 << 20} {
		reads, _ := read(piece)
		require.Zero(t, reads)
	}
}

// TestLRU shows what is evicted: what was not used for longest.
func TestLRU(t *testing.T) {
	dir := t.TempDir()
	objects := map[string][]byte{}
	for i := range 12 {
		objects[strconv.Itoa(i)] = noise(uint64(i), 10_000)
	}
	b := newBelow(objects)
	r := openDir(t, dir, 10*taken(10_000+trailer), b)
	read := func(i int) bool {
		before, _ := b.count()
		p := make([]byte, 10_000)
		name := strconv.Itoa(i)
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: name, Size: 10_000}, p, 0))
		require.True(t, bytes.Equal(objects[name], p))
		after, _ := b.count()
		return after > before
	}
	for i := range 10 {
		require.True(t, read(i))
	}
	for i := range 10 {
		require.False(t, read(i), "it fits")
	}
	require.False(t, read(0))
	require.True(t, read(10))
	require.False(t, read(0), "it was used last")
	require.True(t, read(1), "it was used first")
	n, _ := onDisk(t, dir)
	require.LessOrEqual(t, n, int64(r.opt.Budget))
	require.Positive(t, r.Stats().Evicted)
}

// TestFlips holds that no bit of an entry can be changed unnoticed, and that
// what was found is repaired.
func TestFlips(t *testing.T) {
	dir, data := t.TempDir(), noise(1, 1000)
	obj := base.Object{Name: "a", Size: int64(len(data))}
	r := openDir(t, dir, 1<<20, newBelow(map[string][]byte{"a": data}))
	read := func() {
		p := make([]byte, len(data))
		require.NoError(t, r.ReadAt(context.Background(), obj, p, 0))
		require.True(t, bytes.Equal(data, p))
	}
	read()
	_, files := onDisk(t, dir)
	require.Len(t, files, 1)
	good, err := os.ReadFile(files[0])
	require.NoError(t, err)
	corrupt := uint64(0)
	for at := range good {
		if at < 900 && at%10 > 0 {
			continue // the trailer and what is before it, byte by byte
		}
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		require.NoError(t, os.WriteFile(files[0], bad, 0o600))
		read()
		corrupt++
		require.Equal(t, corrupt, r.Stats().Corrupt, "byte %d", at)
	}
	for n := 0; n < len(good); n += 7 {
		require.NoError(t, os.WriteFile(files[0], good[:n], 0o600))
		read()
		corrupt++
	}
	require.NoError(t, os.WriteFile(files[0], append(bytes.Clone(good), 0), 0o600))
	read()
	require.Equal(t, corrupt+1, r.Stats().Corrupt)
	now, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, good, now, "it is whole again")
}

// TestIdentity holds that another version, another size and another range are
// other bytes, even where one entry stands in the other's place.
func TestIdentity(t *testing.T) {
	dir, one, two := t.TempDir(), noise(1, 5000), noise(2, 5000)
	version := "1"
	id := func(context.Context, string) (string, error) { return version, nil }
	read := func(data []byte) {
		r, err := Open(Options{
			Dir: dir, Budget: 1 << 20, Below: newBelow(map[string][]byte{"a": data}),
			Identity: id, Clock: newCalendar().Now,
		})
		require.NoError(t, err)
		p := make([]byte, len(data))
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: "a", Size: 5000}, p, 0))
		require.True(t, bytes.Equal(data, p))
		require.NoError(t, r.Close())
	}
	read(one)
	version = "2"
	read(two)
	_, files := onDisk(t, dir)
	require.Len(t, files, 2)
	a, err := os.ReadFile(files[0])
	require.NoError(t, err)
	b, err := os.ReadFile(files[1])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], b, 0o600))
	require.NoError(t, os.WriteFile(files[1], a, 0o600))
	read(two)
	version = "1"
	read(one)
}

// TestForget holds that what is forgotten is read below again.
func TestForget(t *testing.T) {
	data := noise(1, 3<<20)
	b := newBelow(map[string][]byte{"a": data, "b": data})
	r := openDir(t, t.TempDir(), 1<<30, b)
	read := func(name string) int {
		before, _ := b.count()
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: name, Size: 3 << 20}, make([]byte, 3<<20), 0))
		after, _ := b.count()
		return after - before
	}
	for _, name := range []string{"a", "b"} {
		require.Equal(t, 1, read(name))
		require.Zero(t, read(name))
	}
	require.NoError(t, r.Forget(context.Background(), base.Object{Name: "a", Size: 3 << 20}))
	require.Equal(t, 1, read("a"))
	require.Zero(t, read("b"))
}

// TestForeignFiles holds that files of others are neither counted nor removed.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "holiday.jpg")
	require.NoError(t, os.WriteFile(mine, make([]byte, 1<<20), 0o600))
	r := openDir(t, dir, 100_000, newBelow(map[string][]byte{"a": noise(1, 90_000)}))
	for range 3 {
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: "a", Size: 90_000}, make([]byte, 90_000), 0))
	}
	require.Equal(t, uint64(2), r.Stats().Hits)
	require.FileExists(t, mine)
}

func TestBelowFails(t *testing.T) {
	b := newBelow(map[string][]byte{"a": noise(1, 9000)})
	r := openDir(t, t.TempDir(), 1<<20, b)
	b.mu.fail = &rung.ReadError{Err: syscall.EIO}
	obj := base.Object{Name: "a", Size: 9000}
	err := r.ReadAt(context.Background(), obj, make([]byte, 10), 5)
	require.Equal(t, &rung.ReadError{Object: obj, Off: 5, Len: 10, Err: syscall.EIO}, err)
	b.mu.fail = nil
	require.NoError(t, r.ReadAt(context.Background(), obj, make([]byte, 10), 5))
}

func TestNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := Open(Options{Dir: path, Budget: 1, Identity: named, Clock: newCalendar().Now})
	require.Error(t, err)
	var pe *fs.PathError
	require.ErrorAs(t, err, &pe)
}

// TestTwoAtOnce has two caches of one directory, as two processes have, read
// more than fits from several goroutines each.
func TestTwoAtOnce(t *testing.T) {
	dir, data := t.TempDir(), noise(3, 400*5000)
	obj := base.Object{Name: "a", Size: int64(len(data))}
	const budget = 100 * 8192
	var wg sync.WaitGroup
	for i := range 2 {
		r := openDir(t, dir, budget, newBelow(map[string][]byte{"a": data}))
		r.SetRuns([]Run{{"a", 0, 5000, 400, 0}})
		for j := range 3 {
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			wg.Go(func() {
				for range 300 {
					at, p := rnd.IntN(400)*5000, make([]byte, 5000)
					if err := r.ReadAt(context.Background(), obj, p, int64(at)); err != nil || !bytes.Equal(data[at:at+5000], p) {
						t.Errorf("read at %d: %v", at, err)
					}
				}
			})
		}
	}
	wg.Wait()
	n, files := onDisk(t, dir)
	require.LessOrEqual(t, n, int64(budget))
	require.NotEmpty(t, files)
	for _, f := range files {
		require.NotContains(t, f, partDir+string(filepath.Separator), "nothing is left that was being written")
	}
}

// TestBudgetOfHalf holds that a cache without a budget takes half of the disk, and
// no less because it has taken some already.
func TestBudgetOfHalf(t *testing.T) {
	d := &faulty{disk: roomy{rooted(t, t.TempDir())}, what: func(int64, string) fault { return none }}
	data := noise(1, 100_000)
	for i := range 3 {
		r, err := Open(Options{Below: newBelow(map[string][]byte{"a": data}), Identity: named, Clock: newCalendar().Now, disk: d, tag: strconv.Itoa(i)})
		require.NoError(t, err)
		require.NoError(t, r.ReadAt(context.Background(), base.Object{Name: "a", Size: 100_000}, make([]byte, 100_000), 0))
		require.Equal(t, int64(500_000), r.Stats().Budget)
		require.NoError(t, r.Close())
	}
}

// roomy is a disk of a million bytes.
type roomy struct{ disk }

func (d roomy) Free() (int64, error) {
	used := int64(0)
	err := d.Walk(func(name string, info fs.FileInfo) error {
		if name != usageName {
			used += taken(info.Size())
		}
		return nil
	})
	return 1_000_000 - used, err
}
