package lite

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/bucket/s3/s3test"
	"github.com/lite-llm/lite/internal/tiny"
)

// TestRemoteFaults answers while the store fails: every few requests, and the answer
// is the same; or from some request on, and it ends with a typed error, of which
// nothing stays.
func TestRemoteFaults(t *testing.T) {
	minio.DefaultRetryUnit = time.Microsecond // the client waits after its one attempt
	srv := s3test.Start(t)
	credentials(t)
	path := packOf(t, tiny.Name, PackOptions{})
	want := answerOf(t, path, Options{})
	upload(t, srv, path, "tiny.pack")
	url := "s3://" + s3test.Name + "/tiny.pack"
	dir := t.TempDir()
	o := leastRemote(t, url, Options{Storage: Storage{Endpoint: srv.URL, CacheDir: dir, CacheBytes: 512 << 10}})

	passing := []s3test.Fault{
		s3test.Unavailable, s3test.SlowDown, s3test.Truncated, s3test.Reset, s3test.ResetInside, s3test.WrongRange,
		s3test.NoRange, s3test.ErrorIn200, s3test.ErrorIn206, s3test.LongerThan, s3test.NoETag,
	}
	t.Run("now and then", func(t *testing.T) {
		srv.Set(func(i int, r *http.Request) s3test.Fault {
			if i%17 == 16 && r.Method == http.MethodGet {
				return passing[i/17%len(passing)]
			}
			return s3test.None
		})
		require.Equal(t, want, answerOf(t, url, o))
		require.Greater(t, len(srv.Seen()), 17*len(passing), "each of them happened")
	})
	for fault, check := range map[s3test.Fault]func(error) bool{
		s3test.ErrorIn200: isA[*BucketError],
		s3test.Truncated:  isA[*BucketError],
		s3test.WrongETag:  is(ErrChanged),
		s3test.Denied:     is(fs.ErrPermission),
		s3test.Expired:    is(fs.ErrPermission),
		s3test.Lie:        isA[*IntegrityError],
	} {
		t.Run(fault, func(t *testing.T) {
			srv.Set(nil)
			m, err := Open(url, o)
			require.NoError(t, err)
			s := m.NewSession()
			srv.Set(func(_ int, r *http.Request) s3test.Fault {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/tiers/") {
					return fault
				}
				return s3test.None
			})
			_, g := ask(s, question())
			require.Error(t, g.Err())
			require.True(t, check(g.Err()), "%v", g.Err())
			require.True(t, isA[*ReadError](g.Err()), "%v", g.Err())
			require.NotContains(t, g.Err().Error(), s3test.SecretKey)
			require.NoError(t, m.Close()) // reads under way may fail until here
			srv.Set(nil)
			require.Equal(t, want, answerOf(t, url, o), "nothing of it was kept")
		})
	}
	require.LessOrEqual(t, bytesIn(t, dir), o.Storage.CacheBytes)
}
