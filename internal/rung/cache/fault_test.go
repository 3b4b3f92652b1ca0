package cache

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

// faulty is a disk on which something happens at one operation, or from it on.
type faulty struct {
	disk
	ops  atomic.Int64
	what func(op int64, name string) fault
}

// fault is what happens to an operation.
type fault uint8

const (
	none   fault = iota
	refuse       // it fails
	tear         // a write stops half way and says so; anything else fails
	lie          // a write stops half way and says nothing
	flip         // a read has another bit
	die          // the process is killed before it
	torn         // the process is killed in the middle of a write, else after the operation
)

func (f *faulty) next(name string) (fault, error) {
	w := f.what(f.ops.Add(1)-1, name)
	if w == die {
		kill()
	}
	return w, map[fault]error{refuse: syscall.ENOSPC, tear: syscall.EIO}[w]
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func after(w fault) {
	if w == torn {
		kill()
	}
}

func (f *faulty) Open(name string) (readFile, error) {
	w, err := f.next("open")
	if err != nil {
		return nil, err
	}
	file, err := f.disk.Open(name)
	after(w)
	if err != nil {
		return nil, err
	}
	return faultyFile{readFile: file, f: f}, nil
}

func (f *faulty) Create(name string, size int64) (writeFile, error) {
	w, err := f.next("create")
	if err != nil {
		return nil, err
	}
	file, err := f.disk.Create(name, size)
	after(w)
	if err != nil {
		return nil, err
	}
	return faultyFile{writeFile: file, f: f}, nil
}

func (f *faulty) State(name string) (stateFile, error) {
	w, err := f.next("state")
	if err != nil {
		return nil, err
	}
	file, err := f.disk.State(name)
	after(w)
	if err != nil {
		return nil, err
	}
	return faultyState{faultyFile{file, file, f}, file}, nil
}

func (f *faulty) simple(what string, do func() error) error {
	w, err := f.next(what)
	if err != nil {
		return err
	}
	err = do()
	after(w)
	return err
}

func (f *faulty) Rename(from, to string) error {
	return f.simple("rename", func() error { return f.disk.Rename(from, to) })
}

func (f *faulty) Remove(name string) error {
	return f.simple("remove", func() error { return f.disk.Remove(name) })
}

func (f *faulty) Mkdir(name string) error {
	return f.simple("mkdir", func() error { return f.disk.Mkdir(name) })
}

func (f *faulty) Touch(name string, at time.Time) error {
	return f.simple("touch", func() error { return f.disk.Touch(name, at) })
}

func (f *faulty) Walk(yield func(string, fs.FileInfo) error) error {
	return f.simple("walk", func() error { return f.disk.Walk(yield) })
}

type faultyFile struct {
	readFile
	writeFile
	f *faulty
}

func (f faultyFile) Close() error {
	if f.readFile != nil {
		return f.readFile.Close()
	}
	return f.writeFile.Close()
}

func (f faultyFile) Drop() error {
	return f.f.simple("drop", func() error {
		if f.readFile != nil {
			return f.readFile.Drop()
		}
		return f.writeFile.Drop()
	})
}

func (f faultyFile) ReadAt(p []byte, off int64) (int, error) {
	w, err := f.f.next("read")
	if err != nil {
		return 0, err
	}
	n, err := f.readFile.ReadAt(p, off)
	if w == flip && n > 0 {
		p[n/2] ^= 4
	}
	after(w)
	return n, err
}

func (f faultyFile) WriteAt(p []byte, off int64) (int, error) {
	w, err := f.f.next("write")
	if err == nil && w != lie && w != torn {
		return f.writeFile.WriteAt(p, off)
	}
	if w == refuse {
		return 0, err
	}
	n, werr := f.writeFile.WriteAt(p[:len(p)/2], off)
	after(w)
	if w == lie && werr == nil {
		return len(p), nil
	}
	if werr != nil {
		err = werr
	}
	return n, err
}

type faultyState struct {
	faultyFile
	s stateFile
}

func (f faultyState) Stat() (fs.FileInfo, error) { return f.s.Stat() }
func (f faultyState) Lock() error                { return f.f.simple("lock", f.s.Lock) }
func (f faultyState) Unlock() error              { return f.s.Unlock() }

// The script of fault tests: objects of a few cells each, read in an order, in a
// cache that holds some of them.
const (
	scriptUnit   = 3000
	scriptUnits  = 12
	scriptReads  = 9
	scriptBudget = 7 * block
	pastSeed     = 3 // of scripts past the page cache
)

func scriptData() ([]byte, base.Object) {
	data := noise(7, scriptUnit*scriptUnits)
	return data, base.Object{Name: "a", Size: int64(len(data))}
}

// script opens a cache on that disk and reads; every byte must be right.
func script(d disk, tag string, seed uint64, say func(string)) error {
	data, obj := scriptData()
	r, err := Open(Options{
		Budget: scriptBudget, Below: newBelow(map[string][]byte{"a": data}), Identity: named, Clock: newCalendar().Now,
		disk: d, tag: tag,
	})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	r.SetRuns([]Run{{"a", 0, scriptUnit, scriptUnits, 0}})
	r.SetPast(seed == pastSeed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range scriptReads {
		from := rnd.IntN(scriptUnits)
		n := 1 + rnd.IntN(min(3, scriptUnits-from))
		p := make([]byte, n*scriptUnit-rnd.IntN(2)*500)
		if err := r.ReadAt(context.Background(), obj, p, int64(from*scriptUnit)); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if !bytes.Equal(data[from*scriptUnit:from*scriptUnit+len(p)], p) {
			return fmt.Errorf("wrong bytes at %d", from)
		}
		say("read")
	}
	return r.Close()
}

func quiet(string) {}

func rooted(t testing.TB, dir string) osDisk {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return osDisk{root}
}

// TestFaultsEverywhere fails each operation of the script once, and all from it
// on, in every way. A cache that is open never fails a read for it, and bytes are
// right in this process and the next.
func TestFaultsEverywhere(t *testing.T) {
	clean := &faulty{disk: rooted(t, t.TempDir()), what: func(int64, string) fault { return none }}
	require.NoError(t, script(clean, "x", 1, quiet))
	all := clean.ops.Load()
	require.Greater(t, all, int64(60))
	for _, w := range []fault{refuse, tear, lie, flip} {
		for at := range all {
			for _, from := range []bool{false, true} {
				if from && at%11 != 0 {
					continue // a disk that dies does so anywhere
				}
				d := rooted(t, t.TempDir())
				f := &faulty{disk: d, what: func(op int64, _ string) fault {
					if op == at || from && op > at {
						return w
					}
					return none
				}}
				err := script(f, "x", 1, quiet)
				if err != nil {
					require.True(t, strings.HasPrefix(err.Error(), "open: "), "fault %d at %d: %v", w, at, err)
				}
				require.NoError(t, script(d, "y", 2, quiet), "after fault %d at %d", w, at)
				requireBounded(t, d)
			}
		}
	}
	drops := &faulty{disk: rooted(t, t.TempDir()), what: func(_ int64, name string) fault {
		return map[bool]fault{true: tear}[name == "drop"]
	}}
	require.NoError(t, script(drops, "x", pastSeed, quiet), "what the page cache keeps changes no byte")
}

// requireBounded holds that the directory is within its budget, and that nothing
// is left of writers that are gone.
func requireBounded(t testing.TB, d disk) {
	t.Helper()
	n := int64(0)
	require.NoError(t, d.Walk(func(name string, info fs.FileInfo) error {
		if name != usageName {
			n += taken(info.Size())
		}
		require.False(t, strings.HasPrefix(name, partDir), name)
		return nil
	}))
	require.LessOrEqual(t, n, int64(scriptBudget))
}

// TestMain lets the test binary be a process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LITE_CACHE_CHILD"); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

// child runs the script and is killed at an operation.
func child(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	at, _ := strconv.ParseInt(os.Getenv("LITE_CACHE_AT"), 10, 64)
	how, _ := strconv.Atoi(os.Getenv("LITE_CACHE_HOW"))
	f := &faulty{disk: osDisk{root}, what: func(op int64, _ string) fault {
		if op == at {
			return fault(how)
		}
		return none
	}}
	if err := script(f, "child"+os.Getenv("LITE_CACHE_AT"), 1, quiet); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilled kills a process before, and in the middle of, operations of the
// script, each in turn on one directory that every other process goes on with.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	d := rooted(t, dir)
	killed := 0
	for at := int64(0); at < 90; at += 2 {
		for _, how := range []fault{die, torn} {
			c := exec.Command(exe)
			c.Env = append(os.Environ(), "LITE_CACHE_CHILD="+dir, fmt.Sprint("LITE_CACHE_AT=", at+int64(how)%2), fmt.Sprint("LITE_CACHE_HOW=", int(how)))
			out, err := c.CombinedOutput()
			if err != nil {
				ws, ok := c.ProcessState.Sys().(syscall.WaitStatus)
				require.True(t, ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL, "%v: %s", err, out)
				killed++
			}
		}
		if at%10 == 0 { // and what they left is used
			require.NoError(t, script(d, fmt.Sprint("after", at), uint64(at), quiet))
			requireBounded(t, d)
		}
	}
	require.Greater(t, killed, 50)
	require.NoError(t, script(d, "last", 3, quiet))
	requireBounded(t, d)
}
