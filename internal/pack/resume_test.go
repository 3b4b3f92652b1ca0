package pack_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/modeltest"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/synth"
)

// resumed is the job that is interrupted.
func resumed(t testing.TB) *pack.Job {
	j := job(t, "lite")
	j.ShardBytes = 40_000
	return j
}

// TestAnyStepMayFail lets each operation of a sink fail, one after the other. The
// writer says so, no pack appears, and the same job then writes the same pack: what
// was committed is not written again.
func TestAnyStepMayFail(t *testing.T) {
	j := resumed(t)
	j.ShardBytes = 0
	whole := newMemory()
	_, err := pack.Write(context.Background(), whole, j)
	require.NoError(t, err)
	broken := errors.New("the sink is broken")
	for i := 0; i < whole.ops; i += 1 + i%5 { // most are writes, one like the other
		m := newMemory()
		m.fail = func(op int) error {
			if op == i {
				return broken
			}
			return nil
		}
		_, err := pack.Write(context.Background(), m, j)
		require.ErrorIs(t, err, broken, "operation %d", i)
		require.False(t, m.finished)
		kept, created := len(m.notes), m.created
		m.fail = nil
		_, err = pack.Write(context.Background(), m, j)
		require.NoError(t, err)
		require.True(t, m.finished)
		require.Equal(t, whole.objects, m.objects)
		require.Equal(t, whole.created-kept, m.created-created)
	}
}

// TestCancelled ends when it is asked to, and goes on later.
func TestCancelled(t *testing.T) {
	j := resumed(t)
	m := newMemory()
	ctx, cancel := context.WithCancel(context.Background())
	j.Progress = func(done, all int64) {
		require.LessOrEqual(t, done, all)
		if done > all/2 {
			cancel()
		}
	}
	_, err := pack.Write(ctx, m, j)
	require.ErrorIs(t, err, context.Canceled)
	last := int64(0)
	j.Progress = func(done, all int64) {
		require.GreaterOrEqual(t, done, last)
		last = done
		require.LessOrEqual(t, done, all)
	}
	_, err = pack.Write(context.Background(), m, j)
	require.NoError(t, err)
	require.Equal(t, write(t, resumed(t)), m.objects)
	total := int64(0)
	for name, b := range m.objects {
		if strings.HasSuffix(name, ".gguf") {
			total += int64(len(b))
		}
	}
	require.Equal(t, total, last, "it ends with all")
}

// TestAnotherJobDoesNotGoOn holds that what an interrupted writer left is kept for
// the same pack only: not for one with other weights, keys or shards.
func TestAnotherJobDoesNotGoOn(t *testing.T) {
	f := modeltest.Random(t, synth.Tiny("lite"), "Q8_0", 1)
	interrupted := func() *memory {
		m := newMemory()
		m.fail = func(op int) error {
			if op > 40 {
				return io.ErrClosedPipe
			}
			return nil
		}
		_, err := pack.Write(context.Background(), m, jobOf(t, f))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NotEmpty(t, m.notes)
		m.fail = nil
		return m
	}
	for what, change := range map[string]func(f *modeltest.File, j *pack.Job){
		"shards": func(_ *modeltest.File, j *pack.Job) { j.ShardBytes = 1 },
		"a weight": func(f *modeltest.File, _ *pack.Job) {
			f.Tensor(t, "blk.0.tier.0.ffn_gate_exps.weight")[0] ^= 1
		},
		"the last weight": func(f *modeltest.File, _ *pack.Job) {
			b := f.Tensor(t, "blk.1.tier.2.ffn_down_exps.weight")
			b[len(b)-1] ^= 1
		},
		"a placement": func(_ *modeltest.File, j *pack.Job) { j.Naming.Tiers[0].Placement = []byte(`{"pin":true}`) },
	} {
		m := interrupted()
		other := modeltest.Open(t, bytes.Clone(f.Bytes))
		j := jobOf(t, other)
		change(other, j)
		_, err := pack.Write(context.Background(), m, j)
		require.NoError(t, err)
		require.Equal(t, write(t, j), m.objects, what)
	}
}

