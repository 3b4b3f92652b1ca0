package jinja

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// builtins sets the functions that every template may call.
func builtins(s *scope, now func(format string) string) {
	def := func(name string, f func(r *run, args []any, kwargs *Dict) (any, error)) {
		s.set(name, function{name, f})
	}
	def("range", rangeOf)
	def("namespace", func(r *run, args []any, kwargs *Dict) (any, error) {
		d := NewDict()
		for _, a := range args {
			if src, ok := a.(*Dict); ok {
				for _, k := range src.keys {
					d.Set(k, src.values[k])
				}
			}
		}
		for _, k := range kwargs.keys {
			d.Set(k, kwargs.values[k])
		}
		return &namespace{d}, r.charge(64 * len(d.keys))
	})
	def("dict", func(r *run, _ []any, kwargs *Dict) (any, error) { return kwargs, r.charge(64 * len(kwargs.keys)) })
	def("raise_exception", func(r *run, args []any, _ *Dict) (any, error) {
		message := ""
		if len(args) > 0 {
			var err error
			if message, err = r.str(args[0]); err != nil {
				return nil, err
			}
		}
		return nil, &RaisedError{message}
	})
	if now != nil {
		def("strftime_now", func(r *run, args []any, _ *Dict) (any, error) {
			if len(args) != 1 {
				return nil, fail("strftime_now needs a format")
			}
			format, err := r.str(args[0])
			if err != nil {
				return nil, err
			}
			return now(format), nil
		})
	}
}

// rangeOf is Python's range, as a list whose size is checked before it is made.
func rangeOf(r *run, args []any, _ *Dict) (any, error) {
	b := [3]int64{0, 0, 1}
	if len(args) < 1 || len(args) > 3 {
		return nil, fail("range needs one to three integers")
	}
	for i, a := range args {
		n, ok := integer(a)
		if !ok || n > 1<<40 || n < -1<<40 {
			return nil, fail("range needs integers in reason")
		}
		b[i] = n
	}
	lo, hi, step := b[0], b[1], b[2]
	if len(args) == 1 {
		lo, hi = 0, b[0]
	}
	if step == 0 {
		return nil, fail("a range step cannot be zero")
	}
	n := max(0, (hi-lo+step-sign(step))/step)
	if n > int64(r.memory/16) {
		return nil, &LimitError{"bytes of memory", r.lim.Memory}
	}
	out := make([]any, n)
	for i := range out {
		out[i] = lo + int64(i)*step
	}
	return r.newList(out)
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}

// filterToJSON is Hugging Face's tojson: json.dumps with ensure_ascii=False.
func filterToJSON(r *run, v any, args []any, kwargs *Dict) (any, error) {
	j := &jsonWriter{r: r, ascii: truth(arg(nil, kwargs, 0, "ensure_ascii", false)), item: ", ", key: ": "}
	if n, ok := integer(arg(args, kwargs, 0, "indent", nil)); ok {
		if n < 0 || n > 64 {
			return nil, fail("an indent of %d is out of range", n)
		}
		j.indent, j.item = strings.Repeat(" ", int(n)), ","
		j.pretty = true
	}
	if l, ok := arg(nil, kwargs, 0, "separators", nil).(*list); ok && len(l.items) == 2 {
		j.item, _ = l.items[0].(string)
		j.key, _ = l.items[1].(string)
	}
	j.sorted = truth(arg(nil, kwargs, 0, "sort_keys", false))
	if err := j.write(v, 0); err != nil {
		return nil, err
	}
	return j.b.String(), r.charge(j.b.Len())
}

type jsonWriter struct {
	r             *run
	b             strings.Builder
	ascii, sorted bool
	pretty        bool
	indent        string
	item, key     string
}

func (j *jsonWriter) newline(depth int) {
	if j.pretty {
		j.b.WriteByte('\n')
		j.b.WriteString(strings.Repeat(j.indent, depth))
	}
}

func (j *jsonWriter) write(v any, depth int) error {
	if depth > j.r.lim.Depth {
		return &LimitError{"levels of nesting", j.r.lim.Depth}
	}
	if err := j.r.step(); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		j.b.WriteString("null")
	case bool:
		j.b.WriteString(strconv.FormatBool(v))
	case int64:
		j.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		j.b.WriteString(strings.NewReplacer("inf", "Infinity", "nan", "NaN").Replace(floatRepr(v)))
	case string:
		j.str(v)
	case *list:
		return j.sequence("[", "]", len(v.items), depth, func(i int) error { return j.write(v.items[i], depth+1) })
	case *Dict:
		keys := v.keys
		if j.sorted {
			keys = sortedCopy(keys)
		}
		return j.sequence("{", "}", len(keys), depth, func(i int) error {
			j.str(keys[i])
			j.b.WriteString(j.key)
			return j.write(v.values[keys[i]], depth+1)
		})
	default:
		return fail("%s has no JSON", typeName(v))
	}
	return j.r.room(j.b.Len())
}

func (j *jsonWriter) sequence(open, end string, n, depth int, item func(i int) error) error {
	j.b.WriteString(open)
	for i := range n {
		if i > 0 {
			j.b.WriteString(j.item)
		}
		j.newline(depth + 1)
		if err := item(i); err != nil {
			return err
		}
	}
	if n > 0 {
		j.newline(depth)
	}
	j.b.WriteString(end)
	return j.r.room(j.b.Len())
}

func (j *jsonWriter) str(s string) {
	j.b.WriteByte('"')
	for _, c := range s {
		if i := strings.IndexRune("\"\\\n\r\t\b\f", c); i >= 0 {
			j.b.WriteString([]string{`\"`, `\\`, `\n`, `\r`, `\t`, `\b`, `\f`}[i])
			continue
		}
		switch {
		case c < 0x20 || j.ascii && c > 0x7e && c < 0x10000:
			j.b.WriteString(`\u` + hex(c, 4))
		case j.ascii && c >= 0x10000:
			c -= 0x10000
			j.b.WriteString(`\u` + hex(0xd800+c>>10, 4) + `\u` + hex(0xdc00+c&0x3ff, 4))
		case c == utf8.RuneError:
			j.b.WriteRune(c)
		default:
			j.b.WriteRune(c)
		}
	}
	j.b.WriteByte('"')
}

func sortedCopy(keys []string) []string {
	out := slices.Clone(keys)
	slices.Sort(out)
	return out
}
