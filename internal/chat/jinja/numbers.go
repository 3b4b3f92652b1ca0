package jinja

import (
	"math"
	"strconv"
	"strings"
)

func filterAbs(_ *run, v any, _ []any, _ *Dict) (any, error) {
	if n, ok := integer(v); ok {
		return max(n, -n), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fail("%s has no absolute value", typeName(v))
}

func filterInt(_ *run, v any, args []any, kwargs *Dict) (any, error) {
	if u, ok := v.(undefined); ok {
		return nil, fail("%q is undefined", u.name)
	}
	fallback := arg(args, kwargs, 0, "default", int64(0))
	switch v := v.(type) {
	case bool, int64:
		n, _ := integer(v)
		return n, nil
	case float64:
		if math.Abs(v) < 1<<62 {
			return int64(v), nil
		}
	case string:
		base := int64(10)
		if b, ok := integer(arg(args, kwargs, 1, "base", nil)); ok && b >= 2 && b <= 36 {
			base = b
		}
		if n, err := strconv.ParseInt(strings.ReplaceAll(strings.TrimSpace(v), "_", ""), int(base), 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && math.Abs(f) < 1<<62 {
			return int64(f), nil
		}
	}
	return fallback, nil
}

func filterFloat(_ *run, v any, args []any, kwargs *Dict) (any, error) {
	if u, ok := v.(undefined); ok {
		return nil, fail("%q is undefined", u.name)
	}
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
			return f, nil
		}
	}
	return arg(args, kwargs, 0, "default", 0.0), nil
}

func filterRound(_ *run, v any, args []any, kwargs *Dict) (any, error) {
	f, ok := number(v)
	if !ok {
		return nil, fail("%s cannot be rounded", typeName(v))
	}
	n, _ := integer(arg(args, kwargs, 0, "precision", int64(0)))
	if n < -300 || n > 300 {
		return nil, fail("a precision of %d is out of range", n)
	}
	scale := math.Pow(10, float64(n))
	switch arg(args, kwargs, 1, "method", "common") {
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	}
	if n >= 0 && n <= 15 {
		r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(n), 64), 64)
		return r, err
	}
	return math.RoundToEven(f*scale) / scale, nil
}

// filterFormat is "…%s…"|format(values).
func filterFormat(r *run, v any, args []any, kwargs *Dict) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(kwargs.keys) > 0 {
		return r.percent(s, kwargs)
	}
	return r.percent(s, &list{tuple: true, items: args})
}

// percent is Python's format % values, for the conversions s, r, d, i, f, g,
// x and %.
func (r *run) percent(format string, values any) (any, error) {
	items := []any{values}
	if l, ok := values.(*list); ok && l.tuple {
		items = l.items
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		var v any
		named := false
		if i < len(format) && format[i] == '(' {
			end := strings.IndexByte(format[i:], ')')
			d, ok := values.(*Dict)
			if end < 0 || !ok {
				return nil, fail("the format %q needs a mapping", format)
			}
			if v, ok = d.Get(format[i+1 : i+end]); !ok {
				return nil, fail("the format needs %q", format[i+1:i+end])
			}
			i, named = i+end+1, true
		}
		start := i
		for i < len(format) && strings.IndexByte("-+ 0#123456789.", format[i]) >= 0 {
			i++
		}
		if i == len(format) {
			return nil, fail("the format %q ends in the middle", format)
		}
		if format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if !named {
			if len(items) == 0 {
				return nil, fail("not enough values for the format %q", format)
			}
			v, items = items[0], items[1:]
		}
		s, err := r.convert(format[start:i], format[i], v)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		if err := r.room(b.Len()); err != nil {
			return nil, err
		}
	}
	if _, isDict := values.(*Dict); !isDict && len(items) > 0 {
		return nil, fail("not all values fit the format %q", format)
	}
	return b.String(), r.charge(b.Len())
}

// convert formats one value under flags such as "-5.2".
func (r *run) convert(flags string, verb byte, v any) (string, error) {
	body := strings.TrimLeft(flags, "-+ 0#")
	widthText, precText, hasPrec := strings.Cut(body, ".")
	width, _ := strconv.Atoi(widthText)
	prec, _ := strconv.Atoi(precText)
	if width > 1<<16 || prec > 1<<10 {
		return "", &LimitError{"characters of a formatted value", 1 << 16}
	}
	var s string
	switch verb {
	case 's', 'r':
		var b strings.Builder
		if err := r.write(&b, v, verb == 'r', 0); err != nil {
			return "", err
		}
		if s = b.String(); hasPrec {
			c := []rune(s)
			s = string(c[:min(prec, len(c))])
		}
	case 'd', 'i', 'x', 'X', 'o':
		f, ok := number(v)
		if !ok {
			return "", fail("the format wants a number, not %s", typeName(v))
		}
		s = strconv.FormatInt(int64(f), map[byte]int{'x': 16, 'X': 16, 'o': 8}[verb]|map[byte]int{'d': 10, 'i': 10}[verb])
		if verb == 'X' {
			s = strings.ToUpper(s)
		}
	case 'f', 'e', 'g':
		f, ok := number(v)
		if !ok {
			return "", fail("the format wants a number, not %s", typeName(v))
		}
		if !hasPrec {
			prec = 6
		}
		s = strconv.FormatFloat(f, verb, prec, 64)
	default:
		return "", fail("the format has an unknown conversion %%%c", verb)
	}
	if strings.Contains(flags[:len(flags)-len(body)], "+") && verb != 's' && !strings.HasPrefix(s, "-") {
		s = "+" + s
	}
	if pad := width - len([]rune(s)); pad > 0 {
		lead := flags[:len(flags)-len(body)]
		switch {
		case strings.Contains(lead, "-"):
			s += strings.Repeat(" ", pad)
		case strings.Contains(lead, "0") && verb != 's':
			sign := ""
			if s != "" && (s[0] == '-' || s[0] == '+') {
				sign, s = s[:1], s[1:]
			}
			s = sign + strings.Repeat("0", pad) + s
		default:
			s = strings.Repeat(" ", pad) + s
		}
	}
	return s, nil
}
