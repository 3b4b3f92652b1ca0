package tokenizer

import (
	"strings"
	"sync"
)

// cache keeps the tokens of pieces. Words repeat; what is long seldom does.
// The zero value is ready. It is the only state of a Tokenizer that changes, and
// answers do not depend on it.
type cache struct {
	mu struct {
		sync.RWMutex
		ids map[string][]int32 // never written to once stored
	}
}

// Bounds of a cache. Full, it forgets everything: which words are common changes
// with the text.
const (
	cachedPieces = 1 << 14
	cachedLength = 32 // bytes
)

// encode appends the tokens of a piece, which fresh appends if they are not
// kept. A kept piece does not hold on to the text that it was cut from.
func (c *cache) encode(dst []int32, piece string, fresh func(dst []int32, piece string) []int32) []int32 {
	if len(piece) > cachedLength {
		return fresh(dst, piece)
	}
	c.mu.RLock()
	ids, ok := c.mu.ids[piece]
	c.mu.RUnlock()
	if !ok {
		ids = fresh(nil, piece)
		c.keep(strings.Clone(piece), ids)
	}
	return append(dst, ids...)
}

func (c *cache) keep(piece string, ids []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ids == nil || len(c.mu.ids) >= cachedPieces {
		c.mu.ids = make(map[string][]int32)
	}
	c.mu.ids[piece] = ids
}
