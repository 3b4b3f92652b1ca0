package jinja

// exec runs a for loop.
func (n forNode) exec(r *run, s *scope) (flow, error) {
	v, err := n.iter.eval(r, s)
	if err != nil {
		return flowNext, err
	}
	return flowNext, n.over(r, s, v, 1)
}

// over runs the loop over a value, at a depth of recursion.
func (n forNode) over(r *run, s *scope, v any, depth int) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer func() { r.depth-- }()
	items, err := r.items(v)
	if err != nil {
		return err
	}
	if n.filter != nil {
		if items, err = n.keep(r, s, items); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		_, err := r.block(n.other, newScope(s))
		return err
	}
	loop := &loopState{items: items, depth: depth}
	if n.recursive {
		loop.again = func(r *run, v any) (any, error) {
			return r.captureFunc(func() error { return n.over(r, s, v, depth+1) })
		}
	}
	for i, item := range items {
		if err := r.step(); err != nil {
			return err
		}
		loop.at = i
		inner := newScope(s)
		inner.set("loop", loop)
		if err := r.bind(inner, n.target, item); err != nil {
			return err
		}
		f, err := r.block(n.body, inner)
		if err != nil {
			return err
		}
		if f == flowBreak {
			break
		}
	}
	return nil
}

// keep returns the items that the loop's condition takes.
func (n forNode) keep(r *run, s *scope, items []any) ([]any, error) {
	var kept []any
	for _, item := range items {
		inner := newScope(s)
		if err := r.bind(inner, n.target, item); err != nil {
			return nil, err
		}
		v, err := n.filter.eval(r, inner)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, r.charge(16 * len(kept))
}

// loopState is the loop variable.
type loopState struct {
	items []any
	at    int
	depth int
	last  *list // of loop.changed
	again func(r *run, v any) (any, error)
}

// attr is an attribute of the loop variable.
func (l *loopState) attr(name string) any {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1)
	case "index0":
		return int64(l.at)
	case "revindex":
		return int64(n - l.at)
	case "revindex0":
		return int64(n - l.at - 1)
	case "first":
		return l.at == 0
	case "last":
		return l.at == n-1
	case "length":
		return int64(n)
	case "depth":
		return int64(l.depth)
	case "depth0":
		return int64(l.depth - 1)
	case "previtem":
		if l.at > 0 {
			return l.items[l.at-1]
		}
		return undefined{"previtem"}
	case "nextitem":
		if l.at+1 < n {
			return l.items[l.at+1]
		}
		return undefined{"nextitem"}
	case "cycle":
		return function{"cycle", func(_ *run, args []any, _ *Dict) (any, error) {
			if len(args) == 0 {
				return nil, fail("cycle needs values")
			}
			return args[l.at%len(args)], nil
		}}
	case "changed":
		return function{"changed", func(r *run, args []any, _ *Dict) (any, error) {
			now := &list{items: args}
			same := l.last != nil && r.equal(l.last, now)
			l.last = now
			return !same, nil
		}}
	}
	return undefined{name}
}
