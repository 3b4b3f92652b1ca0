package tokenizer

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// space is how SentencePiece writes a space (Kudo and Richardson, 2018).
const space = "\u2581"

// spm encodes with scores: the pair whose union has the best score is merged
// first.
type spm struct {
	ids     map[string]int32 // by text as the file has it, of the tokens that merges may end in
	costs   []uint32         // lower is a better score
	bytes   [256]int32       // none where the vocabulary has none
	longest int              // bytes of the longest token
	unknown int32            // token 0 if the file does not say
	crosses bool             // a token has a space after something else
	words   cache
}

// buildSPM makes the tokenizer an SPM one.
func (t *Tokenizer) buildSPM(k *keys) {
	scores := k.scores(len(t.tokens))
	if k.err != nil {
		return
	}
	t.name, t.addBOS = "SPM", true
	t.addSpacePrefix = k.boolOr("tokenizer.ggml.add_space_prefix", true)
	s := &spm{
		ids:   make(map[string]int32, len(t.tokens)),
		costs: make([]uint32, len(scores)), unknown: t.marks.unknown,
	}
	for b := range s.bytes {
		s.bytes[b] = none
	}
	for i, text := range t.tokens {
		s.costs[i] = costOf(scores[i])
		s.add(t, int32(i), text)
	}
	t.model = s
}

// add makes a token one that text is encoded with, and replaces its text by
// what it stands for.
func (s *spm) add(t *Tokenizer, id int32, text string) {
	switch t.kinds[id] {
	case Byte:
		if b, ok := byteToken(text); ok {
			t.tokens[id] = string([]byte{b})
			if s.bytes[b] == none {
				s.bytes[b] = id
			}
		}
	case Normal:
		if _, twice := s.ids[text]; !twice && text != "" {
			s.ids[text] = id
			s.longest = max(s.longest, len(text))
			s.crosses = s.crosses || wordEnd(text) < len(text)
		}
		t.tokens[id] = strings.ReplaceAll(text, space, " ")
	case UserDefined, Unknown, Control, Unused: // never the result of merging
	}
}

// byteToken reads <0x0A>.
func byteToken(text string) (byte, bool) {
	if len(text) != len("<0x0A>") || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	v, err := strconv.ParseUint(text[3:5], 16, 8)
	return byte(v), err == nil
}

// costOf turns the order of scores around: the bits of floats, ordered.
func costOf(score float32) uint32 {
	bits := math.Float32bits(-score)
	if score == 0 {
		bits = 0 // of either sign
	}
	if bits&(1<<31) != 0 {
		return ^bits
	}
	return bits | 1<<31
}

// join implements joiner.
func (s *spm) join(text string, a, b *symbol) (cost uint32, id int32, ok bool) {
	if b.hi-a.lo > s.longest {
		return 0, none, false
	}
	if id, ok = s.ids[text[a.lo:b.hi]]; !ok {
		return 0, none, false
	}
	return s.costs[id], id, true
}

// lookup implements encoder.
func (s *spm) lookup(text string) (id int32, ok bool) {
	if id, ok = s.ids[strings.ReplaceAll(text, " ", space)]; ok {
		return id, true
	}
	if len(text) == 1 && s.bytes[text[0]] != none {
		return s.bytes[text[0]], true
	}
	return none, false
}

// encode implements encoder. Words are merged one by one, unless the vocabulary
// has tokens across their ends: what no token has in it, no merge makes.
func (s *spm) encode(dst []int32, text string) []int32 {
	text = strings.ReplaceAll(text, " ", space)
	for text != "" {
		end := len(text)
		if !s.crosses {
			end = wordEnd(text)
		}
		dst = s.words.encode(dst, text[:end], s.merge)
		text = text[end:]
	}
	return dst
}

// wordEnd is where the first space stands that follows something else, or the
// text's end.
func wordEnd(text string) int {
	at := 0
	for strings.HasPrefix(text[at:], space) {
		at += len(space)
	}
	if n := strings.Index(text[at:], space); n >= 0 {
		return at + n
	}
	return len(text)
}

func (s *spm) merge(dst []int32, text string) []int32 {
	w := newMerger(text)
	defer w.free()
	for lo := 0; lo < len(text); {
		_, n := utf8.DecodeRuneInString(text[lo:])
		id, ok := s.ids[text[lo:lo+n]]
		if !ok {
			id = none
		}
		w.add(lo, lo+n, id)
		lo += n
	}
	w.run(s)
	for i := 0; i >= 0; i = w.symbols[i].next {
		if sym := &w.symbols[i]; sym.id != none {
			dst = append(dst, sym.id)
		} else {
			dst = s.fallback(dst, text[sym.lo:sym.hi])
		}
	}
	return dst
}

// fallback encodes a character that is no token in bytes, or as unknown.
func (s *spm) fallback(dst []int32, char string) []int32 {
	n := len(dst)
	for i := range len(char) {
		id := s.bytes[char[i]]
		if id == none {
			return append(dst[:n], s.unknown)
		}
		dst = append(dst, id)
	}
	return dst
}
