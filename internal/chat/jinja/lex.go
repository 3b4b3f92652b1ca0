package jinja

import (
	"strings"
	"unicode"
)

// kind is what a token is.
type kind uint8

const (
	tokText   kind = iota
	tokOpen        // {{ or {%: text says which
	tokClose       // }} or %}
	tokName        // identifiers and keywords
	tokInt         // digits
	tokFloat       // digits with a point or an exponent
	tokString      // already unescaped
	tokOp          // operators and punctuation
	tokEOF
)

type token struct {
	kind kind
	text string
	line int
}

// lexer cuts a template into text and the tokens of its tags.
type lexer struct {
	src    string
	at     int
	line   int
	tokens []token
	// trim drops white space at the beginning of the next text: "-" all of
	// it, "\n" one newline.
	trim string
}

func lex(src string) ([]token, error) {
	// Jinja reads all newlines as \n, and drops one at the very end.
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	src = strings.TrimSuffix(src, "\n")
	l := &lexer{src: src, line: 1}
	for l.at < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	l.add(tokEOF, "")
	return l.tokens, nil
}

func (l *lexer) add(k kind, text string) { l.tokens = append(l.tokens, token{k, text, l.line}) }

func (l *lexer) error(what string) error { return &SyntaxError{Line: l.line, What: what} }

// advance moves past n bytes and counts their lines.
func (l *lexer) advance(n int) {
	l.line += strings.Count(l.src[l.at:l.at+n], "\n")
	l.at += n
}

// next reads text up to a tag, and the tag.
func (l *lexer) next() error {
	open := l.at
	for {
		i := strings.IndexByte(l.src[open:], '{')
		if i < 0 {
			l.text(len(l.src), "")
			return nil
		}
		open += i
		if open+1 < len(l.src) && strings.IndexByte("{%#", l.src[open+1]) >= 0 {
			break
		}
		open++
	}
	tag := l.src[open+1]
	control := ""
	if open+2 < len(l.src) && (l.src[open+2] == '-' || l.src[open+2] == '+') {
		control = l.src[open+2 : open+3]
	}
	before := control
	if before == "" && tag != '{' {
		before = "lstrip"
	}
	l.text(open, before)
	l.advance(2 + len(control))
	switch tag {
	case '#':
		return l.comment()
	case '%':
		if raw, err := l.raw(); raw || err != nil {
			return err
		}
		return l.tag("{%", "%}")
	default:
		return l.tag("{{", "}}")
	}
}

// text emits the text up to end, stripped as the tags on both sides say.
func (l *lexer) text(end int, before string) {
	s := l.src[l.at:end]
	start := l.at
	switch l.trim {
	case "-":
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	case "\n":
		s = strings.TrimPrefix(s, "\n")
	}
	l.trim = ""
	switch before {
	case "-":
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	case "lstrip":
		// A block tag that stands first on its line takes the indentation.
		line := strings.LastIndexByte(l.src[:end], '\n') + 1
		if indent := l.src[line:end]; strings.TrimLeft(indent, " \t\v\f") == "" && (line >= start) {
			s = strings.TrimRight(s, " \t\v\f")
		}
	}
	if s != "" {
		l.add(tokText, s)
	}
	l.advance(end - l.at)
}

// closeTag notes what the end of a tag trims: "-" or "+" stands before it.
func (l *lexer) closeTag(control byte, block bool) {
	switch {
	case control == '-':
		l.trim = "-"
	case block && control != '+':
		l.trim = "\n"
	}
}

func (l *lexer) comment() error {
	i := strings.Index(l.src[l.at:], "#}")
	if i < 0 {
		return l.error("a comment has no end")
	}
	control := byte(0)
	if i > 0 {
		control = l.src[l.at+i-1]
	}
	l.advance(i + 2)
	l.closeTag(control, true)
	return nil
}

