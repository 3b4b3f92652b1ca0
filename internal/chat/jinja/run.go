package jinja

import (
	"strings"
)

// run is one rendering: the output, and what is left of the limits.
type run struct {
	lim    Limits
	out    *strings.Builder
	steps  int
	memory int
	depth  int
}

// step counts one evaluation.
func (r *run) step() error {
	if r.steps--; r.steps < 0 {
		return &LimitError{"steps", r.lim.Steps}
	}
	return nil
}

// charge counts n bytes of a value that was made.
func (r *run) charge(n int) error {
	if r.memory -= n; r.memory < 0 {
		return &LimitError{"bytes of memory", r.lim.Memory}
	}
	return nil
}

// room says whether a value of n bytes may be made.
func (r *run) room(n int) error {
	if n < 0 || n > r.memory {
		return &LimitError{"bytes of memory", r.lim.Memory}
	}
	return nil
}

func (r *run) enter() error {
	if r.depth++; r.depth > r.lim.Depth {
		return &LimitError{"levels of calls", r.lim.Depth}
	}
	return r.step()
}

// scope is the names of a body; a name that is not here is looked up outside.
type scope struct {
	vars   map[string]any
	parent *scope
}

func newScope(parent *scope) *scope { return &scope{vars: map[string]any{}, parent: parent} }

func (s *scope) set(name string, v any) { s.vars[name] = v }

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// block runs statements.
func (r *run) block(body []node, s *scope) (flow, error) {
	for _, n := range body {
		if err := r.step(); err != nil {
			return flowNext, err
		}
		if f, err := n.exec(r, s); err != nil || f != flowNext {
			return f, err
		}
	}
	return flowNext, nil
}

// emit appends to the output.
func (r *run) emit(s string) error {
	if err := r.charge(len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return nil
}

// print writes a value to the output.
func (r *run) print(v any) error {
	text, err := r.str(v)
	if err != nil {
		return err
	}
	return r.emit(text)
}

// capture runs statements and returns their output instead of writing it.
func (r *run) capture(body []node, s *scope) (string, error) {
	return r.captureFunc(func() error {
		_, err := r.block(body, s)
		return err
	})
}

func (r *run) captureFunc(f func() error) (string, error) {
	saved := r.out
	r.out = &strings.Builder{}
	err := f()
	text := r.out.String()
	r.out = saved
	return text, err
}

func (n textNode) exec(r *run, _ *scope) (flow, error) { return flowNext, r.emit(n.text) }

func (n outputNode) exec(r *run, s *scope) (flow, error) {
	v, err := n.x.eval(r, s)
	if err != nil {
		return flowNext, err
	}
	return flowNext, r.print(v)
}

func (n ifNode) exec(r *run, s *scope) (flow, error) {
	for i, c := range n.conds {
		v, err := c.eval(r, s)
		if err != nil {
			return flowNext, err
		}
		if truth(v) {
			return r.block(n.bodies[i], s)
		}
	}
	return r.block(n.other, s)
}

func (n loopControl) exec(*run, *scope) (flow, error) { return n.f, nil }

func (n bodyNode) exec(r *run, s *scope) (flow, error) { return r.block(n.body, newScope(s)) }

func (n withNode) exec(r *run, s *scope) (flow, error) {
	inner := newScope(s)
	for i, x := range n.xs {
		v, err := x.eval(r, s)
		if err != nil {
			return flowNext, err
		}
		inner.set(n.names[i], v)
	}
	return r.block(n.body, inner)
}

func (n filterNode) exec(r *run, s *scope) (flow, error) {
	text, err := r.capture(n.body, newScope(s))
	if err != nil {
		return flowNext, err
	}
	v, err := r.apply(n.filters, text, s)
	if err != nil {
		return flowNext, err
	}
	return flowNext, r.print(v)
}

// apply runs a chain of filters.
func (r *run) apply(fs []filterCall, v any, s *scope) (any, error) {
	for i := range fs {
		args, kwargs, err := fs[i].eval(r, s)
		if err != nil {
			return nil, err
		}
		f := filters[fs[i].name]
		if f == nil {
			return nil, fail("unknown filter %q", fs[i].name)
		}
		if v, err = f(r, v, args, kwargs); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (n setNode) exec(r *run, s *scope) (flow, error) {
	var v any
	var err error
	if n.x != nil {
		v, err = n.x.eval(r, s)
	} else if v, err = r.capture(n.body, newScope(s)); err == nil {
		v, err = r.apply(n.filter, v, s)
	}
	if err != nil {
		return flowNext, err
	}
	if n.attr != "" {
		target, _ := s.get(n.target[0])
		ns, ok := target.(*namespace)
		if !ok {
			return flowNext, fail("%s is not a namespace: its attributes cannot be set", n.target[0])
		}
		ns.vars.Set(n.attr, v)
		return flowNext, nil
	}
	return flowNext, r.bind(s, n.target, v)
}

// bind sets names to a value, unpacking it to several.
func (r *run) bind(s *scope, names []string, v any) error {
	if len(names) == 1 {
		s.set(names[0], v)
		return nil
	}
	items, err := r.items(v)
	if err != nil {
		return err
	}
	if len(items) != len(names) {
		return fail("%d values for %d names", len(items), len(names))
	}
	for i, name := range names {
		s.set(name, items[i])
	}
	return nil
}

func (n macroNode) exec(_ *run, s *scope) (flow, error) {
	s.set(n.m.name, n.m.function(s))
	return flowNext, nil
}

// function is a macro that was defined in scope s.
func (m *macro) function(s *scope) function {
	return function{m.name, func(r *run, args []any, kwargs *Dict) (any, error) {
		if err := r.enter(); err != nil {
			return nil, err
		}
		defer func() { r.depth-- }()
		inner := newScope(s)
		if caller, ok := kwargs.Get("caller"); ok {
			inner.set("caller", caller)
		}
		extra := &list{tuple: true}
		for i, v := range args {
			if i < len(m.params) {
				inner.set(m.params[i], v)
			} else {
				extra.items = append(extra.items, v)
			}
		}
		inner.set("varargs", extra)
		rest := NewDict()
		for _, k := range kwargs.keys {
			rest.Set(k, kwargs.values[k])
		}
		inner.set("kwargs", rest)
		for i := range m.params {
			if err := m.param(r, inner, i, len(args), kwargs); err != nil {
				return nil, err
			}
		}
		return r.capture(m.body, inner)
	}}
}

// param sets parameter i that no positional argument gave.
func (m *macro) param(r *run, s *scope, i, given int, kwargs *Dict) error {
	name := m.params[i]
	if v, ok := kwargs.Get(name); ok {
		s.set(name, v)
		return nil
	}
	if i < given {
		return nil
	}
	d := i - (len(m.params) - len(m.defaults))
	if d < 0 {
		s.set(name, undefined{name})
		return nil
	}
	v, err := m.defaults[d].eval(r, s)
	s.set(name, v)
	return err
}

func (n callNode) exec(r *run, s *scope) (flow, error) {
	fn, err := n.call.fn.eval(r, s)
	if err != nil {
		return flowNext, err
	}
	args, kwargs, err := n.call.arguments.eval(r, s)
	if err != nil {
		return flowNext, err
	}
	kwargs.Set("caller", n.caller.function(s))
	f, ok := fn.(function)
	if !ok {
		return flowNext, fail("%s cannot be called", typeName(fn))
	}
	v, err := f.call(r, args, kwargs)
	if err != nil {
		return flowNext, err
	}
	return flowNext, r.print(v)
}
