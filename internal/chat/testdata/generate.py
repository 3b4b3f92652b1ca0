"""Writes cases.json: what the reference implementation of Jinja renders, under
Hugging Face's settings. Run with jinja2 3.1 installed."""

import json
from pathlib import Path

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).parent


class Generation(jinja2.ext.Extension):
    """{% generation %}: renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception

VARS = {
    "n": 7, "f": 2.5, "s": "Hello World", "u": "naïve ünïcode 🙂", "empty": "", "t": True, "z": None,
    "l": [3, 1, 2], "names": ["Bob", "alice", "Carol"], "d": {"b": 1, "a": "x", "c": [1, 2]},
    "people": [{"name": "Ann", "age": 30}, {"name": "Bo", "age": 25}, {"name": "Cy", "age": 30, "x": {"y": 1}}],
}  # fmt: skip

EXPRESSIONS = r"""
n + 1|n - 10|n * 2|n / 2|n // 2|n % 3|-n // 2|-n % 3|n ** 2|2 ** -1|f * 2|f // 1|-f % 2|7.0|1e20|1e-7|0.1 + 0.2|100000000000000000.0
1 == 1.0|true == 1|1 < 2 < 3|1 < 2 > 3|'a' < 'b'|[1, 2] < [1, 3]|'a' == "a"|none == false|n is defined|nope is defined|nope is undefined
n is number|f is float|n is integer|s is string|l is sequence|d is mapping|z is none|t is boolean|t is true|n is odd|n is even|n is divisibleby 7|n is divisibleby(2)
s is iterable|n is iterable|s is lower|'abc' is lower|'ABC' is upper|n is eq 7|n is ne 7|n is gt 3|n is in [1, 7]|n is not in [7]|3 is sameas 3
n in [7]|n not in l|'ell' in s|'a' in d|'q' not in d|1 in l and 2 in l|not t|not not t|t and n|empty or 'x'|z or n|empty and n|n if t else 0|n if not t else 0|'x' if false
s[0]|s[-1]|s[1:4]|s[::-1]|s[:-2]|l[0]|l[-1]|l[1:]|l[::-1]|l[5]|l[10:]|d.b|d['a']|d.nope|d['nope']|d.c[1]|d.c.1|people[0].name|people[-1]['age']
s ~ n|s ~ z ~ t|'a' 'b'|'a' + 'b'|'ab' * 3|3 * 'ab'|[1] + [2]|[1, 2] * 2|(1, 2)|(1,)|()|[]|{}|{'a': 1, "b": [1, 2]}|[none, true, 1.5, 'x']|['it\'s', "q\"q"]|'a\nb\t\\'|'\u00e9\x41'
s.upper()|s.lower()|s.title()|s.split()|s.split('o')|s.split('o', 1)|s.rsplit('o', 1)|s.replace('o', '0')|s.replace('o', '0', 1)|s.startswith('He')|s.endswith('d')|s.startswith(('x', 'H'))
'  a b '.strip()|'  a '.lstrip()|' a  '.rstrip()|'xxaxx'.strip('x')|'abc'.find('c')|'abc'.find('z')|'abab'.rfind('ab')|'a-b'.partition('-')|'abab'.count('ab')|', '.join(names)|'abc'.capitalize()
'12'.isdigit()|'1a'.isdigit()|'ab'.isalpha()|'a1'.isalnum()|' '.isspace()|'a\nb\r\nc'.splitlines()|'pre-x'.removeprefix('pre-')|'x.py'.removesuffix('.py')|'a'.ljust(3) ~ '.'|'a'.rjust(3, '.')|'7'.zfill(3)|'aB'.swapcase()
'{} {}'.format(1, 'a')|'{0}-{1}-{0}'.format(1, 2)|'{x}'.format(x=5)|'{{}}'.format()|'%s and %d' % ('a', 5)|'%.2f' % f|'%5d|' % n|'%-5s|' % 'a'|'%05.1f' % f|'%x' % 255|'%%' % ()
d.items()|list|d.keys()|list|d.values()|list|d.get('b')|d.get('q')|d.get('q', 5)|l.index(2)|l.count(1)
s|upper|s|lower|s|length|l|length|d|length|u|length|l|first|l|last|l|sum|l|max|l|min|l|sort|l|sort(reverse=true)|names|sort|names|sort(case_sensitive=true)|l|reverse|list|s|reverse
l|join|l|join(', ')|people|map(attribute='name')|join(',')|people|map(attribute='name')|list|names|map('upper')|list|names|map('length')|list|people|sum(attribute='age')
people|selectattr('age', 'eq', 30)|map(attribute='name')|list|people|rejectattr('age', 'eq', 30)|list|people|selectattr('x', 'defined')|list|people|selectattr('name')|list|length|l|select('odd')|list|l|reject('gt', 1)|list|l|select|list
people|sort(attribute='age')|map(attribute='name')|list|people|groupby('age')|length|people|map(attribute='x.y', default=0)|list|people|map(attribute='zz', default='-')|list|[1, 1, 2]|unique|list|['a', 'A', 'b']|unique|list
nope|default('x')|z|default('x')|empty|default('x', true)|nope|d('y')|s|default('x')|n|string|'12'|int|'x'|int|'x'|int(5)|'3.7'|int|3.9|int|'2.5'|float|'x'|float|n|float|'ff'|int(base=16)
2.567|round(2)|2.5|round|3.5|round|2.1|round(0, 'ceil')|2.9|round(method='floor')|-3|abs|n|abs|s|trim|'  x '|trim|'xxaxx'|trim('x')|s|replace('l', 'L')|s|replace('l', 'L', 1)|s|title|s|capitalize|'hello world'|title
d|tojson|l|tojson|s|tojson|u|tojson|z|tojson|f|tojson|t|tojson|d|tojson(indent=2)|[]|tojson(indent=2)|{'a': {'b': []}}|tojson(indent=4)|'a"b\\c\n'|tojson|people|tojson|'<a>&'|tojson
d|dictsort|d|items|list|[[1, 2], [3]]|tojson|range(5)|list|range(1, 4)|list|range(10, 0, -3)|list|range(0)|list|[1, 2, 3, 4, 5]|batch(2)|list|[1, 2, 3]|batch(2, 0)|list|[1, 2, 3, 4, 5]|slice(2)|list|'a b c'|wordcount
'a\nb'|indent|'a\nb'|indent(2, true)|'a\n\nb'|indent(2)|'<b>'|escape|'<b>'|e|'<b>'|safe|'%s-%s'|format(1, 2)|'a/b c&'|urlencode|'a long text here'|truncate(9)|'a'|center(5) ~ '|'|dict(a=1, b=2)|namespace(x=1).x
nope.x|nope[0]|1 + 'a'|1 / 0|n()|l.append(4)|d.update({})|s.nope()|[1] < ['a']|'x'|nofilter|1 is nosuchtest|raise_exception('no')|l.pop()|-s|1 // 0|z.x|z['x']|nope + 1|nope|int|-nope|not nope|nope|length|nope|list|nope ~ 'x'
1 if nope else 2|(1 + 2) * 3|1 + 2 * 3|2 ** 3 ** 1|-2 ** 2|not 1 == 2|1 ~ 2 + 3|n|string ~ 'x'|-n|abs|[n, f]|sum|'a' if n > 5 else 'b' if n > 3 else 'c'|(n, f)[0]|[l][0][1]|{'k': n}['k']|{'k': n}.k|'abc'[1]|"x" in "xyz" and not false
"""  # noqa

STATEMENTS = r"""
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}
---
{% for x in l %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
---
{% for x in [] %}x{% else %}none{% endfor %}
---
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
---
{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% endfor %}
---
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
---
{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}|{% endfor %}
---
{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}
---
{% for x in l %}{% for y in l %}{{ loop.depth }}{{ x * y }} {% endfor %}{% endfor %}
---
{% for x in [1, [2, [3]]] recursive %}{% if x is sequence %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}
---
{% set x = 5 %}{{ x }}{% set x = x + 1 %}{{ x }}
---
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{% endfor %}{{ x }}
---
{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
---
{% set a, b = 1, 2 %}{{ a }}{{ b }}
---
{% set x %}block {{ n }}{% endset %}[{{ x }}]
---
{% set x | upper %}block{% endset %}[{{ x }}]
---
{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 5) }} {{ m(1, c='y') }}
---
{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}inner{% endcall %}
---
{% macro m(x) %}[{{ caller(x) }}]{% endmacro %}{% call(y) m(3) %}inner {{ y }}{% endcall %}
---
{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}
---
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}
---
{% filter upper %}text {{ s }}{% endfilter %}
---
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
---
{% raw %}{{ not }} {% a %}{% endraw %}!
---
a {# comment #} b {#- comment -#} c
---
  {% if true %}
  line
  {% endif %}
end
---
  {%- if true -%}
  line
  {%- endif -%}
end
---
a
  {{ n }}  
  {{- n -}}  
b
---
{% for x in l %}
- {{ x }}
{% endfor %}
tail
---
{%+ if true %}x{%+ endif %}
---
   {% set x = 1 %}   y
---
text {% set x = 1 %}
y
---
{{ '{{' }} {{ "}}" }} {{ {'a': {'b': 1}}['a'] }}
---
{% generation %}gen {{ n }}{% endgeneration %}
---
{% if nope %}a{% endif %}b
---
{% if nope is defined and nope.x %}a{% else %}b{% endif %}
---
{{ s if s else raise_exception('no') }}
---
{% if messages is not defined %}{{ raise_exception('messages!') }}{% endif %}
---
{% for %}x{% endfor %}
---
{% if true %}x
---
{{ x
---
{% endif %}
---
{% unknown %}
---
{% include 'x' %}
---
{% set d2 = dict(d, q=1) %}x
---
{% break %}
---
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}
---
{% for p in people | sort(attribute='age') %}{{ p.name }} {% endfor %}
---
{% set out = [] %}{% for x in l %}{% set out = out + [x] %}{% endfor %}{{ out }}
---
{{ [1, 2, 3]
   | map('string')
   | join('-') }}
---
{%- set first = namespace(v=true) -%}
{%- for m in people -%}
  {%- if first.v -%}{{ m.name }}{%- set first.v = false -%}{%- else -%}, {{ m.name }}{%- endif -%}
{%- endfor -%}
---
{{ "a" if 1 in [1] else "b" }}{{ 'x' is string and 'y' is string }}{{ n is not none }}
---
{{ l | tojson }}{{ d | tojson | length }}

---
{% if l and l[0] == 3 and (n < 3 or f > 2) %}yes{% endif %}
---
{%- for x in l -%} {{ x }} {%- endfor %} .
---
{% if true %}

two

{% endif %}

x
"""

CONVERSATIONS = {
    "one": [{"role": "user", "content": "Hi"}],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi \n there "}],
    "turns": [
        {"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "ünï 🙂 <b>"},
    ],
    "long": [
        {"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}, {"role": "user", "content": "e"},
    ],
    "wrong": [{"role": "assistant", "content": "first"}, {"role": "assistant", "content": "second"}],
}  # fmt: skip


def render(source, variables):
    try:
        return {"want": env.from_string(source).render(variables)}
    except Exception:  # noqa: BLE001 - that it fails is the result
        return {"error": True}


def expressions():
    # Filters share the bar: try each suffix chain as well as each piece.
    for row in EXPRESSIONS.strip().split("\n"):
        pieces = row.split("|")
        for i in range(len(pieces)):
            for k in range(i + 1, min(i + 4, len(pieces)) + 1):
                yield "|".join(pieces[i:k])


def main():
    cases = []
    for e in dict.fromkeys(expressions()):
        cases.append({"source": "{{ " + e + " }}", **render("{{ " + e + " }}", VARS)})
    for s in STATEMENTS.strip("\n").split("\n---\n"):
        cases.append({"source": s, **render(s, VARS)})
    # An iterator's address is not a result.
    cases = [c for c in cases if " object " not in c.get("want", "") and "dict_" not in c.get("want", "") and "<function" not in c.get("want", "") and "<bound" not in c.get("want", "") and "<built-in" not in c.get("want", "") and "range(" not in c.get("want", "") and "<class" not in c.get("want", "")]
    (HERE / "cases.json").write_text(json.dumps({"vars": VARS, "cases": cases}, ensure_ascii=False, indent=1))
    chats = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        for name, messages in CONVERSATIONS.items():
            for generate in (False, True):
                variables = {"messages": messages, "add_generation_prompt": generate, "bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}
                chats.append({"template": path.name, "conversation": name, "generate": generate, **render(path.read_text(), variables)})
    (HERE / "chats.json").write_text(json.dumps({"conversations": CONVERSATIONS, "cases": chats}, ensure_ascii=False, indent=1))
    print(len(cases), "cases,", len(chats), "conversations")


if __name__ == "__main__":
    main()
