package pack

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestJournal cuts a journal at every byte, as a crash does, and changes every
// byte: what is read is the lines that are whole, and none that is not.
func TestJournal(t *testing.T) {
	id := sum([]byte("job"))
	lines := [][]byte{journalHead(id)}
	names := []string{"trunk.gguf", "tiers/a%20b/L000-000.gguf", "tiers/x/L001.hashes"}
	want := []map[string]entry{{}}
	for i, name := range names {
		e := entry{int64(i) << 40, []byte{1, 2, byte(i)}}
		lines = append(lines, journalLine(name, e))
		next := maps.Clone(want[i])
		next[name] = e
		want = append(want, next)
	}
	var b []byte
	var ends []int
	for _, line := range lines {
		b = append(b, line...)
		ends = append(ends, len(b))
	}
	for cut := range len(b) + 1 {
		whole := -1
		for i, end := range ends {
			if end <= cut {
				whole = i
			}
		}
		got, n, ours := readJournal(b[:cut], id)
		if whole < 0 {
			require.Nil(t, got, cut)
			require.Equal(t, cut == 0 || cut >= len("lite.pack.journal "), ours, cut)
			continue
		}
		require.True(t, ours)
		require.Equal(t, want[whole], got, cut)
		require.EqualValues(t, ends[whole], n)
	}
	for i := range b {
		c := append([]byte(nil), b...)
		c[i] ^= 1
		got, _, _ := readJournal(c, id)
		if i < ends[0] {
			require.Nil(t, got, i)
			continue
		}
		for name, e := range got {
			require.Equal(t, want[len(names)][name], e, i)
		}
		require.Less(t, len(got), len(names)+1)
	}
	got, _, ours := readJournal(b, sum([]byte("another job")))
	require.Nil(t, got)
	require.True(t, ours, "it is a journal, of another pack")
	_, _, ours = readJournal([]byte("somebody's notes\n"), id)
	require.False(t, ours)
}
