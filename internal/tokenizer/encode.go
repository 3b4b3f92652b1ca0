package tokenizer

// Options of an encoding.
type Options struct {
	// AddSpecial adds the tokens that the file says begin and end a text.
	AddSpecial bool
	// ParseSpecial recognises control tokens written in the text. Text that
	// comes from outside should not have them recognised.
	ParseSpecial bool
}

// Encode appends the tokens of text to dst. Any bytes are encoded, as long as
// the vocabulary has them, whether or not they are UTF-8; a character it cannot
// express becomes its unknown token, or nothing when it has none either.
// Without ParseSpecial no text makes a control token.
func (t *Tokenizer) Encode(dst []int32, text string, o Options) []int32 {
	if o.AddSpecial && t.addBOS && t.marks.bos != none {
		dst = append(dst, t.marks.bos)
	}
	prefix := t.addSpacePrefix // at the beginning and after special tokens
	for text != "" {
		lo, hi, id := t.special.find(text, o.ParseSpecial)
		if lo > 0 {
			part := text[:lo]
			if prefix {
				part = " " + part
			}
			dst = t.model.encode(dst, part)
		}
		if id != none {
			dst = append(dst, id)
		}
		prefix = t.addSpacePrefix
		text = text[hi:]
	}
	if o.AddSpecial && t.addEOS && t.marks.eos != none {
		dst = append(dst, t.marks.eos)
	}
	return dst
}
