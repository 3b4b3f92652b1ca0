package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

type methodFunc func(r *run, self any, args []any, kwargs *Dict) (any, error)

// method is the method of a value, or nil. Those that change a list or a
// mapping are refused by Jinja's immutable sandbox, and here are none.
func method(v any, name string) methodFunc {
	switch v.(type) {
	case string:
		return stringMethods[name]
	case *Dict:
		return dictMethods[name]
	case *list:
		return listMethods[name]
	}
	return nil
}

func onDict(f func(r *run, d *Dict, args []any, kwargs *Dict) (any, error)) methodFunc {
	return func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		return f(r, self.(*Dict), args, kwargs) //nolint:forcetypeassert // method chose by type
	}
}

func dictItems(r *run, d *Dict, _ []any, _ *Dict) (any, error) {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = &list{tuple: true, items: []any{k, d.values[k]}}
	}
	return &list{items: out}, r.charge(64 * len(out))
}

var dictMethods = map[string]methodFunc{
	"items": onDict(dictItems),
	"keys": onDict(func(r *run, d *Dict, _ []any, _ *Dict) (any, error) {
		keys, err := r.items(d)
		return &list{items: keys}, err
	}),
	"values": onDict(func(r *run, d *Dict, _ []any, _ *Dict) (any, error) {
		var out []any
		for _, k := range d.keys {
			out = append(out, d.values[k])
		}
		return r.newList(out)
	}),
	"get": onDict(func(_ *run, d *Dict, args []any, kwargs *Dict) (any, error) {
		if len(args) == 0 {
			return nil, fail("get needs a key")
		}
		if key, ok := args[0].(string); ok {
			if v, ok := d.Get(key); ok {
				return v, nil
			}
		}
		return arg(args, kwargs, 1, "default", nil), nil
	}),
	"copy": onDict(func(r *run, d *Dict, _ []any, _ *Dict) (any, error) {
		c := NewDict()
		for _, k := range d.keys {
			c.Set(k, d.values[k])
		}
		return c, r.charge(64 * len(c.keys))
	}),
	"update": refused, "pop": refused, "clear": refused, "setdefault": refused, "popitem": refused,
}

var listMethods = map[string]methodFunc{
	"index": func(r *run, self any, args []any, _ *Dict) (any, error) {
		for i, item := range self.(*list).items { //nolint:forcetypeassert // method chose by type
			if len(args) > 0 && r.equal(item, args[0]) {
				return int64(i), nil
			}
		}
		return nil, fail("the value is not in the list")
	},
	"count": func(r *run, self any, args []any, _ *Dict) (any, error) {
		n := int64(0)
		for _, item := range self.(*list).items { //nolint:forcetypeassert // method chose by type
			if len(args) > 0 && r.equal(item, args[0]) {
				n++
			}
		}
		return n, nil
	},
	"append": refused, "extend": refused, "insert": refused, "pop": refused, "remove": refused, "reverse": refused,
	"sort": refused, "clear": refused,
}

func refused(*run, any, []any, *Dict) (any, error) {
	return nil, fail("templates cannot change lists and mappings")
}

// onString makes a method of a function of strings: wanted counts the string
// arguments that it needs.
func onString(wanted int, f func(r *run, s string, args []string) (any, error)) methodFunc {
	return func(r *run, self any, args []any, _ *Dict) (any, error) {
		var texts []string
		for _, a := range args {
			if a == nil {
				continue // strip(None) strips white space
			}
			t, ok := a.(string)
			if !ok {
				return nil, fail("a method of strings was given %s", typeName(a))
			}
			texts = append(texts, t)
		}
		if len(texts) < wanted {
			return nil, fail("a method of strings needs %d values", wanted)
		}
		return f(r, self.(string), texts) //nolint:forcetypeassert // method chose by type
	}
}

func mapped(f func(string) string) methodFunc {
	return onString(0, func(r *run, s string, _ []string) (any, error) {
		s = f(s)
		return s, r.charge(len(s))
	})
}

func stripped(space, set func(s, cut string) string) methodFunc {
	return onString(0, func(_ *run, s string, args []string) (any, error) {
		if len(args) > 0 {
			return set(s, args[0]), nil
		}
		return space(s, ""), nil
	})
}