// TestATruncatedSourceIsAnError holds that a model that is cut while it is packed
// is no pack.
func TestATruncatedSourceIsAnError(t *testing.T) {
	j := resumed(t)
	file := j.FS.(vfs.Mem)[modeltest.Path]
	j.FS = vfs.Mem{modeltest.Path: file[:len(file)-10]}
	m := newMemory()
	_, err := pack.Write(context.Background(), m, j)
	require.ErrorContains(t, err, "it was cut while it was packed")
	require.False(t, m.finished)
}

// TestAFullDiskIsSaid holds that who finds no room says how much is missing.
func TestAFullDiskIsSaid(t *testing.T) {
	m := newMemory()
	m.fail = func(op int) error {
		if op == 60 {
			return &pack.SpaceError{Path: "p", Have: -1}
		}
		return nil
	}
	_, err := pack.Write(context.Background(), m, resumed(t))
	var full *pack.SpaceError
	require.ErrorAs(t, err, &full)
	require.Positive(t, full.Need)
	require.ErrorContains(t, err, "run the same command again")
}

// tree is all files below a directory.
func tree(t testing.TB, root string) vfs.Mem {
	t.Helper()
	all := vfs.Mem{}
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		require.NoError(t, err)
		all[dir+"/"+filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	}))
	return all
}

// writeDir writes a job into a directory.
func writeDir(out string, j *pack.Job) error {
	sink, err := pack.NewDir(out)
	if err == nil {
		_, err = pack.Write(context.Background(), sink, j)
	}
	return err
}

// TestDirectory writes the same files as into memory, and leaves nothing else.
func TestDirectory(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "p")
	require.NoError(t, writeDir(out, resumed(t)))
	require.Equal(t, write(t, resumed(t)), tree(t, out))
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Len(t, left, 1)

	err = writeDir(out, resumed(t))
	var exists *pack.ExistsError
	require.ErrorAs(t, err, &exists)
	require.Equal(t, out, exists.Path)
}

// TestWhatIsNotThereIsWrittenAgain changes what an interrupted writer left: files
// that are gone, or of another size, are not believed to be finished.
func TestWhatIsNotThereIsWrittenAgain(t *testing.T) {
	out := filepath.Join(t.TempDir(), "p")
	ctx, cancel := context.WithCancel(context.Background())
	j := resumed(t)
	j.Progress = func(done, all int64) {
		if done > all*3/4 {
			cancel()
		}
	}
	sink, err := pack.NewDir(out)
	require.NoError(t, err)
	_, err = pack.Write(ctx, sink, j)
	require.ErrorIs(t, err, context.Canceled)
	kept := finished(t, out, nil)
	require.Greater(t, len(kept), 5)
	require.NoError(t, os.Truncate(filepath.Join(out+".partial", "tiers/xs/L000-000.gguf"), 99))
	require.NoError(t, os.Remove(filepath.Join(out+".partial", "trunk.gguf")))
	require.NoError(t, writeDir(out, resumed(t)))
	require.Equal(t, write(t, resumed(t)), tree(t, out))
}

// TestSomebodysDirectory is not touched, whatever it is called.
func TestSomebodysDirectory(t *testing.T) {
	out := filepath.Join(t.TempDir(), "p")
	mine := filepath.Join(out+".partial", "thesis.txt")
	require.NoError(t, os.Mkdir(out+".partial", 0o700))
	require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))
	for range 2 {
		var exists *pack.ExistsError
		require.ErrorAs(t, writeDir(out, resumed(t)), &exists)
		require.FileExists(t, mine)
		require.NoFileExists(t, out+".partial.journal")
	}
	require.NoError(t, os.WriteFile(out+".partial.journal", []byte("dear diary\n"), 0o600))
	var exists *pack.ExistsError
	require.ErrorAs(t, writeDir(out, resumed(t)), &exists)
	require.FileExists(t, mine)
}

