package tokenizer

// trie holds the tokens that are recognised literally, before anything is
// merged, by the bytes of their text. A node is a number; 0 is the root.
type trie struct {
	next map[edge]int32
	ends map[int32]int32 // a node's token
	// first says which bytes a special token may begin with: most bytes of
	// most texts need no look into a map.
	first [256]bool
	kinds []Kind
}

type edge struct {
	node int32
	b    byte
}

// trie builds the trie of the control, unknown and user-defined tokens.
func (k *keys) trie(tokens []string, kinds []Kind) *trie {
	t := &trie{next: map[edge]int32{}, ends: map[int32]int32{}, kinds: kinds}
	for i, text := range tokens {
		if text == "" || kinds[i] != Control && kinds[i] != UserDefined && kinds[i] != Unknown {
			continue
		}
		if len(text) > MaxSpecialLength {
			k.fail(bad("special token %d is %d bytes long, more than the limit of %d", i, len(text), MaxSpecialLength))
			return t
		}
		t.add(text, int32(i))
	}
	return t
}

// add gives a text its token; the first one of two with the same text counts.
func (t *trie) add(text string, id int32) {
	t.first[text[0]] = true
	var node int32
	for i := range len(text) {
		e := edge{node, text[i]}
		child, ok := t.next[e]
		if !ok {
			child = int32(len(t.next) + 1) //nolint:gosec // MaxTokens texts of MaxSpecialLength bytes
			t.next[e] = child
		}
		node = child
	}
	if _, twice := t.ends[node]; !twice {
		t.ends[node] = id
	}
}

// exactly returns the token of this text.
func (t *trie) exactly(text string) (id int32, ok bool) {
	var node int32
	for i := range len(text) {
		if node, ok = t.next[edge{node, text[i]}]; !ok {
			return 0, false
		}
	}
	id, ok = t.ends[node]
	return id, ok
}

// find returns the first special token of a text, the longest at its place, and
// the bytes [lo, hi) where it stands; none and the text's length without one.
// User-defined tokens are always found, the others if control says so.
//
// llama.cpp looks for the longest token of the whole text first. The two differ
// only where special tokens overlap; the tokenizers that the models were
// trained with take the leftmost.
func (t *trie) find(text string, control bool) (lo, hi int, id int32) {
	for lo = range len(text) {
		if !t.first[text[lo]] {
			continue
		}
		id = none
		var node int32
		for i := lo; i < len(text); i++ {
			child, ok := t.next[edge{node, text[i]}]
			if !ok {
				break
			}
			node = child
			if end, ok := t.ends[node]; ok && (control || t.kinds[end] == UserDefined) {
				id, hi = end, i+1
			}
		}
		if id != none {
			return lo, hi, id
		}
	}
	return len(text), len(text), none
}
