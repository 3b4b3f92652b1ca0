package jinja

import (
	"slices"
	"strconv"
	"strings"
)

type parser struct {
	tokens []token
	at     int
	lim    Limits
	depth  int
	loops  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

// syntaxPanic carries an error out of the recursion of the parser.
type syntaxPanic struct{ err error }

func (p *parser) fail(what string) { panic(syntaxPanic{&SyntaxError{Line: p.peek().line, What: what}}) }

// enter counts nesting, so that a hostile source cannot exhaust the stack.
func (p *parser) enter() func() {
	if p.depth++; p.depth > p.lim.Depth {
		panic(syntaxPanic{&LimitError{"levels of nesting", p.lim.Depth}})
	}
	return func() { p.depth-- }
}

func (p *parser) parse() (body []node, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, ok := v.(syntaxPanic)
			if !ok {
				panic(v)
			}
			err = s.err
		}
	}()
	body = p.body()
	if p.peek().kind != tokEOF {
		p.fail("unexpected " + p.tagName())
	}
	return body, nil
}

// isOp, isName and takes look at the next token.
func (p *parser) isOp(op string) bool   { t := p.peek(); return t.kind == tokOp && t.text == op }
func (p *parser) isName(n string) bool  { t := p.peek(); return t.kind == tokName && t.text == n }
func (p *parser) takeOp(op string) bool { return p.skip(p.isOp(op)) }
func (p *parser) takeName(n string) bool {
	return p.skip(p.isName(n))
}

func (p *parser) skip(ok bool) bool {
	if ok {
		p.at++
	}
	return ok
}

func (p *parser) wantOp(op string) {
	if !p.takeOp(op) {
		p.fail("expected " + op + ", found " + strconv.Quote(p.peek().text))
	}
}

func (p *parser) wantName() string {
	t := p.next()
	if t.kind != tokName {
		p.fail("expected a name, found " + strconv.Quote(t.text))
	}
	return t.text
}

func (p *parser) wantClose() {
	if t := p.next(); t.kind != tokClose {
		p.at--
		p.fail("expected the end of the tag, found " + strconv.Quote(t.text))
	}
}

// tagName is the name of the block tag that comes next, or "".
func (p *parser) tagName() string {
	if t := p.peek(); t.kind == tokOpen && t.text == "{%" && p.tokens[p.at+1].kind == tokName {
		return p.tokens[p.at+1].text
	}
	return ""
}

// body parses statements up to one of these tags, or to the end.
func (p *parser) body(until ...string) []node {
	defer p.enter()()
	var body []node
	for {
		t := p.peek()
		switch {
		case t.kind == tokEOF:
			if len(until) > 0 {
				p.fail("missing " + until[len(until)-1])
			}
			return body
		case t.kind == tokText:
			p.at++
			body = append(body, textNode{t.text})
		case t.text == "{{":
			p.at++
			body = append(body, outputNode{p.tuple()})
			p.wantClose()
		default:
			name := p.tagName()
			if slices.Contains(until, name) || isEnd[name] {
				if !slices.Contains(until, name) {
					p.fail("unexpected " + name)
				}
				return body
			}
			p.at++
			body = append(body, p.statement())
		}
	}
}

var isEnd = map[string]bool{
	"endif": true, "endfor": true, "else": true, "elif": true, "endset": true, "endmacro": true, "endcall": true,
	"endfilter": true, "endgeneration": true, "endwith": true,
}

// end takes the closing tag of a body.
func (p *parser) end(name string) {
	p.at++ // {%
	if !p.takeName(name) {
		p.fail("expected " + name)
	}
	p.wantClose()
}

