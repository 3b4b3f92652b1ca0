package nvme_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/nvme"
	"github.com/lite-llm/lite/internal/rung/rungtest"
	"github.com/lite-llm/lite/internal/vfs"
)

func TestConformance(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(map[bool]string{false: "buffered", true: "direct"}[direct], func(t *testing.T) {
			rungtest.Run(t, func(t *testing.T, data []byte) (rung.Rung, base.Object) {
				name := filepath.Join(t.TempDir(), "a")
				require.NoError(t, os.WriteFile(name, data, 0o600))
				obj := base.Object{Name: name, Size: int64(len(data))}
				r, err := nvme.Open(vfs.OS{}, []base.Object{obj}, direct)
				var refused *vfs.DirectError
				if errors.As(err, &refused) {
					t.Skipf("this file system refuses direct reads: %v", err)
				}
				require.NoError(t, err)
				return r, obj
			})
		})
	}
}

func TestOpenFailsWhole(t *testing.T) {
	_, err := nvme.Open(vfs.OS{}, []base.Object{{Name: "does-not-exist", Size: 1}}, false)
	require.ErrorIs(t, err, os.ErrNotExist)
}
