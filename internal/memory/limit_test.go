package memory

import (
	"bufio"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// tree makes a file system of a text: a line that begins with "-- " names the
// file that the lines after it are.
func tree(text string) fstest.MapFS {
	root, name := fstest.MapFS{}, ""
	s := bufio.NewScanner(strings.NewReader(text))
	for s.Scan() {
		if n, ok := strings.CutPrefix(s.Text(), "-- "); ok {
			name = n
			root[name] = &fstest.MapFile{}
			continue
		}
		root[name].Data = append(root[name].Data, s.Text()+"\n"...)
	}
	return root
}

// TestSystems runs testdata/systems: the files of a system in, its limit and
// the hits of its cgroup out.
func TestSystems(t *testing.T) {
	datadriven.RunTest(t, "testdata/systems", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "system", d.Cmd)
		root := tree(d.Input)
		var out strings.Builder
		if l, err := AvailableIn(root); err != nil {
			require.ErrorIs(t, err, ErrUnknown)
			fmt.Fprintln(&out, err)
		} else {
			fmt.Fprintf(&out, "%d of %s\n", l.Bytes, l.Source)
		}
		if n, err := HitsIn(root); err != nil {
			require.ErrorIs(t, err, ErrNoGroup)
			fmt.Fprintln(&out, "no hits are counted")
		} else {
			fmt.Fprintf(&out, "%d hits\n", n)
		}
		return out.String()
	})
}

// TestThisSystem holds the real files to what must be true of any process.
func TestThisSystem(t *testing.T) {
	if RSS() == 0 {
		t.Skip("this system has no /proc")
	}
	l, err := Available()
	require.NoError(t, err)
	require.LessOrEqual(t, l.Bytes, Total())
	require.Positive(t, PageSize())

	const size = 64 << 20
	// The kernel may be some pages behind in its counts, and the collector may give
	// some back meanwhile.
	const behind = 16 << 20
	before := RSS()
	b, err := Alloc(size)
	require.NoError(t, err)
	for i := 0; i < len(b); i += PageSize() {
		b[i] = 1
	}
	require.GreaterOrEqual(t, RSS(), before+size-behind)
	require.GreaterOrEqual(t, PeakRSS(), before+size-behind)
	require.NoError(t, Free(b))
	require.Less(t, RSS(), before+size/2, "freed at once")
}

func FuzzSystem(f *testing.F) {
	datadriven.RunTestAny(f, "testdata/systems", func(_ testing.TB, d *datadriven.TestData) string {
		root := tree(d.Input)
		f.Add(string(data(root, "proc/meminfo")), string(data(root, "proc/self/cgroup")),
			string(data(root, "proc/self/mountinfo")), "total_active_file 7\nactive_file 7\n", "4096\n")
		return d.Expected
	})
	f.Fuzz(func(t *testing.T, meminfo, cgroup, mountinfo, stat, number string) {
		root := fstest.MapFS{
			"proc/meminfo":        {Data: []byte(meminfo)},
			"proc/self/cgroup":    {Data: []byte(cgroup)},
			"proc/self/mountinfo": {Data: []byte(mountinfo)},
		}
		for _, g := range groups(root) {
			require.NotContains(t, g.dir, "//")
			for _, name := range append([]string{g.usage, "memory.failcnt"}, g.limits...) {
				root[g.dir+"/"+name] = &fstest.MapFile{Data: []byte(number)}
			}
			root[g.dir+"/memory.stat"] = &fstest.MapFile{Data: []byte(stat)}
			root[g.dir+"/memory.events"] = &fstest.MapFile{Data: []byte(stat)}
		}
		l, err := AvailableIn(root)
		if err != nil {
			require.ErrorIs(t, err, ErrUnknown)
			return
		}
		require.GreaterOrEqual(t, l.Bytes, int64(0))
		require.Less(t, l.Bytes, int64(math.MaxInt64))
		require.NotEmpty(t, l.Source)
		if n, err := HitsIn(root); err == nil {
			require.GreaterOrEqual(t, n, int64(0))
		}
	})
}

func data(root fstest.MapFS, name string) []byte {
	if f := root[name]; f != nil {
		return f.Data
	}
	return nil
}
