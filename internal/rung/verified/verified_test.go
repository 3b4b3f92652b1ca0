package verified_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/rung/rungtest"
	"github.com/lite-llm/lite/internal/rung/verified"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/vfs/errorfs"
)

// pages is a Checker that knows what every page of an object should be.
type pages struct {
	want []byte
	size int64 // of a page
}

var errWrong = errors.New("these are other bytes")

func (c *pages) Check(obj base.Object, p []byte, off int64, read func(p []byte, off int64) error) error {
	end := min(off+int64(len(p)), obj.Size)
	for at := off / c.size * c.size; at < end; at += c.size {
		page := make([]byte, min(c.size, obj.Size-at))
		if at >= off && at+int64(len(page)) <= off+int64(len(p)) {
			copy(page, p[at-off:])
		} else if err := read(page, at); err != nil {
			return err
		}
		if !bytes.Equal(page, c.want[at:][:len(page)]) {
			return errWrong
		}
		copy(p[max(0, at-off):], page[max(0, off-at):])
	}
	return nil
}

// TestConformance holds that a checked rung is a rung like the one below it.
func TestConformance(t *testing.T) {
	for name, open := range map[string]func(data []byte) (rung.Rung, error){
		"buffered": func(data []byte) (rung.Rung, error) {
			return nvme.Open(vfs.Mem{"a": data}, []base.Object{{Name: "a", Size: int64(len(data))}}, false)
		},
		"direct": func(data []byte) (rung.Rung, error) {
			return nvme.Open(vfs.Mem{"a": data}, []base.Object{{Name: "a", Size: int64(len(data))}}, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
				inner, err := open(data)
				require.NoError(t, err)
				r := verified.New(inner, &pages{data, int64(max(100, inner.Align()))})
				_, views := rung.Rung(r).(rung.Viewer)
				require.False(t, views, "what is viewed would not be checked")
				require.True(t, r.Whole())
				return r, base.Object{Name: "a", Size: int64(len(data))}
			})
		})
	}
}

// TestWrongBytes flips a bit and breaks the second read: neither gives bytes to
// anybody, and what is beside them is read as ever.
func TestWrongBytes(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	obj := base.Object{Name: "a", Size: int64(len(data))}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		rule errorfs.Rule
		off  int64
		want error
	}{
		"flipped":                     {errorfs.All().Flip(20_000, 4), 16384, errWrong},
		"flipped, only at first":      {errorfs.Nth(0).Flip(20_000, 4), 19_999, nil}, // a part of a page is taken from the checked one
		"flipped beside what is read": {errorfs.All().Flip(20_000, 4), 40_000, nil},
		"the page cannot be read":     {errorfs.Nth(1).Fail(broken), 19_999, broken},
	} {
		t.Run(name, func(t *testing.T) {
			inner, err := nvme.Open(errorfs.New(vfs.Mem{"a": data}, c.rule), []base.Object{obj}, false)
			require.NoError(t, err)
			r := verified.New(inner, &pages{data, 8192})
			p := make([]byte, 4096)
			err = r.ReadAt(context.Background(), obj, p, c.off)
			if c.want == nil {
				require.NoError(t, err)
				require.True(t, bytes.Equal(data[c.off:c.off+4096], p))
				return
			}
			var re *rung.ReadError
			require.ErrorAs(t, err, &re)
			require.ErrorIs(t, err, c.want)
			require.True(t, bytes.Equal(make([]byte, 4096), p), "nothing is left to be used")
			require.NoError(t, r.Close())
		})
	}
}
