package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

type filterFunc func(r *run, v any, args []any, kwargs *Dict) (any, error)

// filters by name. It is filled by init, since map and select call filters and
// tests themselves.
var filters map[string]filterFunc

func init() { //nolint:gochecknoinits // breaks the cycle between filters and the functions that look them up
	filters = map[string]filterFunc{
		"abs": filterAbs, "attr": filterAttr, "batch": filterBatch, "capitalize": text(capitalize), "count": filterLength,
		"d": filterDefault, "default": filterDefault, "dictsort": filterDictsort, "escape": text(escape), "e": text(escape),
		"first": filterFirst, "float": filterFloat, "format": filterFormat, "indent": filterIndent, "int": filterInt,
		"items": filterItems, "join": filterJoin, "last": filterLast, "length": filterLength, "list": filterList,
		"lower": text(strings.ToLower), "map": filterMap, "max": filterExtreme(1), "min": filterExtreme(-1),
		"reject": filterSelect(false, false), "rejectattr": filterSelect(true, false), "replace": filterReplace,
		"reverse": filterReverse, "round": filterRound, "safe": text(func(s string) string { return s }),
		"select": filterSelect(false, true), "selectattr": filterSelect(true, true), "slice": filterSlices,
		"sort": filterSort, "string": text(func(s string) string { return s }), "sum": filterSum, "title": text(title),
		"tojson": filterToJSON, "trim": filterTrim, "unique": filterUnique, "upper": text(strings.ToUpper),
		"groupby": filterGroupBy, "wordcount": filterWordCount, "urlencode": text(urlencode), "truncate": filterTruncate,
		"center": filterCenter,
	}
}

// text makes a filter of a function of strings.
func text(f func(string) string) filterFunc {
	return func(r *run, v any, _ []any, _ *Dict) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		s = f(s)
		return s, r.charge(len(s))
	}
}

func capitalize(s string) string {
	if s == "" {
		return s
	}
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
}

func title(s string) string {
	var b strings.Builder
	start := true
	for _, c := range s {
		if start {
			b.WriteRune(unicode.ToTitle(c))
		} else {
			b.WriteRune(unicode.ToLower(c))
		}
		start = unicode.IsSpace(c) || strings.ContainsRune("-([{<", c)
	}
	return b.String()
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace(s)
}

func urlencode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c == '/' || c == '-' || c == '_' || c == '.' || c == '~' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex(rune(c), 2)))
		}
	}
	return b.String()
}

// arg is argument i, or the one of that name, or a fallback.
func arg(args []any, kwargs *Dict, i int, name string, fallback any) any {
	if i < len(args) {
		return args[i]
	}
	if v, ok := kwargs.Get(name); ok {
		return v
	}
	return fallback
}

func filterDefault(_ *run, v any, args []any, kwargs *Dict) (any, error) {
	_, missing := v.(undefined)
	if missing || truth(arg(args, kwargs, 1, "boolean", false)) && !truth(v) {
		return arg(args, kwargs, 0, "default_value", ""), nil
	}
	return v, nil
}

func filterLength(_ *run, v any, _ []any, _ *Dict) (any, error) {
	if n, ok := length(v); ok {
		return int64(n), nil
	}
	return nil, fail("%s has no length", typeName(v))
}

func filterAttr(r *run, v any, args []any, _ *Dict) (any, error) {
	if len(args) == 1 {
		if name, ok := args[0].(string); ok {
			return r.attr(v, name)
		}
	}
	return nil, fail("attr needs a name")
}

func filterFirst(r *run, v any, _ []any, _ *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil || len(items) == 0 {
		return undefined{"the first of nothing"}, err
	}
	return items[0], nil
}

func filterLast(r *run, v any, _ []any, _ *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil || len(items) == 0 {
		return undefined{"the last of nothing"}, err
	}
	return items[len(items)-1], nil
}

func (r *run) newList(items []any) (any, error) {
	return &list{items: items}, r.charge(16 * len(items))
}

func filterList(r *run, v any, _ []any, _ *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	return r.newList(slices.Clone(items))
}

func filterItems(r *run, v any, _ []any, _ *Dict) (any, error) {
	switch d := v.(type) {
	case *Dict:
		return dictItems(r, d, nil, nil)
	case undefined:
		return &list{}, nil
	}
	return nil, fail("%s has no items", typeName(v))
}