func (p *parser) statement() node {
	switch name := p.wantName(); name {
	case "if":
		return p.ifStatement()
	case "for":
		return p.forStatement()
	case "set":
		return p.setStatement()
	case "macro":
		return macroNode{p.macro(p.wantName())}
	case "call":
		return p.callStatement()
	case "filter":
		f := p.filters()
		p.wantClose()
		n := filterNode{f, p.body("endfilter")}
		p.end("endfilter")
		return n
	case "generation":
		p.wantClose()
		n := bodyNode{p.body("endgeneration")}
		p.end("endgeneration")
		return n
	case "with":
		return p.withStatement()
	case "break", "continue":
		if p.loops == 0 {
			p.fail(name + " outside of a loop")
		}
		p.wantClose()
		if name == "break" {
			return loopControl{flowBreak}
		}
		return loopControl{flowContinue}
	case "include", "import", "from", "extends", "block":
		p.fail("templates cannot use " + name + ": they have no files")
	default:
		p.fail("unknown tag " + name)
	}
	return nil
}

func (p *parser) ifStatement() node {
	var n ifNode
	for {
		n.conds = append(n.conds, p.tuple())
		p.wantClose()
		n.bodies = append(n.bodies, p.body("elif", "else", "endif"))
		p.at++
		switch {
		case p.takeName("elif"):
			continue
		case p.takeName("else"):
			p.wantClose()
			n.other = p.body("endif")
			p.end("endif")
		default:
			p.takeName("endif")
			p.wantClose()
		}
		return n
	}
}

func (p *parser) targets() []string {
	paren := p.takeOp("(")
	names := []string{p.wantName()}
	for p.takeOp(",") {
		if p.peek().kind != tokName || p.isName("in") {
			break
		}
		names = append(names, p.wantName())
	}
	if paren {
		p.wantOp(")")
	}
	return names
}

func (p *parser) forStatement() node {
	n := forNode{target: p.targets()}
	if !p.takeName("in") {
		p.fail("expected in")
	}
	n.iter = p.tupleNoTernary()
	if p.takeName("if") {
		n.filter = p.expression()
	}
	n.recursive = p.takeName("recursive")
	p.wantClose()
	p.loops++
	n.body = p.body("else", "endfor")
	p.loops--
	if p.tagName() == "else" {
		p.at += 2
		p.wantClose()
		n.other = p.body("endfor")
	}
	p.end("endfor")
	return n
}

func (p *parser) setStatement() node {
	n := setNode{target: p.targets()}
	if p.takeOp(".") {
		n.attr = p.wantName()
	}
	if p.takeOp("=") {
		n.x = p.tuple()
		p.wantClose()
		return n
	}
	if p.takeOp("|") {
		n.filter = p.filters()
	}
	p.wantClose()
	n.body = p.body("endset")
	p.end("endset")
	return n
}

func (p *parser) withStatement() node {
	var n withNode
	for p.peek().kind == tokName {
		n.names = append(n.names, p.wantName())
		p.wantOp("=")
		n.xs = append(n.xs, p.expression())
		if !p.takeOp(",") {
			break
		}
	}
	p.wantClose()
	n.body = p.body("endwith")
	p.end("endwith")
	return n
}

// macro parses parameters and body of a macro.
func (p *parser) macro(name string) *macro {
	m := &macro{name: name}
	p.wantOp("(")
	p.params(m)
	p.wantClose()
	loops := p.loops
	p.loops = 0
	m.body = p.body("endmacro")
	p.loops = loops
	p.end("endmacro")
	return m
}

func (p *parser) params(m *macro) {
	for !p.takeOp(")") {
		m.params = append(m.params, p.wantName())
		if p.takeOp("=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			p.fail("a parameter without a default follows one with")
		}
		if !p.takeOp(",") && !p.isOp(")") {
			p.fail("expected , or )")
		}
	}
}

func (p *parser) callStatement() node {
	caller := &macro{name: "caller"}
	if p.takeOp("(") {
		p.params(caller)
	}
	call, ok := p.postfix(p.primary()).(*callExpr)
	if !ok {
		p.fail("call needs a call")
	}
	p.wantClose()
	caller.body = p.body("endcall")
	p.end("endcall")
	return callNode{call, caller}
}

