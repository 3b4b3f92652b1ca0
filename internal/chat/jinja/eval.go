package jinja

import (
	"math"
	"strings"
	"unicode/utf8"
)

func (x literal) eval(*run, *scope) (any, error) { return x.v, nil }

func (x nameExpr) eval(_ *run, s *scope) (any, error) {
	if v, ok := s.get(x.name); ok {
		return v, nil
	}
	return undefined(x), nil
}

func (x *listExpr) eval(r *run, s *scope) (any, error) {
	l := &list{tuple: x.tuple, items: make([]any, 0, len(x.items))}
	for _, item := range x.items {
		v, err := item.eval(r, s)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
	}
	return l, r.charge(16 * len(l.items))
}

func (x *dictExpr) eval(r *run, s *scope) (any, error) {
	d := NewDict()
	for i, k := range x.keys {
		key, err := k.eval(r, s)
		if err != nil {
			return nil, err
		}
		name, err := r.str(key)
		if err != nil {
			return nil, err
		}
		v, err := x.values[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		d.Set(name, v)
	}
	return d, r.charge(64 * len(d.keys))
}

func (x *unary) eval(r *run, s *scope) (any, error) {
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	if x.op == "not" {
		return !truth(v), nil
	}
	if n, ok := integer(v); ok {
		if x.op == "-" {
			n = -n
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		if x.op == "-" {
			f = -f
		}
		return f, nil
	}
	return nil, fail("%s has no sign", typeName(v))
}

func (x *logic) eval(r *run, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	v, err := x.a.eval(r, s)
	if err != nil || truth(v) != x.and {
		return v, err
	}
	return x.b.eval(r, s)
}

func (x *ternary) eval(r *run, s *scope) (any, error) {
	c, err := x.cond.eval(r, s)
	switch {
	case err != nil:
		return nil, err
	case truth(c):
		return x.yes.eval(r, s)
	case x.no == nil:
		return undefined{"the value of an if without else"}, nil
	}
	return x.no.eval(r, s)
}

func (x *compare) eval(r *run, s *scope) (any, error) {
	a, err := x.first.eval(r, s)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		b, err := x.rest[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(op, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (r *run) compare(op string, a, b any) (bool, error) {
	if err := r.step(); err != nil {
		return false, err
	}
	switch op {
	case "==":
		return r.equal(a, b), nil
	case "!=":
		return !r.equal(a, b), nil
	case "in", "not in":
		in, err := r.contains(b, a)
		return in == (op == "in"), err
	}
	c, err := r.order(a, b)
	switch op {
	case "<":
		return c < 0, err
	case "<=":
		return c <= 0, err
	case ">":
		return c > 0, err
	default:
		return c >= 0, err
	}
}

// contains is Python's in.
func (r *run) contains(in, v any) (bool, error) {
	switch in := in.(type) {
	case string:
		s, ok := v.(string)
		if !ok {
			return false, fail("in a string only strings can be found, not %s", typeName(v))
		}
		return strings.Contains(in, s), nil
	case *list:
		for _, item := range in.items {
			if err := r.step(); err != nil {
				return false, err
			}
			if r.equal(item, v) {
				return true, nil
			}
		}
		return false, nil
	case *Dict:
		s, ok := v.(string)
		_, has := in.values[s]
		return ok && has, nil
	case undefined:
		return false, nil
	}
	return false, fail("nothing is in %s", typeName(in))
}

func (x *binary) eval(r *run, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	a, err := x.a.eval(r, s)
	if err != nil {
		return nil, err
	}
	b, err := x.b.eval(r, s)
	if err != nil {
		return nil, err
	}
	if x.op == "~" {
		return r.concat(a, b)
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, fail("%q is undefined", u.name)
		}
	}
	i, iok := integer(a)
	j, jok := integer(b)
	if iok && jok {
		return intOp(x.op, i, j)
	}
	f, fok := number(a)
	g, gok := number(b)
	if fok && gok {
		return floatOp(x.op, f, g)
	}
	return r.sequenceOp(x.op, a, b)
}

func (r *run) concat(a, b any) (any, error) {
	x, err := r.str(a)
	if err != nil {
		return nil, err
	}
	y, err := r.str(b)
	if err != nil {
		return nil, err
	}
	return x + y, r.charge(len(x) + len(y))
}

func intOp(op string, a, b int64) (any, error) {
	switch op {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return c, nil
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return c, nil
		}
	case "*":
		if a == 0 || b == 0 {
			return int64(0), nil
		}
		if c := a * b; c/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64) {
			return c, nil
		}
	case "/", "//", "%":
		if b == 0 {
			return nil, fail("division by zero")
		}
		if op == "/" {
			return float64(a) / float64(b), nil
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) { // Python rounds down
			q, m = q-1, m+b
		}
		if op == "//" {
			return q, nil
		}
		return m, nil
	case "**":
		if b < 0 {
			return math.Pow(float64(a), float64(b)), nil
		}
		c := int64(1)
		for range min(b, 64) {
			v, err := intOp("*", c, a)
			if err != nil {
				return nil, err
			}
			c, _ = integer(v)
		}
		if b <= 64 || c == 0 || c == 1 && a == 1 {
			return c, nil
		}
	}
	return nil, fail("an integer is too large")
}

func floatOp(op string, a, b float64) (any, error) {
	if b == 0 && (op == "/" || op == "//" || op == "%") {
		return nil, fail("division by zero")
	}
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		return a / b, nil
	case "//":
		return math.Floor(a / b), nil
	case "%":
		m := math.Mod(a, b)
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m, nil
	default:
		return math.Pow(a, b), nil
	}
}

// sequenceOp is arithmetic of strings and lists.
func (r *run) sequenceOp(op string, a, b any) (any, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok && op == "+" {
			return x + y, r.charge(len(x) + len(y))
		}
		if n, ok := integer(b); ok && op == "*" {
			return r.repeat(x, n)
		}
		if op == "%" {
			return r.percent(x, b)
		}
	case *list:
		if y, ok := b.(*list); ok && op == "+" && x.tuple == y.tuple {
			l := &list{tuple: x.tuple, items: append(append([]any(nil), x.items...), y.items...)}
			return l, r.charge(16 * len(l.items))
		}
		if n, ok := integer(b); ok && op == "*" {
			n = max(0, n)
			if len(x.items) > 0 && n > int64(r.memory/16/len(x.items)) {
				return nil, &LimitError{"bytes of memory", r.lim.Memory}
			}
			l := &list{tuple: x.tuple}
			for range n {
				l.items = append(l.items, x.items...)
			}
			return l, r.charge(16 * len(l.items))
		}
	}
	if _, ok := integer(a); ok && op == "*" {
		switch b.(type) {
		case string, *list:
			return r.sequenceOp(op, b, a)
		}
	}
	return nil, fail("%s %s %s has no meaning", typeName(a), op, typeName(b))
}

