package tokenizer

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func pieced(pre, text string) []string {
	var out []string
	preTokenizers[pre].split(text, func(p string) { out = append(out, p) })
	return out
}

// TestPreTokenizers shows what sets the pre-tokenizers apart.
func TestPreTokenizers(t *testing.T) {
	for _, c := range [][3]string{
		{"gpt-2", "I'll  go\n\nto 1984!! x", "I|'ll| | go|\n|\n|to| 1984|!!| x"},
		{"gpt-2", "I'LL", "I|'|LL"},
		{"default", "a=1984, b", "a|=|198|4|,| b"},
		{"falcon", "a`1984 12", "a|`|198|4| 12"},
		{"smollm", "go 1984  x", "go| |1|9|8|4| | x"},
		{"llama-bpe", "I'LL go\n\n to 12345, (yes)\r\n  end ", "I|'LL| go|\n\n| to| |123|45|,| (|yes|)\r\n| | end| "},
		{"llama-bpe", "it'\u017f 'sa", "it|'\u017f| '|sa"},
		{"qwen2", "a1234  b\n  c", "a|1|2|3|4| | b|\n| | c"},
		{"qwen2", "क्षि", "क|्ष|ि"},
		{"qwen35", "क्षि \u0301.", "क्षि| \u0301|."},
		{"qwen35", "!!\u0301a", "!!|\u0301a"},
		{"seed-coder", "a.\n\nb", "a|.|\n\n|b"},
		{"gpt-4o", "fooBAR's BarBAZ 12345/\n/x", "foo|BAR's| Bar|BAZ| |123|45|/\n/|x"},
		{"tekken", "fooBAR's 123", "foo|BAR|'s| |1|2|3"},
		{"tekken", "ABªC DªE", "ABª|C| Dª|E"},
		{"deepseek-llm", "Hi there\n中文x 12 !", "Hi| there|\n|中文|x| |12| !"},
		{"deepseek-llm", "  12  ", "  |12|  "},
		{"deepseek-llm", "\u3000x\u2003!", "\u3000|x|\u2003|!"},
		{"deepseek-llm", "հa", "հ|a"},
		{"deepseek-v3", "Hi 12345 中文 .net a!b", "Hi| |123|45| |中文| .|net| a|!b"},
		{"deepseek-coder", "a_b 12", "a|_|b| |1|2"},
	} {
		got := strings.Join(pieced(c[0], c[1]), "|")
		require.Equal(t, c[2], got, "%s: %q", c[0], c[1])
	}
}

// TestPreTokenizersAgainstTheReference holds each pattern to what the Rust
// library tokenizers (0.23.3) makes of random texts. A line is the name of a
// pre-tokenizer and the pieces of a text, quoted.
func TestPreTokenizersAgainstTheReference(t *testing.T) {
	f, err := os.Open("testdata/pretokenize.txt")
	require.NoError(t, err)
	defer f.Close()
	seen := map[string]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		name, rest, _ := strings.Cut(sc.Text(), " ")
		if name == "#" {
			continue
		}
		var want []string
		for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
			quoted, err := strconv.QuotedPrefix(rest)
			require.NoError(t, err, sc.Text())
			piece, err := strconv.Unquote(quoted)
			require.NoError(t, err)
			want, rest = append(want, piece), rest[len(quoted):]
		}
		seen[name]++
		if diff := cmp.Diff(want, pieced(name, strings.Join(want, ""))); diff != "" {
			t.Errorf("%s: %s", sc.Text(), diff)
		}
	}
	require.Len(t, seen, 14)
	for name, n := range seen {
		require.GreaterOrEqual(t, n, 50, name)
	}
}

// TestEveryPatternIsHeldToTheReference fails when a pattern comes in without
// vectors: every name must share its stages with one that has them.
func TestEveryPatternIsHeldToTheReference(t *testing.T) {
	held := []string{
		"gpt-2", "starcoder", "llama-bpe", "qwen2", "qwen35", "seed-coder", "gpt-4o", "tekken", "deepseek-llm",
		"deepseek-coder", "deepseek-v3", "falcon", "default",
	}
	for _, name := range PreTokenizers() {
		shared := false
		for _, h := range held {
			shared = shared || &preTokenizers[h].stages[0] == &preTokenizers[name].stages[0]
		}
		require.True(t, shared, name)
	}
}

// TestSpacesAreReadOnce counts the calls for a run of spaces that does not end
// the text: if it were gone over by the rune, each call would read the rest of it.
func TestSpacesAreReadOnce(t *testing.T) {
	calls := 0
	counted := func(s string) (int, bool) {
		calls++
		return matchTrailingSpace(s)
	}
	cut(strings.Repeat(" ", 1000)+"1  2 ", []matcher{counted}, func(string) {})
	require.Equal(t, 5, calls)
}

// TestLongTextsOfOnePattern goes through texts in which a scanner that looks
// far ahead for little, or back, would be quadratic: minutes instead of
// milliseconds each.
func TestLongTextsOfOnePattern(t *testing.T) {
	const size = 1 << 16
	for _, unit := range []string{
		" ", "\n", " \n", "a", "A", "aA", "ª", "Aª", "1", "'", "'s", ".", ". ", " .", "\u0301", "中", "\u3000", "\xff", "a1", "1 ",
	} {
		for _, end := range []string{"", "x", "1"} {
			text := strings.Repeat(unit, size/len(unit)) + end
			for _, pre := range []string{
				"gpt-2", "starcoder", "llama-bpe", "qwen35", "seed-coder", "gpt-4o", "tekken", "deepseek-llm", "deepseek-coder",
				"deepseek-v3", "falcon", "default",
			} {
				n := 0
				preTokenizers[pre].split(text, func(p string) { n += len(p) })
				require.Equal(t, len(text), n)
			}
		}
	}
}