// filters parses a chain of filters, the first without its bar.
func (p *parser) filters() []filterCall {
	fs := []filterCall{p.filter()}
	for p.takeOp("|") {
		fs = append(fs, p.filter())
	}
	return fs
}

func (p *parser) filter() filterCall {
	f := filterCall{name: p.wantName()}
	if p.takeOp("(") {
		f.arguments = p.arguments()
	}
	return f
}

// arguments parses up to the closing parenthesis.
func (p *parser) arguments() (a arguments) {
	for !p.takeOp(")") {
		if p.peek().kind == tokName && p.tokens[p.at+1].kind == tokOp && p.tokens[p.at+1].text == "=" {
			a.names = append(a.names, p.wantName())
			p.at++
			a.kwargs = append(a.kwargs, p.expression())
		} else {
			if len(a.names) > 0 {
				p.fail("a positional argument follows a named one")
			}
			a.args = append(a.args, p.expression())
		}
		if !p.takeOp(",") && !p.isOp(")") {
			p.fail("expected , or )")
		}
	}
	return a
}

// tuple parses an expression, or several with commas, which make a tuple.
func (p *parser) tuple() expr { return p.commas(p.expression) }

func (p *parser) tupleNoTernary() expr { return p.commas(p.or) }

func (p *parser) commas(one func() expr) expr {
	x := one()
	if !p.isOp(",") {
		return x
	}
	items := []expr{x}
	for p.takeOp(",") {
		if t := p.peek(); t.kind == tokClose || t.kind == tokOp && (t.text == ")" || t.text == "=") {
			break
		}
		items = append(items, one())
	}
	return &listExpr{items, true}
}

func (p *parser) expression() expr {
	defer p.enter()()
	x := p.or()
	for p.takeName("if") {
		t := &ternary{cond: p.or(), yes: x}
		if p.takeName("else") {
			t.no = p.expression()
		}
		x = t
	}
	return x
}