func (r *run) repeat(s string, n int64) (any, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > int64(r.memory/len(s)) {
		return nil, &LimitError{"bytes of memory", r.lim.Memory}
	}
	return strings.Repeat(s, int(n)), r.charge(len(s) * int(n))
}

func (x *attr) eval(r *run, s *scope) (any, error) {
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.attr(v, x.name)
}

// attr is v.name: an entry of a mapping, or a method.
func (r *run) attr(v any, name string) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case undefined:
		return nil, fail("%q is undefined", v.name)
	case *namespace:
		if x, ok := v.vars.Get(name); ok {
			return x, nil
		}
		return undefined{name}, nil
	case *loopState:
		return v.attr(name), nil
	}
	if m := method(v, name); m != nil {
		return function{name, func(r *run, args []any, kwargs *Dict) (any, error) {
			return m(r, v, args, kwargs)
		}}, nil
	}
	if d, ok := v.(*Dict); ok {
		if x, ok := d.Get(name); ok {
			return x, nil
		}
	}
	return undefined{name}, nil
}

func (x *index) eval(r *run, s *scope) (any, error) {
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	at, err := x.at.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.index(v, at)
}

func (r *run) index(v, at any) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case undefined:
		return nil, fail("%q is undefined", v.name)
	case *Dict:
		key, ok := at.(string)
		if !ok {
			var err error
			if key, err = r.str(at); err != nil {
				return nil, err
			}
		}
		if x, ok := v.Get(key); ok {
			return x, nil
		}
		if m := method(v, key); m != nil && ok {
			return r.attr(v, key)
		}
		return undefined{key}, nil
	case *list:
		if i, ok := integer(at); ok {
			if i < 0 {
				i += int64(len(v.items))
			}
			if i >= 0 && i < int64(len(v.items)) {
				return v.items[i], nil
			}
		}
		return undefined{"an index that is out of range"}, nil
	case string:
		if i, ok := integer(at); ok {
			return r.charAt(v, i)
		}
	}
	if name, ok := at.(string); ok {
		return r.attr(v, name)
	}
	return undefined{"an index"}, nil
}