func allOf(f func(c rune) bool) methodFunc {
	return onString(0, func(_ *run, s string, _ []string) (any, error) {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0, nil
	})
}

// affix is startswith and endswith, which take a string or a tuple of them.
func affix(f func(s, affix string) bool) methodFunc {
	return func(_ *run, self any, args []any, _ *Dict) (any, error) {
		if len(args) == 0 {
			return nil, fail("startswith and endswith need a string")
		}
		options := []any{args[0]}
		if l, ok := args[0].(*list); ok {
			options = l.items
		}
		return slices.ContainsFunc(options, func(o any) bool {
			t, ok := o.(string)
			return ok && f(self.(string), t) //nolint:forcetypeassert // method chose by type
		}), nil
	}
}

// find is the index of a substring in code points, or -1.
func find(index func(s, sub string) int) func(r *run, s string, args []string) (any, error) {
	return func(_ *run, s string, args []string) (any, error) {
		i := index(s, args[0])
		if i < 0 {
			return int64(-1), nil
		}
		return int64(utf8.RuneCountInString(s[:i])), nil
	}
}

var stringMethods = map[string]methodFunc{
	"upper": mapped(strings.ToUpper), "lower": mapped(strings.ToLower), "title": mapped(title), "capitalize": mapped(capitalize),
	"casefold": mapped(strings.ToLower),
	"swapcase": mapped(func(s string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsUpper(c) {
				return unicode.ToLower(c)
			}
			return unicode.ToUpper(c)
		}, s)
	}),
	"strip":      stripped(func(s, _ string) string { return strings.TrimFunc(s, unicode.IsSpace) }, strings.Trim),
	"lstrip":     stripped(func(s, _ string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }, strings.TrimLeft),
	"rstrip":     stripped(func(s, _ string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }, strings.TrimRight),
	"startswith": affix(strings.HasPrefix), "endswith": affix(strings.HasSuffix),
	"removeprefix": onString(1, func(_ *run, s string, a []string) (any, error) { return strings.TrimPrefix(s, a[0]), nil }),
	"removesuffix": onString(1, func(_ *run, s string, a []string) (any, error) { return strings.TrimSuffix(s, a[0]), nil }),
	"isdigit":      allOf(unicode.IsDigit), "isalpha": allOf(unicode.IsLetter), "isspace": allOf(unicode.IsSpace),
	"isnumeric": allOf(unicode.IsNumber), "isdecimal": allOf(unicode.IsDigit),
	"isalnum": allOf(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
	"isupper": func(r *run, self any, _ []any, _ *Dict) (any, error) { return tests["upper"](r, self, nil) },
	"islower": func(r *run, self any, _ []any, _ *Dict) (any, error) { return tests["lower"](r, self, nil) },
	"find":    onString(1, find(strings.Index)), "rfind": onString(1, find(strings.LastIndex)),
	"index": onString(1, func(r *run, s string, a []string) (any, error) {
		i, err := find(strings.Index)(r, s, a)
		if i == int64(-1) {
			return nil, fail("the substring was not found")
		}
		return i, err
	}),
	"count": onString(1, func(_ *run, s string, a []string) (any, error) { return int64(strings.Count(s, a[0])), nil }),
	"partition": onString(1, func(_ *run, s string, a []string) (any, error) {
		before, after, ok := strings.Cut(s, a[0])
		sep := ""
		if ok {
			sep = a[0]
		}
		return &list{tuple: true, items: []any{before, sep, after}}, nil
	}),
	"join": func(r *run, self any, args []any, _ *Dict) (any, error) {
		if len(args) != 1 {
			return nil, fail("join needs one list")
		}
		items, err := r.items(args[0])
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !isType[string](item) {
				return nil, fail("join needs strings, not %s", typeName(item))
			}
		}
		return r.join(items, self.(string)) //nolint:forcetypeassert // method chose by type
	},
	"split": splitMethod(false), "rsplit": splitMethod(true),
	"splitlines": func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		s, _ := self.(string)
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
		lines := strings.SplitAfter(s, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		keep := truth(arg(args, kwargs, 0, "keepends", false))
		out := make([]any, len(lines))
		for i, l := range lines {
			if !keep {
				l = strings.TrimSuffix(l, "\n")
			}
			out[i] = l
		}
		return r.newList(out)
	},
	"replace": func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		old, ok := arg(args, kwargs, 0, "old", nil).(string)
		repl, ok2 := arg(args, kwargs, 1, "new", nil).(string)
		if !ok || !ok2 {
			return nil, fail("replace needs two strings")
		}
		n := int64(-1)
		if c, ok := integer(arg(args, kwargs, 2, "count", nil)); ok {
			n = c
		}
		return r.replace(self.(string), old, repl, n) //nolint:forcetypeassert // method chose by type
	},
	"format": func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		return r.braces(self.(string), args, kwargs) //nolint:forcetypeassert // method chose by type
	},
	"ljust": padMethod(func(s, pad string) string { return s + pad }), "rjust": padMethod(func(s, pad string) string { return pad + s }),
	"zfill": func(r *run, self any, args []any, _ *Dict) (any, error) {
		return padMethod(func(s, pad string) string { return pad + s })(r, self, append(args, "0"), NewDict())
	},
}