func filterReverse(r *run, v any, _ []any, _ *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := v.(string); ok {
		return r.join(items, "")
	}
	return r.newList(items)
}

func (r *run) join(items []any, sep string) (string, error) {
	var b strings.Builder
	for i, item := range items {
		if err := r.step(); err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		s, err := r.str(item)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
		if err := r.room(b.Len()); err != nil {
			return "", err
		}
	}
	return b.String(), r.charge(b.Len())
}

func filterJoin(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if name := arg(args, kwargs, 1, "attribute", nil); name != nil {
		if items, err = r.attributes(items, name); err != nil {
			return nil, err
		}
	}
	sep, err := r.str(arg(args, kwargs, 0, "d", ""))
	if err != nil {
		return nil, err
	}
	return r.join(items, sep)
}

// attributes looks up a path such as "a.b" in every item.
func (r *run) attributes(items []any, path any) ([]any, error) {
	return r.attributesOr(items, path, nil, false)
}

// attributesOr is attributes with a value for items that lack a part of it.
func (r *run) attributesOr(items []any, path, fallback any, has bool) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		v, err := r.path(item, path, has)
		if err != nil {
			return nil, err
		}
		if _, missing := v.(undefined); missing && has {
			v = fallback
		}
		out[i] = v
	}
	return out, r.charge(16 * len(out))
}

