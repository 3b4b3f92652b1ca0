package jinja

// node is a statement: its effect is output, or a name that is set.
type node interface {
	exec(r *run, s *scope) (flow, error)
}

// expr is an expression.
type expr interface {
	eval(r *run, s *scope) (any, error)
}

type (
	textNode   struct{ text string }
	outputNode struct{ x expr }
	ifNode     struct {
		conds  []expr
		bodies [][]node
		other  []node
	}
	forNode struct {
		target    []string // one name, or several to unpack to
		iter      expr
		filter    expr // or nil
		body      []node
		other     []node
		recursive bool
	}
	setNode struct {
		target []string
		attr   string // of a namespace named target[0]; or ""
		x      expr
		body   []node // of a block set; x is nil then
		filter []filterCall
	}
	macroNode struct{ m *macro }
	callNode  struct {
		call   *callExpr
		caller *macro
	}
	filterNode struct {
		filters []filterCall
		body    []node
	}
	bodyNode struct{ body []node } // {% generation %}, {% with %} without names
	withNode struct {
		names []string
		xs    []expr
		body  []node
	}
	loopControl struct{ f flow }
)

// macro is a named body with parameters.
type macro struct {
	name     string
	params   []string
	defaults []expr // of the last parameters
	body     []node
}

type (
	literal  struct{ v any }
	nameExpr struct{ name string }
	listExpr struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	unary    struct {
		op string
		x  expr
	}
	binary struct {
		op   string
		a, b expr
	}
	compare struct {
		first expr
		ops   []string
		rest  []expr
	}
	logic struct {
		and  bool
		a, b expr
	}
	ternary struct{ cond, yes, no expr }
	attr    struct {
		x    expr
		name string
	}
	index struct{ x, at expr }
	slice struct{ x, lo, hi, step expr }
	// callExpr is a call of a value or a method.
	callExpr struct {
		fn expr
		arguments
	}
	filterExpr struct {
		x expr
		filterCall
	}
	testExpr struct {
		x    expr
		name string
		not  bool
		arguments
	}
)

// arguments of a call: positional, by name, and unpacked.
type arguments struct {
	args   []expr
	names  []string
	kwargs []expr
}

// filterCall is a filter with its arguments.
type filterCall struct {
	name string
	arguments
}

// flow is how a statement ended.
type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)