func (r *run) charAt(s string, i int64) (any, error) {
	n := int64(utf8.RuneCountInString(s))
	r.steps -= len(s) / 64
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return undefined{"an index that is out of range"}, nil
	}
	for _, c := range s {
		if i == 0 {
			return string(c), nil
		}
		i--
	}
	return nil, nil
}

func (x *slice) eval(r *run, s *scope) (any, error) {
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	var bounds [3]*int64
	for i, e := range []expr{x.lo, x.hi, x.step} {
		if e == nil {
			continue
		}
		b, err := e.eval(r, s)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		n, ok := integer(b)
		if !ok {
			return nil, fail("slice bounds are integers, not %s", typeName(b))
		}
		bounds[i] = &n
	}
	switch v := v.(type) {
	case string:
		items, err := r.items(v)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		err = cutSlice(items, bounds, func(item any) { b.WriteString(item.(string)) }) //nolint:forcetypeassert // characters
		return b.String(), err
	case *list:
		l := &list{tuple: v.tuple}
		err := cutSlice(v.items, bounds, func(item any) { l.items = append(l.items, item) })
		if err != nil {
			return nil, err
		}
		return l, r.charge(16 * len(l.items))
	case undefined:
		return nil, fail("%q is undefined", v.name)
	}
	return nil, fail("%s cannot be sliced", typeName(v))
}

// cutSlice takes what Python's lo:hi:step takes.
func cutSlice(items []any, b [3]*int64, take func(item any)) error {
	n, step := int64(len(items)), int64(1)
	if b[2] != nil {
		step = *b[2]
	}
	if step == 0 {
		return fail("a slice step cannot be zero")
	}
	bound := func(p *int64, fallback, least, most int64) int64 {
		if p == nil {
			return fallback
		}
		v := *p
		if v < 0 {
			v = max(v, -n-1) + n
		}
		return max(least, min(v, most))
	}
	if step > 0 {
		for i := bound(b[0], 0, 0, n); i < bound(b[1], n, 0, n); i += min(step, n+1) {
			take(items[i])
		}
		return nil
	}
	for i := bound(b[0], n-1, -1, n-1); i > bound(b[1], -1, -1, n-1); i += max(step, -n-1) {
		take(items[i])
	}
	return nil
}

// eval evaluates arguments.
func (a *arguments) eval(r *run, s *scope) ([]any, *Dict, error) {
	args := make([]any, 0, len(a.args))
	for _, x := range a.args {
		v, err := x.eval(r, s)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, v)
	}
	kwargs := NewDict()
	for i, x := range a.kwargs {
		v, err := x.eval(r, s)
		if err != nil {
			return nil, nil, err
		}
		kwargs.Set(a.names[i], v)
	}
	return args, kwargs, nil
}

func (x *callExpr) eval(r *run, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	fn, err := x.fn.eval(r, s)
	if err != nil {
		return nil, err
	}
	args, kwargs, err := x.arguments.eval(r, s)
	if err != nil {
		return nil, err
	}
	switch f := fn.(type) {
	case function:
		return f.call(r, args, kwargs)
	case *loopState:
		if f.again != nil && len(args) == 1 {
			return f.again(r, args[0])
		}
	case undefined:
		return nil, fail("%q is undefined", f.name)
	}
	return nil, fail("%s cannot be called", typeName(fn))
}

func (x *filterExpr) eval(r *run, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	return r.apply([]filterCall{x.filterCall}, v, s)
}

func (x *testExpr) eval(r *run, s *scope) (any, error) {
	v, err := x.x.eval(r, s)
	if err != nil {
		return nil, err
	}
	args, _, err := x.arguments.eval(r, s)
	if err != nil {
		return nil, err
	}
	t := tests[x.name]
	if t == nil {
		return nil, fail("unknown test %q", x.name)
	}
	ok, err := t(r, v, args)
	return ok != x.not, err
}
