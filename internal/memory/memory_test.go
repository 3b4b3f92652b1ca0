package memory

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestAllocIsZeroAndWritable(t *testing.T) {
	b, err := Alloc(1 << 20)
	require.NoError(t, err)
	require.Len(t, b, 1<<20)
	for i := range b {
		require.Zero(t, b[i])
		b[i] = byte(i)
	}
	require.NoError(t, Free(b))
}

func TestAvailable(t *testing.T) {
	machine := file("MemTotal:       1000 kB\nMemAvailable:    800 kB\n")
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want Limit
	}{
		"machine only": {fstest.MapFS{"proc/meminfo": machine}, Limit{800 << 10, "available memory"}},
		"v1, own group": {fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("5:cpu:/x\n4:memory:/job/a\n"),
			"sys/fs/cgroup/memory/job/a/memory.limit_in_bytes": file("9223372036854771712\n"),
			"sys/fs/cgroup/memory/job/memory.limit_in_bytes":   file("400000\n"),
			"sys/fs/cgroup/memory/job/memory.usage_in_bytes":   file("150000\n"),
			"sys/fs/cgroup/memory/job/memory.stat":             file("cache 9\ntotal_cache 100000\n"),
		}, Limit{350000, "cgroup /job"}},
		"v2": {fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a.slice\n"),
			"sys/fs/cgroup/a.slice/memory.max":     file("300000\n"),
			"sys/fs/cgroup/a.slice/memory.current": file("1000\n"),
			"sys/fs/cgroup/memory.max":             file("max\n"),
		}, Limit{299000, "cgroup /a.slice"}},
		"above the machine": {fstest.MapFS{
			"proc/meminfo": machine, "proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("99999999\n"),
		}, Limit{800 << 10, "available memory"}},
	} {
		got, err := AvailableIn(c.fs)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	_, err := AvailableIn(fstest.MapFS{})
	require.ErrorContains(t, err, "--memory")
}

func TestPeakIsAtLeastWhatIsTouched(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	b, err := Alloc(64 << 20)
	require.NoError(t, err)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	require.GreaterOrEqual(t, PeakRSS(), int64(64<<20))
	require.NoError(t, Free(b))
}
