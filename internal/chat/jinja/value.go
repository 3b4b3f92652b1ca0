package jinja

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A value is nil, bool, int64, float64, string, *list, *Dict, *namespace,
// function or undefined.
type (
	list struct {
		items []any
		tuple bool
	}
	namespace struct{ vars *Dict }
	// function is what a template may call.
	function struct {
		name string
		call func(r *run, args []any, kwargs *Dict) (any, error)
	}
	// undefined is what a name, key or index without a value gives. It prints
	// as nothing; to look into it is an error.
	undefined struct{ name string }
)

// Dict is a mapping that keeps the order in which keys came, as Python's does.
type Dict struct {
	keys   []string
	values map[string]any
}

// NewDict returns an empty mapping.
func NewDict() *Dict { return &Dict{values: map[string]any{}} }

// Set adds or replaces a value.
func (d *Dict) Set(key string, v any) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// Get returns a value.
func (d *Dict) Get(key string) (any, bool) {
	v, ok := d.values[key]
	return v, ok
}

// toValue turns a caller's value into one of the engine's.
func (r *run) toValue(v any, depth int) (any, error) {
	if depth > r.lim.Depth {
		return nil, &LimitError{"levels of nesting", r.lim.Depth}
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v, nil
	case int:
		return int64(v), nil
	case []any:
		l := &list{}
		for _, item := range v {
			x, err := r.toValue(item, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, x)
		}
		return l, nil
	case map[string]any:
		d := NewDict()
		for _, k := range slices.Sorted(maps.Keys(v)) {
			d.Set(k, v[k])
		}
		return r.toValue(d, depth)
	case *Dict:
		d := NewDict()
		for _, k := range v.keys {
			x, err := r.toValue(v.values[k], depth+1)
			if err != nil {
				return nil, err
			}
			d.Set(k, x)
		}
		return d, nil
	}
	return nil, fail("a value of type %T cannot be used in a template", v)
}

func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case undefined:
		return "Undefined"
	}
	return "object"
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// str is Python's str(v). It is bounded by the run's memory.
func (r *run) str(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b strings.Builder
	if err := r.write(&b, v, false, 0); err != nil {
		return "", err
	}
	return b.String(), r.charge(b.Len())
}

// write writes str(v), or repr(v) within containers.
func (r *run) write(b *strings.Builder, v any, repr bool, depth int) error {
	if depth > r.lim.Depth {
		return &LimitError{"levels of nesting", r.lim.Depth}
	}
	if err := r.step(); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(floatRepr(v))
	case string:
		if repr {
			b.WriteString(quote(v))
		} else {
			b.WriteString(v)
		}
	case undefined:
		if repr {
			b.WriteString("Undefined")
		}
	case *list:
		return r.writeList(b, v, depth)
	case *Dict:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quote(k) + ": ")
			if err := r.write(b, v.values[k], true, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case *namespace:
		b.WriteString("<Namespace>")
	case function:
		b.WriteString("<function " + v.name + ">")
	}
	return r.room(b.Len())
}

func (r *run) writeList(b *strings.Builder, v *list, depth int) error {
	open, end := "[", "]"
	if v.tuple {
		open, end = "(", ")"
		if len(v.items) == 1 {
			end = ",)"
		}
	}
	b.WriteString(open)
	for i, item := range v.items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := r.write(b, item, true, depth+1); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return nil
}

// floatRepr is Python's repr of a float: the shortest digits that read back.
func floatRepr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, c := range s {
		switch {
		case c == rune(q) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20 || c == 0x7f:
			b.WriteString(`\x` + hex(c, 2))
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hex(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hex(c, 4))
		default:
			b.WriteString(`\U` + hex(c, 8))
		}
	}
	b.WriteByte(q)
	return b.String()
}

func hex(c rune, width int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// number returns v as a float64, for arithmetic and comparison; a bool is 0
// or 1, as in Python.
func number(v any) (float64, bool) {
	if n, ok := integer(v); ok {
		return float64(n), true
	}
	f, ok := v.(float64)
	return f, ok
}

// integer returns v as an int64 if it is an int or a bool.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// equal is Python's ==.
func (r *run) equal(a, b any) bool {
	if r.steps--; r.steps < 0 {
		return false // the next step ends the run
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		s, ok := b.(string)
		return ok && a == s
	case undefined:
		_, ok := b.(undefined)
		return ok
	case *list:
		l, ok := b.(*list)
		return ok && a.tuple == l.tuple && slices.EqualFunc(a.items, l.items, r.equal)
	case *Dict:
		d, ok := b.(*Dict)
		if !ok || len(a.keys) != len(d.keys) {
			return false
		}
		for k, v := range a.values {
			if w, ok := d.values[k]; !ok || !r.equal(v, w) {
				return false
			}
		}
		return true
	case *namespace:
		return any(a) == b
	}
	return false
}

// order compares as Python's < does; only numbers, strings and lists have an
// order.
func (r *run) order(a, b any) (int, error) {
	if err := r.step(); err != nil {
		return 0, err
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			switch {
			case x < y:
				return -1, nil
			case x > y:
				return 1, nil
			}
			return 0, nil
		}
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil // UTF-8 sorts as code points do
		}
	}
	if x, ok := a.(*list); ok {
		if y, ok := b.(*list); ok {
			for i := range min(len(x.items), len(y.items)) {
				if !r.equal(x.items[i], y.items[i]) {
					return r.order(x.items[i], y.items[i])
				}
			}
			return len(x.items) - len(y.items), nil
		}
	}
	return 0, fail("%s and %s have no order", typeName(a), typeName(b))
}

// items lists what a value iterates over.
func (r *run) items(v any) ([]any, error) {
	switch v := v.(type) {
	case *list:
		return v.items, nil
	case undefined:
		return nil, nil
	case string:
		out := make([]any, 0, utf8.RuneCountInString(v))
		if err := r.charge(32 * len(v)); err != nil {
			return nil, err
		}
		for _, c := range v {
			out = append(out, string(c))
		}
		return out, nil
	case *Dict:
		out := make([]any, len(v.keys))
		for i, k := range v.keys {
			out[i] = k
		}
		return out, r.charge(16 * len(out))
	}
	return nil, fail("%s cannot be iterated over", typeName(v))
}

func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case *list:
		return len(v.items), true
	case *Dict:
		return len(v.keys), true
	case undefined:
		return 0, true
	}
	return 0, false
}