// path follows the parts of a path; lenient ends it where a part is missing.
func (r *run) path(v, path any, lenient bool) (any, error) {
	name, ok := path.(string)
	if !ok {
		return r.index(v, path)
	}
	for part := range strings.SplitSeq(name, ".") {
		if _, missing := v.(undefined); missing && lenient {
			return v, nil
		}
		var err error
		if v, err = r.index(v, part); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func filterMap(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if path, ok := kwargs.Get("attribute"); ok {
		fallback, ok := kwargs.Get("default")
		if !ok {
			fallback = undefined{"an attribute"}
		}
		out, err := r.attributesOr(items, path, fallback, ok)
		return &list{items: out}, err
	}
	if len(args) == 0 {
		return nil, fail("map needs a filter or an attribute")
	}
	name, _ := args[0].(string)
	f := filters[name]
	if f == nil {
		return nil, fail("unknown filter %q", name)
	}
	out := make([]any, len(items))
	for i, item := range items {
		if err := r.step(); err != nil {
			return nil, err
		}
		if out[i], err = f(r, item, args[1:], kwargs); err != nil {
			return nil, err
		}
	}
	return r.newList(out)
}

// filterSelect is select, reject, selectattr and rejectattr.
func filterSelect(byAttr, keep bool) filterFunc {
	return func(r *run, v any, args []any, _ *Dict) (any, error) {
		items, err := r.items(v)
		if err != nil {
			return nil, err
		}
		var path any
		if byAttr {
			if len(args) == 0 {
				return nil, fail("selectattr needs an attribute")
			}
			path, args = args[0], args[1:]
		}
		var out []any
		for _, item := range items {
			if err := r.step(); err != nil {
				return nil, err
			}
			x := item
			if byAttr {
				if x, err = r.path(item, path, false); err != nil {
					return nil, err
				}
			}
			ok, err := r.passes(x, args)
			if err != nil {
				return nil, err
			}
			if ok == keep {
				out = append(out, item)
			}
		}
		return r.newList(out)
	}
}

// passes runs the test that args name; without one, the value itself.
func (r *run) passes(v any, args []any) (bool, error) {
	if len(args) == 0 {
		return truth(v), nil
	}
	name, _ := args[0].(string)
	t := tests[name]
	if t == nil {
		return false, fail("unknown test %q", name)
	}
	return t(r, v, args[1:])
}

func filterReplace(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	old, _ := arg(args, kwargs, 0, "old", nil).(string)
	repl, ok := arg(args, kwargs, 1, "new", nil).(string)
	if !ok {
		return nil, fail("replace needs two strings")
	}
	n := int64(-1)
	if c, ok := integer(arg(args, kwargs, 2, "count", nil)); ok {
		n = c
	}
	return r.replace(s, old, repl, n)
}

func (r *run) replace(s, old, repl string, n int64) (any, error) {
	found := int64(strings.Count(s, old))
	if n >= 0 {
		found = min(found, n)
	}
	if grow := int64(len(repl) - len(old)); grow > 0 && found > int64(r.memory)/grow {
		return nil, &LimitError{"bytes of memory", r.lim.Memory}
	}
	s = strings.Replace(s, old, repl, int(found))
	return s, r.charge(len(s))
}

func filterTrim(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if set, ok := arg(args, kwargs, 0, "chars", nil).(string); ok {
		return strings.Trim(s, set), nil
	}
	return strings.TrimFunc(s, unicode.IsSpace), nil
}

func filterIndent(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	pad, ok := arg(args, kwargs, 0, "width", int64(4)).(string)
	if !ok {
		n, _ := integer(arg(args, kwargs, 0, "width", int64(4)))
		p, err := r.repeat(" ", n)
		if err != nil {
			return nil, err
		}
		pad, _ = p.(string)
	}
	first, blank := truth(arg(args, kwargs, 1, "first", false)), truth(arg(args, kwargs, 2, "blank", false))
	lines := strings.Split(s, "\n")
	if len(pad) > 0 && len(lines) > r.memory/len(pad) {
		return nil, &LimitError{"bytes of memory", r.lim.Memory}
	}
	for i := range lines {
		if i == 0 && first || i > 0 && (blank || lines[i] != "") {
			lines[i] = pad + lines[i]
		}
	}
	s = strings.Join(lines, "\n")
	return s, r.charge(len(s))
}

func filterSort(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	keys, err := r.sortKeys(items, arg(args, kwargs, 2, "attribute", nil), truth(arg(args, kwargs, 1, "case_sensitive", false)))
	if err != nil {
		return nil, err
	}
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	reverse := truth(arg(args, kwargs, 0, "reverse", false))
	slices.SortStableFunc(order, func(a, b int) int {
		c, e := r.order(keys[a], keys[b])
		if e != nil && err == nil {
			err = e
		}
		if reverse {
			return -c
		}
		return c
	})
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, at := range order {
		out[i] = items[at]
	}
	return r.newList(out)
}

// sortKeys is what items are compared by: an attribute, in lower case unless
// case counts.
func (r *run) sortKeys(items []any, attribute any, cased bool) ([]any, error) {
	keys := slices.Clone(items)
	if attribute != nil {
		var err error
		if keys, err = r.attributes(items, attribute); err != nil {
			return nil, err
		}
	}
	for i, k := range keys {
		if s, ok := k.(string); ok && !cased {
			keys[i] = strings.ToLower(s)
		}
	}
	return keys, nil
}

func filterUnique(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	keys, err := r.sortKeys(items, arg(args, kwargs, 1, "attribute", nil), truth(arg(args, kwargs, 0, "case_sensitive", false)))
	if err != nil {
		return nil, err
	}
	var out, seen []any
	for i, k := range keys {
		if err := r.step(); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(seen, func(s any) bool { return r.equal(s, k) }) {
			out, seen = append(out, items[i]), append(seen, k)
		}
	}
	return r.newList(out)
}

func filterExtreme(sign int) filterFunc {
	return func(r *run, v any, args []any, kwargs *Dict) (any, error) {
		items, err := r.items(v)
		if err != nil || len(items) == 0 {
			return undefined{"the extreme of nothing"}, err
		}
		keys, err := r.sortKeys(items, arg(args, kwargs, 1, "attribute", nil), truth(arg(args, kwargs, 0, "case_sensitive", false)))
		if err != nil {
			return nil, err
		}
		best := 0
		for i := range keys {
			c, err := r.order(keys[i], keys[best])
			if err != nil {
				return nil, err
			}
			if c*sign > 0 {
				best = i
			}
		}
		return items[best], nil
	}
}

func filterSum(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if path := arg(args, kwargs, 0, "attribute", nil); path != nil {
		if items, err = r.attributes(items, path); err != nil {
			return nil, err
		}
	}
	total := arg(args, kwargs, 1, "start", int64(0))
	for _, item := range items {
		if total, err = (&binary{"+", literal{total}, literal{item}}).eval(r, nil); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterDictsort(r *run, v any, args []any, kwargs *Dict) (any, error) {
	d, ok := v.(*Dict)
	if !ok {
		return nil, fail("dictsort needs a mapping")
	}
	pairs, err := dictItems(r, d, nil, nil)
	if err != nil {
		return nil, err
	}
	by := int64(0)
	if arg(args, kwargs, 1, "by", "key") == "value" {
		by = 1
	}
	opt := NewDict()
	opt.Set("attribute", by)
	opt.Set("reverse", arg(args, kwargs, 2, "reverse", false))
	opt.Set("case_sensitive", arg(args, kwargs, 0, "case_sensitive", false))
	return filterSort(r, pairs, nil, opt)
}

func filterGroupBy(r *run, v any, args []any, kwargs *Dict) (any, error) {
	path := arg(args, kwargs, 0, "attribute", nil)
	opt := NewDict()
	opt.Set("attribute", path)
	sorted, err := filterSort(r, v, nil, opt)
	if err != nil {
		return nil, err
	}
	items, _ := r.items(sorted)
	keys, err := r.attributes(items, path)
	if err != nil {
		return nil, err
	}
	var groups []any
	for i, k := range keys {
		if i == 0 || !r.equal(keys[i-1], k) {
			groups = append(groups, &list{tuple: true, items: []any{k, &list{}}})
		}
		last := groups[len(groups)-1].(*list).items[1].(*list) //nolint:forcetypeassert // made above
		last.items = append(last.items, items[i])
	}
	return r.newList(groups)
}

// chunked is batch and slice: items in rows of n, or in n rows.
func filterBatch(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	n, ok := integer(arg(args, kwargs, 0, "linecount", nil))
	if !ok || n < 1 {
		return nil, fail("batch needs a positive number")
	}
	fill := arg(args, kwargs, 1, "fill_with", nil)
	var rows []any
	for len(items) > 0 {
		k := min(n, int64(len(items)))
		row := slices.Clone(items[:k])
		items = items[k:]
		if fill != nil {
			if n > int64(r.memory/16) {
				return nil, &LimitError{"bytes of memory", r.lim.Memory}
			}
			for int64(len(row)) < n {
				row = append(row, fill)
			}
		}
		rows = append(rows, &list{items: row})
		if err := r.charge(16 * len(row)); err != nil {
			return nil, err
		}
	}
	return r.newList(rows)
}

func filterSlices(r *run, v any, args []any, kwargs *Dict) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	n, ok := integer(arg(args, kwargs, 0, "slices", nil))
	if !ok || n < 1 || n > int64(r.memory/16) {
		return nil, fail("slice needs a positive number")
	}
	fill := arg(args, kwargs, 1, "fill_with", nil)
	size, more, at := int64(len(items))/n, int64(len(items))%n, int64(0)
	rows := make([]any, n)
	for i := range n {
		k := size
		if i < more {
			k++
		}
		row := slices.Clone(items[at : at+k])
		at += k
		if fill != nil && i >= more {
			row = append(row, fill)
		}
		rows[i] = &list{items: row}
	}
	return r.newList(rows)
}

func filterWordCount(r *run, v any, _ []any, _ *Dict) (any, error) {
	s, err := r.str(v)
	return int64(len(strings.Fields(s))), err
}

func filterTruncate(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	n, _ := integer(arg(args, kwargs, 0, "length", int64(255)))
	end, _ := arg(args, kwargs, 2, "end", "...").(string)
	leeway, _ := integer(arg(args, kwargs, 3, "leeway", int64(5)))
	c := []rune(s)
	keep := n - int64(utf8.RuneCountInString(end))
	if int64(len(c)) <= n+leeway || keep < 0 {
		return s, r.charge(4 * len(c))
	}
	cut := string(c[:keep])
	if !truth(arg(args, kwargs, 1, "killwords", false)) {
		if i := strings.LastIndex(cut, " "); i >= 0 {
			cut = cut[:i]
		}
	}
	return cut + end, r.charge(4 * len(c))
}

func filterCenter(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	width, _ := integer(arg(args, kwargs, 0, "width", int64(80)))
	pad := width - int64(utf8.RuneCountInString(s))
	if pad <= 0 {
		return s, nil
	}
	if pad > int64(r.memory) {
		return nil, &LimitError{"bytes of memory", r.lim.Memory}
	}
	left := pad/2 + pad&width&1
	return strings.Repeat(" ", int(left)) + s + strings.Repeat(" ", int(pad-left)), r.charge(int(width))
}
