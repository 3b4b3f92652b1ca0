package tokenizer

// Byte-level vocabularies are written in printable characters, one for each
// byte: the printable ones of Latin-1 stand for themselves, the others for what
// comes from U+0100 on, in order (Radford et al., 2019).

// byteOf maps the characters U+0000 to U+0143 to bytes, -1 where there is none.
var byteOf = func() (table [0x144]int16) {
	for i := range table {
		table[i] = -1
	}
	other := 0x100
	for b := range int16(256) {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			table[b] = b
			continue
		}
		table[other] = b
		other++
	}
	return table
}()

// appendBytes appends the bytes that the characters of s stand for. ok is false
// when one of them stands for none.
func appendBytes(dst []byte, s string) (_ []byte, ok bool) {
	for _, r := range s {
		if int(r) >= len(byteOf) || byteOf[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(byteOf[r])) //nolint:gosec // 0 to 255
	}
	return dst, true
}

// unescape returns the bytes that a byte-level token stands for. Tokens with
// other characters, as some added ones, stay as they are.
func unescape(s string) string {
	same := true
	for i := range len(s) {
		same = same && s[i] >= '!' && s[i] <= '~'
	}
	if same {
		return s
	}
	if b, ok := appendBytes(nil, s); ok {
		return string(b)
	}
	return s
}