func (p *parser) or() expr {
	x := p.and()
	for p.takeName("or") {
		x = &logic{false, x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.takeName("and") {
		x = &logic{true, x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.takeName("not") {
		defer p.enter()()
		return &unary{"not", p.not()}
	}
	return p.comparison()
}

func (p *parser) comparison() expr {
	first := p.sum()
	c := &compare{first: first}
	for {
		op := ""
		switch t := p.peek(); {
		case t.kind == tokOp && slices.Contains([]string{"==", "!=", "<", ">", "<=", ">="}, t.text):
			op = t.text
			p.at++
		case p.takeName("in"):
			op = "in"
		case p.isName("not") && p.tokens[p.at+1].kind == tokName && p.tokens[p.at+1].text == "in":
			op = "not in"
			p.at += 2
		}
		if op == "" {
			break
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, p.sum())
	}
	if len(c.ops) == 0 {
		return first
	}
	return c
}

// Jinja binds ~ between + and *.
func (p *parser) sum() expr {
	return p.left([]string{"+", "-"}, func() expr { return p.left([]string{"~"}, p.product) })
}

func (p *parser) product() expr { return p.left([]string{"*", "/", "//", "%"}, p.power) }

func (p *parser) left(ops []string, operand func() expr) expr {
	x := operand()
	for p.peek().kind == tokOp && slices.Contains(ops, p.peek().text) {
		x = &binary{p.next().text, x, operand()}
	}
	return x
}

// unary parses a sign, which binds tighter than ** in Jinja, or an operand with
// its filters.
func (p *parser) unary(filtered bool) expr {
	defer p.enter()()
	var x expr
	if t := p.peek(); t.kind == tokOp && (t.text == "-" || t.text == "+") {
		p.at++
		x = &unary{t.text, p.unary(false)}
	} else {
		x = p.postfix(p.primary())
	}
	if filtered {
		return p.suffix(x)
	}
	return x
}

func (p *parser) power() expr {
	return p.left([]string{"**"}, func() expr { return p.unary(true) })
}

// suffix parses filters and tests.
func (p *parser) suffix(x expr) expr {
	for {
		switch {
		case p.takeOp("|"):
			x = &filterExpr{x, p.filter()}
		case p.takeName("is"):
			x = p.test(x)
		case p.takeOp("("):
			x = &callExpr{fn: x, arguments: p.arguments()}
		default:
			return x
		}
	}
}

func (p *parser) test(x expr) expr {
	t := &testExpr{x: x, not: p.takeName("not"), name: p.wantName()}
	switch next := p.peek(); {
	case p.takeOp("("):
		t.arguments = p.arguments()
	case next.kind == tokString || next.kind == tokInt || next.kind == tokFloat ||
		next.kind == tokOp && (next.text == "[" || next.text == "{") ||
		next.kind == tokName && !slices.Contains([]string{"else", "or", "and", "is", "if", "in", "not", "recursive"}, next.text):
		t.args = []expr{p.postfix(p.primary())}
	}
	return t
}

func (p *parser) primary() expr {
	switch t := p.next(); t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return literal{true}
		case "false", "False":
			return literal{false}
		case "none", "None":
			return literal{nil}
		}
		return nameExpr{t.text}
	case tokString:
		var s strings.Builder
		s.WriteString(t.text)
		for p.peek().kind == tokString { // neighbours are one string
			s.WriteString(p.next().text)
		}
		return literal{s.String()}
	case tokInt:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			p.fail("number " + t.text + " is too large")
		}
		return literal{n}
	case tokFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			p.fail("number " + t.text + " is too large")
		}
		return literal{f}
	case tokOp:
		switch t.text {
		case "(":
			return p.parens()
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	case tokText, tokOpen, tokClose, tokEOF:
	}
	p.at--
	p.fail("unexpected " + strconv.Quote(p.peek().text))
	return nil
}

func (p *parser) parens() expr {
	defer p.enter()()
	if p.takeOp(")") {
		return &listExpr{tuple: true}
	}
	x := p.tuple()
	p.wantOp(")")
	return x
}

func (p *parser) list() expr {
	l := &listExpr{}
	for !p.takeOp("]") {
		l.items = append(l.items, p.expression())
		if !p.takeOp(",") && !p.isOp("]") {
			p.fail("expected , or ]")
		}
	}
	return l
}

func (p *parser) dict() expr {
	d := &dictExpr{}
	for !p.takeOp("}") {
		d.keys = append(d.keys, p.expression())
		p.wantOp(":")
		d.values = append(d.values, p.expression())
		if !p.takeOp(",") && !p.isOp("}") {
			p.fail("expected , or }")
		}
	}
	return d
}

func (p *parser) postfix(x expr) expr {
	for {
		switch {
		case p.takeOp("."):
			t := p.next()
			switch t.kind {
			case tokName:
				x = &attr{x, t.text}
			case tokInt:
				n, _ := strconv.ParseInt(t.text, 10, 64)
				x = &index{x, literal{n}}
			default:
				p.fail("expected a name after the point")
			}
		case p.takeOp("["):
			x = p.subscript(x)
		case p.takeOp("("):
			x = &callExpr{fn: x, arguments: p.arguments()}
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr) expr {
	var parts [3]expr
	colons := 0
	for !p.takeOp("]") {
		if p.takeOp(":") {
			if colons++; colons > 2 {
				p.fail("too many colons")
			}
			continue
		}
		if parts[colons] != nil {
			p.fail("expected ]")
		}
		parts[colons] = p.tuple()
	}
	if colons > 0 {
		return &slice{x, parts[0], parts[1], parts[2]}
	}
	if parts[0] == nil {
		p.fail("an index is missing")
	}
	return &index{x, parts[0]}
}
