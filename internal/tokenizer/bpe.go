package tokenizer

import (
	"strings"
	"sync"
)

// bpe encodes byte-level pieces with ranked merges (Sennrich et al., 2016;
// Radford et al., 2019).
type bpe struct {
	ids   map[string]int32
	ranks map[[2]string]int32
	pre   preTokenizer

	mu    sync.RWMutex
	cache map[string][]int32 // of short pieces, bounded
}

// Bounds of the cache of pieces.
const (
	cachedPieces = 1 << 14
	cachedLength = 32
)

// runes maps the printable characters in which byte-level vocabularies are
// written back to bytes (GPT-2's bytes_to_unicode).
var runes = func() map[rune]byte {
	m, n := map[rune]byte{}, rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			m[b] = byte(b)
			continue
		}
		m[n] = byte(b)
		n++
	}
	return m
}()

// unescape turns a byte-level token into the bytes it stands for. Tokens with
// other characters, as some user-defined ones, stay as they are.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		v, ok := runes[r]
		if !ok {
			return s
		}
		b = append(b, v)
	}
	return string(b)
}

// buildBPE makes the tokenizer a byte-level BPE one.
func (t *Tokenizer) buildBPE(r *reader) {
	pre := r.string("tokenizer.ggml.pre")
	cut, ok := preTokens[pre]
	if !ok {
		if r.err == nil {
			r.err = bad("pre-tokenizer %q is not supported (supported: %s)", pre, strings.Join(preTokenizers(), ", "))
		}
		return
	}
	t.name, t.llama3 = "BPE "+pre, cut.whole
	merges := r.strings("tokenizer.ggml.merges")
	m := &bpe{ids: t.ids, ranks: make(map[[2]string]int32, len(merges)), pre: cut, cache: map[string][]int32{}}
	for i, text := range t.tokens {
		if t.kinds[i] == Control || t.kinds[i] == UserDefined {
			continue
		}
		raw := unescape(text)
		t.tokens[i] = raw
		if _, twice := t.ids[raw]; !twice { // the first of two equal tokens counts
			t.ids[raw] = int32(i) //nolint:gosec // below the limit
		}
	}
	for rank, text := range merges {
		// A merge is "left right"; a part may itself begin with a space only
		// in its escaped form, so the first space parts them.
		left, right, ok := strings.Cut(text, " ")
		if !ok {
			if r.err == nil {
				r.err = bad("merge %d, %q, is not two parts", rank, text)
			}
			return
		}
		key := [2]string{unescape(left), unescape(right)}
		if _, twice := m.ranks[key]; !twice {
			m.ranks[key] = int32(rank) //nolint:gosec // far below 2^31
		}
	}
	t.model = m
}

// encode implements encoder.
func (m *bpe) encode(dst []int32, text string) []int32 {
	split(text, m.pre.stages, func(piece string) { dst = m.piece(dst, piece) })
	return dst
}

// piece encodes what the pre-tokenizer cut.
func (m *bpe) piece(dst []int32, text string) []int32 {
	if len(text) > cachedLength {
		return m.merge(dst, text)
	}
	m.mu.RLock()
	ids, ok := m.cache[text]
	m.mu.RUnlock()
	if !ok {
		ids = m.merge(nil, text)
		m.mu.Lock()
		if len(m.cache) >= cachedPieces {
			clear(m.cache)
		}
		m.cache[strings.Clone(text)] = ids
		m.mu.Unlock()
	}
	return append(dst, ids...)
}

func (m *bpe) merge(dst []int32, text string) []int32 {
	if id, ok := m.ids[text]; ok && (m.pre.whole || len(text) == 1) {
		return append(dst, id)
	}
	symbols := make([]symbol, len(text))
	for i := range symbols {
		symbols[i] = symbol{lo: i, hi: i + 1}
	}
	link(symbols)
	mergeAll(symbols, func(lo, mid, hi int) (float32, bool) {
		rank, ok := m.ranks[[2]string{text[lo:mid], text[mid:hi]}]
		return float32(rank), ok
	})
	for _, s := range symbols {
		if s.lo == s.hi {
			continue
		}
		if id, ok := m.ids[text[s.lo:s.hi]]; ok {
			dst = append(dst, id)
			continue
		}
		for i := s.lo; i < s.hi; i++ { // a merge whose result is no token
			if id, ok := m.ids[text[i:i+1]]; ok {
				dst = append(dst, id)
			}
		}
	}
	return dst
}
