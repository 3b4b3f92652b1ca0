//go:build invariants

package expert

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/base"
)

const invariants = true

// TestBorrowedBytesAreSpoilt holds that who reads after a release, or writes
// before it, is found out and harms nobody else.
func TestBorrowedBytesAreSpoilt(t *testing.T) {
	l := testLayout()
	all, _ := l.Slots(1)
	for name, opt := range map[string]Options{
		"disk": {Rung: &disk{}, Layout: l, Budget: base.ByteSize(all)},
		"dram": {Rung: memoryRung(), Layout: l},
	} {
		c := open(t, opt)
		b := c.Acquire([]ID{{0, 0, 3}, {0, 0, 4}})
		lease, err := b.Next(context.Background())
		require.NoError(t, err)
		kept := lease.Part(0)
		kept[0]++
		lease.Release()
		for i := range kept {
			require.EqualValues(t, 0xa5, kept[i], name)
		}
		other, err := b.Next(context.Background())
		require.NoError(t, err)
		kept = other.Part(2)
		b.Close()
		require.EqualValues(t, 0xa5, kept[7], name)
		_, err = drain(t, c, []ID{{0, 0, 3}, {0, 0, 4}})
		require.NoError(t, err, "the resident bytes are whole")
	}
}
