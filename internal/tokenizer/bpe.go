package tokenizer

import "strings"

// bpe encodes byte-level pieces with ranked merges (Sennrich et al., 2016;
// Radford et al., 2019). Symbols are known by number: below the size of the
// vocabulary a token's id, above it a text that only merges name.
type bpe struct {
	pre    preTokenizer
	ids    map[string]int32 // by bytes, of the tokens that merges may end in
	size   int32            // of the vocabulary
	extra  map[string]int32 // symbols that are no tokens; nil once built
	pairs  map[uint64]union // by left<<32 | right
	single [256]int32       // the symbols of the bytes
	words  cache
}

// union is what a merge makes, and when.
type union struct {
	rank uint32
	id   int32
}

// buildBPE makes the tokenizer a byte-level BPE one.
func (t *Tokenizer) buildBPE(k *keys) {
	name, pre, err := preTokenizerOf(k.string("tokenizer.ggml.pre"))
	if k.fail(err); k.err != nil {
		return
	}
	t.name, t.addBOS = "BPE ("+name+")", pre.addBOS
	ids := make(map[string]int32, len(t.tokens))
	for i, text := range t.tokens {
		switch t.kinds[i] {
		case Control, UserDefined, Unknown, Unused:
			continue // written as they are, and never the result of merging
		case Normal, Byte:
		}
		raw := unescape(text)
		t.tokens[i] = raw
		if _, twice := ids[raw]; !twice {
			ids[raw] = int32(i)
		}
	}
	m := &bpe{
		pre: pre, ids: ids, size: int32(len(t.tokens)), //nolint:gosec // below MaxTokens
		extra: map[string]int32{},
	}
	for b := range m.single {
		m.single[b] = m.symbol([]byte{byte(b)})
	}
	m.addMerges(k)
	m.extra = nil
	t.model = m
}

// symbol returns the number of a text.
func (m *bpe) symbol(raw []byte) int32 {
	if id, ok := m.ids[string(raw)]; ok {
		return id
	}
	id, ok := m.extra[string(raw)]
	if !ok {
		id = m.size + int32(len(m.extra)) //nolint:gosec // a byte or one of three texts of MaxMerges merges
		m.extra[string(raw)] = id
	}
	return id
}

// addMerges reads the merges, first ones first. Of two merges of the same pair
// the first one counts.
func (m *bpe) addMerges(k *keys) {
	merges := k.strings("tokenizer.ggml.merges")
	if len(merges) > MaxMerges {
		k.fail(bad("%d merges are more than the limit of %d", len(merges), MaxMerges))
		return
	}
	m.pairs = make(map[uint64]union, len(merges))
	var both []byte
	for rank, text := range merges {
		left, right, ok := cutMerge(text)
		if !ok || len(text) > 2*MaxTokenLength {
			k.fail(bad("merge %d, %.40q, is not two parts with a space between", rank, text))
			return
		}
		both = appendRaw(both[:0], left)
		mid := len(both)
		both = appendRaw(both, right)
		key := pair(m.symbol(both[:mid]), m.symbol(both[mid:]))
		if _, twice := m.pairs[key]; !twice {
			m.pairs[key] = union{rank: uint32(rank), id: m.symbol(both)}
		}
	}
}

// cutMerge parts "left right". A space is written Ġ in either part, so that the
// first one after the first byte is the one between them.
func cutMerge(text string) (left, right string, ok bool) {
	at := strings.IndexByte(text[min(1, len(text)):], ' ') + 1
	if at == 0 || at == len(text)-1 {
		return "", "", false
	}
	return text[:at], text[at+1:], true
}

// appendRaw appends the bytes that a part of a merge stands for.
func appendRaw(dst []byte, s string) []byte {
	if raw, ok := appendBytes(dst, s); ok {
		return raw
	}
	return append(dst, s...)
}

func pair(a, b int32) uint64 { return uint64(a)<<32 | uint64(b) } //nolint:gosec // not negative

// join implements joiner.
func (m *bpe) join(_ string, a, b *symbol) (cost uint32, id int32, ok bool) {
	u, ok := m.pairs[pair(a.id, b.id)]
	return u.rank, u.id, ok
}

// lookup implements encoder.
func (m *bpe) lookup(text string) (id int32, ok bool) {
	id, ok = m.ids[text]
	return id, ok
}

// encode implements encoder.
func (m *bpe) encode(dst []int32, text string) []int32 {
	m.pre.split(text, func(piece string) { dst = m.words.encode(dst, piece, m.merge) })
	return dst
}

// merge encodes what the pre-tokenizer cut.
func (m *bpe) merge(dst []int32, text string) []int32 {
	if m.pre.ignoreMerges {
		if id, ok := m.ids[text]; ok {
			return append(dst, id)
		}
	}
	w := newMerger(text)
	defer w.free()
	for i := range len(text) {
		w.add(i, i+1, m.single[text[i]])
	}
	w.run(m)
	for i := 0; i >= 0; i = w.symbols[i].next {
		if s := &w.symbols[i]; s.id < m.size {
			dst = append(dst, s.id)
		} else {
			dst = m.bytes(dst, text[s.lo:s.hi])
		}
	}
	return dst
}

// bytes encodes what is no token byte by byte, and leaves out the bytes that
// the vocabulary does not have.
func (m *bpe) bytes(dst []int32, text string) []int32 {
	for i := range len(text) {
		if id := m.single[text[i]]; id < m.size {
			dst = append(dst, id)
		}
	}
	return dst
}