func padMethod(f func(s, pad string) string) methodFunc {
	return func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		s, _ := self.(string)
		width, ok := integer(arg(args, kwargs, 0, "width", nil))
		fill, ok2 := arg(args, kwargs, 1, "fillchar", " ").(string)
		if !ok || !ok2 || utf8.RuneCountInString(fill) != 1 {
			return nil, fail("padding needs a width and one character")
		}
		pad, err := r.repeat(fill, width-int64(utf8.RuneCountInString(s)))
		if err != nil {
			return nil, err
		}
		return f(s, pad.(string)), nil //nolint:forcetypeassert // repeat makes a string
	}
}

func splitMethod(right bool) methodFunc {
	return func(r *run, self any, args []any, kwargs *Dict) (any, error) {
		s, _ := self.(string)
		n := int64(-1)
		if c, ok := integer(arg(args, kwargs, 1, "maxsplit", nil)); ok {
			n = c
		}
		var parts []string
		sep, ok := arg(args, kwargs, 0, "sep", nil).(string)
		switch {
		case ok && sep == "":
			return nil, fail("an empty separator splits nothing")
		case ok && right && n >= 0:
			parts = splitRight(s, sep, n)
		case ok && n >= 0:
			parts = strings.SplitN(s, sep, int(n)+1)
		case ok:
			parts = strings.Split(s, sep)
		default:
			parts = fields(s, n)
		}
		out := make([]any, len(parts))
		for i, p := range parts {
			out[i] = p
		}
		return r.newList(out)
	}
}

func splitRight(s, sep string, n int64) []string {
	var parts []string
	for ; n > 0; n-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return parts
}

// fields splits at white space, n times at most.
func fields(s string, n int64) []string {
	if n < 0 {
		return strings.Fields(s)
	}
	var parts []string
	for s = strings.TrimLeftFunc(s, unicode.IsSpace); s != ""; s = strings.TrimLeftFunc(s, unicode.IsSpace) {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 || int64(len(parts)) == n {
			return append(parts, strings.TrimRightFunc(s, unicode.IsSpace))
		}
		parts, s = append(parts, s[:i]), s[i:]
	}
	return parts
}

// braces is str.format with {}, {0} and {name}, without format specifications.
func (r *run) braces(s string, args []any, kwargs *Dict) (any, error) {
	var b strings.Builder
	auto := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, fail("a brace of the format has no end")
		}
		field := s[i+1 : i+end]
		i += end
		var v any
		ok := true
		switch n, err := filterInt(r, field, []any{nil}, NewDict()); {
		case field == "":
			if auto >= len(args) {
				return nil, fail("not enough values for the format")
			}
			v = args[auto]
			auto++
		case err == nil && n != nil:
			at, _ := integer(n)
			if at < 0 || at >= int64(len(args)) {
				return nil, fail("the format has no value %d", at)
			}
			v = args[at]
		default:
			v, ok = kwargs.Get(field)
		}
		if !ok {
			return nil, fail("the format has no value %q", field)
		}
		text, err := r.str(v)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return b.String(), r.charge(b.Len())
}