// raw reads {% raw %}…{% endraw %} when one begins here.
func (l *lexer) raw() (bool, error) {
	rest := l.src[l.at:]
	n := len(rest) - len(strings.TrimLeft(rest, " \t\n"))
	if !strings.HasPrefix(rest[n:], "raw") {
		return false, nil
	}
	n += len("raw")
	n += len(rest[n:]) - len(strings.TrimLeft(rest[n:], " \t\n"))
	control := byte(0)
	if n < len(rest) && (rest[n] == '-' || rest[n] == '+') {
		control = rest[n]
		n++
	}
	if !strings.HasPrefix(rest[n:], "%}") {
		return false, nil
	}
	l.advance(n + 2)
	l.closeTag(control, true)
	for open := l.at; ; open += 2 {
		i := strings.Index(l.src[open:], "{%")
		if i < 0 {
			return true, l.error("raw has no endraw")
		}
		open += i
		inner := l.src[open+2:]
		before := ""
		if inner != "" && (inner[0] == '-' || inner[0] == '+') {
			before, inner = inner[:1], inner[1:]
		}
		trimmed := strings.TrimLeft(inner, " \t\n")
		if !strings.HasPrefix(trimmed, "endraw") {
			continue
		}
		trimmed = strings.TrimLeft(trimmed[len("endraw"):], " \t\n")
		control := byte(0)
		if trimmed != "" && (trimmed[0] == '-' || trimmed[0] == '+') {
			control, trimmed = trimmed[0], trimmed[1:]
		}
		if !strings.HasPrefix(trimmed, "%}") {
			continue
		}
		if before == "" {
			before = "lstrip"
		}
		l.text(open, before)
		l.advance(len(l.src) - len(trimmed) + 2 - l.at)
		l.closeTag(control, true)
		return true, nil
	}
}

// operators, longest first.
var operators = []string{"//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|"}

// tag reads the tokens up to the closing delimiter.
func (l *lexer) tag(open, end string) error {
	l.add(tokOpen, open)
	depth := 0 // of braces: }} may close two dicts
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f':
			l.advance(1)
		case depth == 0 && strings.HasPrefix(rest, end):
			l.add(tokClose, end)
			l.advance(2)
			l.closeTag(0, end == "%}")
			return nil
		case depth == 0 && (c == '-' || c == '+') && strings.HasPrefix(rest[1:], end):
			l.add(tokClose, end)
			l.advance(3)
			l.closeTag(c, end == "%}")
			return nil
		case c == '"' || c == '\'':
			if err := l.str(c); err != nil {
				return err
			}
		case c >= '0' && c <= '9':
			l.number()
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for n < len(rest) && (rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'z' || rest[n] >= 'A' && rest[n] <= 'Z') {
				n++
			}
			l.add(tokName, rest[:n])
			l.advance(n)
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(rest, o) {
					op = o
					break
				}
			}
			if op == "" {
				return l.error("unexpected character " + string([]rune(rest)[0]))
			}
			if strings.Contains("([{", op) {
				depth++
			} else if strings.Contains(")]}", op) {
				depth--
			}
			l.add(tokOp, op)
			l.advance(len(op))
		}
	}
	return l.error("a tag has no end")
}

func (l *lexer) number() {
	rest := l.src[l.at:]
	digits := func(n int) int {
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '_') {
			n++
		}
		return n
	}
	n, k := digits(0), tokInt
	if n+1 < len(rest) && rest[n] == '.' && rest[n+1] >= '0' && rest[n+1] <= '9' {
		n, k = digits(n+1), tokFloat
	}
	if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		m := n + 1
		if m < len(rest) && (rest[m] == '+' || rest[m] == '-') {
			m++
		}
		if end := digits(m); end > m {
			n, k = end, tokFloat
		}
	}
	l.add(k, strings.ReplaceAll(rest[:n], "_", ""))
	l.advance(n)
}

// str reads a string with Python's escapes.
func (l *lexer) str(quote byte) error {
	var b strings.Builder
	rest := l.src[l.at:]
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case quote:
			l.add(tokString, b.String())
			l.advance(i + 1)
			return nil
		case '\\':
			if i++; i == len(rest) {
				return l.error("a string has no end")
			}
			i += unescape(&b, rest[i:]) - 1
		default:
			b.WriteByte(c)
		}
	}
	return l.error("a string has no end")
}

// unescape writes what an escape stands for and returns its length without the
// backslash.
func unescape(b *strings.Builder, s string) int {
	if i := strings.IndexByte("ntrbfva0\\'\"\n", s[0]); i >= 0 {
		b.WriteString([]string{"\n", "\t", "\r", "\b", "\f", "\v", "\a", "\x00", "\\", "'", "\"", ""}[i])
		return 1
	}
	if n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]; n > 0 && len(s) > n {
		v := 0
		for _, c := range s[1 : n+1] {
			d := strings.IndexRune("0123456789abcdef", unicode.ToLower(c))
			if d < 0 {
				b.WriteByte('\\')
				return 0
			}
			v = v<<4 | d
		}
		b.WriteRune(rune(v))
		return n + 1
	}
	b.WriteByte('\\')
	b.WriteByte(s[0])
	return 1
}