// TestNoRoom refuses before a byte is written what is larger than the disk.
func TestNoRoom(t *testing.T) {
	out := filepath.Join(t.TempDir(), "p")
	f := modeltest.Random(t, synth.Tiny("llama"), "Q8_0", 1)
	var tensors []weights.Tensor
	for x := range f.W.All() {
		tensors = append(tensors, x)
	}
	huge := base.Object{Name: "huge", Size: 1 << 50}
	tensors = append(tensors, weights.Tensor{Name: "huge", Type: tensors[0].Type, Dims: []int{1 << 14, 1 << 30}, Range: base.Range{Object: huge, Len: 1 << 44 / 32 * 34}})
	w, err := weights.New(f.W.Meta, append(f.W.Objects, huge), tensors)
	require.NoError(t, err)
	j := jobOf(t, f)
	j.Model, j.FS = w, hole{j.FS}
	var full *pack.SpaceError
	require.ErrorAs(t, writeDir(out, j), &full)
	require.Greater(t, full.Need, base.TiB)
	require.Positive(t, full.Have)
	require.NoFileExists(t, filepath.Join(out+".partial", "trunk.gguf"))
}

// hole is a file system with a file of zeros that is as long as anybody wants.
type hole struct{ vfs.FS }

func (h hole) Open(name string) (vfs.File, error) {
	if name != "huge" {
		return h.FS.Open(name)
	}
	f, err := vfs.Mem{"huge": nil}.Open("huge")
	return zeros{f}, err
}

type zeros struct{ vfs.File }

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// The child process of TestKilled writes this pack to this directory, says how far
// it is, and stops there until it is killed.
const (
	envOut  = "LITE_TEST_PACK_OUT"
	envStop = "LITE_TEST_PACK_STOP"
)

func TestMain(m *testing.M) {
	if out := os.Getenv(envOut); out != "" {
		child(out)
		return
	}
	os.Exit(m.Run())
}

// child writes until it has written so many bytes, and waits for the end.
func child(out string) {
	stop, err := strconv.ParseInt(os.Getenv(envStop), 10, 64)
	if err != nil {
		panic(err)
	}
	j := resumed(&testing.T{})
	j.Progress = func(done, _ int64) {
		if done >= stop {
			fmt.Println("here")
			_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed: the parent never closes it
		}
	}
	if err := writeDir(out, j); err != nil {
		fmt.Println(err)
	}
}

// TestKilled kills writers with SIGKILL at many places. There is no pack then, and
// the next writer leaves the same bytes as one that nobody disturbed, without
// writing again what was finished. Meanwhile nobody else can write there.
func TestKilled(t *testing.T) {
	want := write(t, resumed(t))
	all := int64(0)
	for _, b := range want {
		all += int64(len(b))
	}
	out := filepath.Join(t.TempDir(), "p")
	before := map[string]fs.FileInfo{}
	for i := range int64(6) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envOut+"="+out, envStop+"="+strconv.FormatInt(all*(i+1)/8, 10))
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		defer stdin.Close()
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "here\n", line)
		var busy *pack.BusyError
		require.ErrorAs(t, writeDir(out, resumed(t)), &busy)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait(), "it was killed")
		require.NoDirExists(t, out)
		require.False(t, pack.Is(vfs.OS{}, out+".partial"))
		before = finished(t, out, before)
	}
	require.Greater(t, len(before), 10)
	require.NoError(t, writeDir(out, resumed(t)))
	require.Equal(t, want, tree(t, out))
	for name, info := range before {
		now, err := os.Stat(filepath.Join(out, name))
		require.NoError(t, err)
		require.True(t, os.SameFile(info, now), "%s was written again", name)
	}
	p, err := pack.Open(vfs.OS{}, out, pack.Options{Verify: true})
	require.NoError(t, err)
	checkWhole(t, p)
}

// finished are the files that the journal calls finished, which must be those of
// before and perhaps more.
func finished(t *testing.T, out string, before map[string]fs.FileInfo) map[string]fs.FileInfo {
	t.Helper()
	b, err := os.ReadFile(out + ".partial.journal")
	require.NoError(t, err)
	now := map[string]fs.FileInfo{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		if name == "lite.pack.journal" {
			continue
		}
		now[name], err = os.Stat(filepath.Join(out+".partial", name))
		require.NoError(t, err)
	}
	for name, info := range before {
		require.True(t, os.SameFile(info, now[name]), "%s was written again", name)
	}
	return now
}
