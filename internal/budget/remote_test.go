//go:build linux

package budget

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket/s3"
	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
)

// TestCapOfAModelInABucket runs a model that this machine has nothing of, under the
// least memory that it names and a cache directory that holds a tenth of it. Both
// caps hold, and the bits are those of the file.
func TestCapOfAModelInABucket(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a model of 60 MiB and runs it four times")
	}
	srv := s3test.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	newGroup(t, 1<<30)
	model := generate(t, "--family olmoe --layers 4 --dim 512 --heads 8 --kv-heads 8 --experts 64 --experts-used 4 --expert-ff 256"+
		" --vocab 4096 --context 2048 --quant Q4_K_M")
	info, err := os.Stat(model)
	require.NoError(t, err)
	put(t, srv, model, info.Size())
	prompt, cache := words(60), t.TempDir()
	size := info.Size() / 10
	flags := []string{"--context", "512", "--chunk", "64", "--s3-endpoint", srv.URL, "--cache-dir", cache, "--cache-size", strconv.FormatInt(size, 10)}
	url := "s3://" + s3test.Name + "/model.gguf"
	want, _ := run(t, nil, model, prompt)
	least := needed(t, url, flags...)
	require.Less(t, least, info.Size()+100*mib)
	got := capped(t, least, url, prompt, append(flags, "--memory", strconv.FormatInt(least, 10))...)
	require.Equal(t, want.Tokens, got.Tokens)
	require.Equal(t, want.Logits, got.Logits)
	require.Positive(t, got.Stats.Read["object"])
	require.LessOrEqual(t, kept(t, cache), size)

	// With room for it on the disk, the second run reads nothing from the bucket.
	flags[len(flags)-1] = "1GiB"
	flags = append(flags, "--memory", strconv.FormatInt(least, 10))
	for i := range 2 {
		srv.Set(nil)
		got = capped(t, least, url, prompt, flags...)
		require.Equal(t, want.Logits, got.Logits)
		require.Equal(t, i == 0, srv.Gets() > 0)
	}
}

// put stores the model in the bucket.
func put(t *testing.T, srv *s3test.Server, model string, size int64) {
	t.Helper()
	b, err := s3.Open(s3test.Name, s3.Config{Endpoint: srv.URL})
	require.NoError(t, err)
	f, err := os.Open(model)
	require.NoError(t, err)
	require.NoError(t, b.Put(context.Background(), "model.gguf", f, size))
	require.NoError(t, f.Close())
	require.NoError(t, b.Close())
}

// kept is what the files of a cache directory take, in whole blocks.
func kept(t *testing.T, dir string) (n int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "usage" {
			return err
		}
		info, err := e.Info()
		n += (info.Size() + 4095) &^ 4095
		return err
	}))
	return n
}
