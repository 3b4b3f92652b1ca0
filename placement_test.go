package lite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
	"github.com/lite-llm/lite/internal/placement"
	"github.com/lite-llm/lite/internal/tiny"
)

func placed(t *testing.T, text string) *Placement {
	t.Helper()
	p, err := placement.Read(strings.NewReader(text))
	require.NoError(t, err)
	return p
}

// tierStats is what an open model says of a tier.
func tierStats(t *testing.T, m *Model, name string) TierRung {
	t.Helper()
	for _, tier := range m.Rungs().Tiers {
		if tier.Name == name {
			return tier
		}
	}
	require.Fail(t, "there is no tier "+name)
	return TierRung{}
}

// TestPlacementInMemory pins a tier and bounds another: the answers are the same,
// the tiers are where they were put, and what cannot be is refused with what is
// enough.
func TestPlacementInMemory(t *testing.T) {
	path := packOf(t, tiny.Name, PackOptions{})
	o := leastOf(t, path, Options{})
	want := answerOf(t, path, o)
	m, err := Open(path, o)
	require.NoError(t, err)
	names := m.m.Tiers
	require.NoError(t, m.Close())
	first, second := names[len(names)-1].Name, names[0].Name // the first is the largest

	o.Placement = placed(t, `{"tiers":{"`+first+`":{"pin":true},"`+second+`":{"budgets":{"dram":"2MiB"}}}}`)
	_, err = Open(path, o)
	var short *MemoryError
	require.ErrorAs(t, err, &short)
	require.Positive(t, short.Pinned)
	require.Greater(t, short.Need, o.Memory)
	require.ErrorContains(t, err, "for pinned tiers")
	o.Memory = short.Need
	m, err = Open(path, o)
	require.NoError(t, err)
	before := tierStats(t, m, first)
	require.True(t, before.Pinned)
	require.Positive(t, before.Resident)
	got, g := ask(m.NewSession(), question())
	require.NoError(t, g.Err())
	require.Equal(t, want, got)
	after := tierStats(t, m, first)
	require.Equal(t, before.Resident, after.Resident)
	require.Equal(t, before.Misses, after.Misses, "a pinned tier is read once")
	bounded := tierStats(t, m, second)
	require.LessOrEqual(t, bounded.Resident, int64(2<<20))
	require.Equal(t, int64(2<<20), bounded.Budgets[placement.DRAM])
	require.NoError(t, m.Close())

	// A tier that is closed is not loaded, whatever its placement says.
	closed := o
	closed.OpenTiers = []string{second}
	m, err = Open(path, closed)
	require.NoError(t, err)
	require.Zero(t, tierStats(t, m, first).Resident)
	require.False(t, tierStats(t, m, first).Pinned)
	require.NoError(t, m.Close())

	for text, words := range map[string]string{
		`{"tiers":{"` + first + `":{"budgets":{"dram":"4KiB"}}}}`:             "needs at least",
		`{"tiers":{"` + first + `":{"pin":true,"budgets":{"dram":"64KiB"}}}}`: "needs at least",
		`{"tiers":{"` + first + `":{"rungs":["dram","object"]}}}`:             "where the model is",
		`{"tiers":{"nobody":{}}}`:                                             "no such tier",
	} {
		o.Placement = placed(t, text)
		_, err := Open(path, o)
		var pe *PlacementError
		require.ErrorAs(t, err, &pe, text)
		require.ErrorContains(t, err, words)
	}
}

// TestPlacementInStore gives tiers of a pack in a bucket their own place: one is not
// kept here, one has a part of the cache directory, one has credentials of its own.
func TestPlacementInStore(t *testing.T) {
	srv := s3test.Start(t)
	credentials(t)
	path := packOf(t, tiny.Name, PackOptions{})
	want := answerOf(t, path, Options{})
	upload(t, srv, path, "tiny.pack")
	m, err := Open(path, Options{})
	require.NoError(t, err)
	first, second := m.m.Tiers[0].Name, m.m.Tiers[1].Name
	require.NoError(t, m.Close())
	url := "s3://" + s3test.Name + "/tiny.pack"
	dir := t.TempDir()
	o := Options{Storage: Storage{Endpoint: srv.URL, CacheDir: dir, CacheBytes: 64 << 20}}
	o.Placement = placed(t, `{"tiers":{"`+first+`":{"rungs":["dram","object"]},"`+second+`":{"budgets":{"nvme":"1MiB"}}}}`)
	srv.Set(nil)
	require.Equal(t, want, answerOf(t, url, o))
	own, err := filepath.Glob(filepath.Join(dir, "tier-*"))
	require.NoError(t, err)
	require.Len(t, own, 1)
	require.LessOrEqual(t, bytesIn(t, own[0]), int64(1<<20))
	srv.Set(nil)
	require.Equal(t, want, answerOf(t, url, o))
	tiers := map[string]bool{}
	for _, s := range srv.Seen() {
		if strings.HasPrefix(s, "GET ") {
			tiers[strings.Split(s, "/")[4]] = true
		}
	}
	require.True(t, tiers[first], "it may not be kept: %v", tiers)

	// Credentials of a tier that are wrong fail what needs the tier, and say nothing.
	t.Setenv("COLD_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("COLD_SECRET_ACCESS_KEY", "wrong-"+s3test.SecretKey)
	o.Placement = placed(t, `{"tiers":{"`+first+`":{"rungs":["dram","object"],"credentials":{"env":"COLD"}}}}`)
	m, err = Open(url, o)
	require.NoError(t, err)
	_, g := ask(m.NewSession(), question())
	require.ErrorContains(t, g.Err(), "permission denied")
	require.NotContains(t, g.Err().Error(), s3test.SecretKey)
	require.NoError(t, m.Close())
	t.Setenv("COLD_SECRET_ACCESS_KEY", s3test.SecretKey)
	require.Equal(t, want, answerOf(t, url, o))
	o.Placement = placed(t, `{"tiers":{"`+second+`":{"budgets":{"nvme":"64MiB"}}}}`)
	_, err = Open(url, o)
	var pe *PlacementError
	require.ErrorAs(t, err, &pe)
	require.ErrorContains(t, err, "--cache-size")
}
