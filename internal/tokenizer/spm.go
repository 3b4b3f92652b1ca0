package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// space is how SentencePiece writes a space (Kudo and Richardson, 2018).
const space = "\u2581"

// spm encodes with scores: the pair whose union has the best score is merged
// first.
type spm struct {
	ids    map[string]int32
	scores []float32
	bytes  [256]int32 // -1 where the vocabulary has none
	unk    int32
}

// buildSPM makes the tokenizer an SPM one.
func (t *Tokenizer) buildSPM(r *reader) {
	t.name = "SPM"
	s := &spm{ids: t.ids, unk: -1}
	v, ok, err := r.src.Floats("tokenizer.ggml.scores")
	if s.scores = take(r, v, ok, err); len(s.scores) != len(t.tokens) {
		if r.err == nil {
			r.err = bad("%d scores for %d tokens", len(s.scores), len(t.tokens))
		}
		return
	}
	for i := range s.bytes {
		s.bytes[i] = -1
	}
	for i, text := range t.tokens {
		id := int32(i) //nolint:gosec // below the limit
		switch t.kinds[i] {
		case Byte:
			var b byte
			if n, _ := fmt.Sscanf(text, "<0x%02X>", &b); n == 1 {
				s.bytes[b], t.tokens[i] = id, string([]byte{b})
			}
		case Unknown:
			s.unk = id
		case Normal, UserDefined:
			// The first of two equal tokens counts.
			if _, twice := t.ids[text]; !twice {
				t.ids[text] = id
			}
			t.tokens[i] = strings.ReplaceAll(text, space, " ")
		case Control, Unused:
		}
	}
	t.addSpacePrefix = r.boolOr("tokenizer.ggml.add_space_prefix", true)
	t.model = s
}

// encode implements encoder.
func (s *spm) encode(dst []int32, text string) []int32 {
	text = strings.ReplaceAll(text, " ", space)
	symbols := make([]symbol, 0, len(text))
	for lo := 0; lo < len(text); {
		_, n := utf8.DecodeRuneInString(text[lo:])
		symbols = append(symbols, symbol{lo: lo, hi: lo + n})
		lo += n
	}
	link(symbols)
	mergeAll(symbols, func(lo, _, hi int) (float32, bool) {
		id, ok := s.ids[text[lo:hi]]
		if !ok {
			return 0, false
		}
		return -s.scores[id], true
	})
	for _, sym := range symbols {
		if sym.lo == sym.hi {
			continue
		}
		if id, ok := s.ids[text[sym.lo:sym.hi]]; ok {
			dst = append(dst, id)
			continue
		}
		for _, b := range []byte(text[sym.lo:sym.hi]) {
			if id := s.bytes[b]; id >= 0 {
				dst = append(dst, id)
			} else if s.unk >= 0 {
				dst = append(dst, s.unk)
			}
		}
	}
	return dst
}
