package tokenizer

import "strings"

// TextOptions say how tokens are written.
type TextOptions struct {
	// ShowSpecial writes the names of control and unknown tokens, which are
	// left out otherwise.
	ShowSpecial bool
	// Continues keeps the space that an SPM text begins with, because the
	// tokens go on from others.
	Continues bool
}

// Decode returns the text of tokens, for whole texts: control tokens are left
// out, and so is the space that an SPM text begins with. Bytes that are not
// UTF-8 come out as they are.
func (t *Tokenizer) Decode(ids []int32) string {
	return string(t.AppendText(nil, ids, TextOptions{}))
}

// AppendText appends the bytes of tokens to dst. Ids that are not in the
// vocabulary have none.
func (t *Tokenizer) AppendText(dst []byte, ids []int32, o TextOptions) []byte {
	strip := t.addSpacePrefix && !o.Continues
	for _, id := range ids {
		piece := t.piece(id, o.ShowSpecial)
		if strip && piece != "" {
			piece = strings.TrimPrefix(piece, " ")
			strip = false
		}
		dst = append(dst, piece...)
	}
	return dst
}

// piece is the bytes that a token adds to a text.
func (t *Tokenizer) piece(id int32, special bool) string {
	text, kind := t.Token(id)
	switch kind {
	case Control, Unknown:
		if !special {
			return ""
		}
	case Unused:
		return ""
	case Normal, UserDefined, Byte:
	}
	return text
}
