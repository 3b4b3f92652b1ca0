package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func trieOf(texts ...string) *trie {
	kinds := make([]Kind, len(texts))
	for i := range kinds {
		kinds[i] = Control
		if strings.HasPrefix(texts[i], "u") {
			kinds[i] = UserDefined
		}
	}
	return (&keys{}).trie(texts, kinds)
}

func TestFindTakesTheLeftmostAndThereTheLongest(t *testing.T) {
	tr := trieOf("<a>", "<a>>", "a>b", "ux", "uxyz", "")
	for _, c := range []struct {
		text    string
		control bool
		lo, hi  int
		id      int32
	}{
		{"", true, 0, 0, none},
		{"none", true, 4, 4, none},
		{"_<a>", true, 1, 4, 0},
		{"_<a>>", true, 1, 5, 1},
		{"<a>b", true, 0, 3, 0},
		{"<a", true, 2, 2, none},
		{"<<a>", true, 1, 4, 0},
		{"uxy<a>", true, 0, 2, 3},
		{"uxyz", true, 0, 4, 4},
		{"<a>ux", false, 3, 5, 3},
		{"<a>", false, 3, 3, none},
	} {
		lo, hi, id := tr.find(c.text, c.control)
		require.Equal(t, []int{c.lo, c.hi, int(c.id)}, []int{lo, hi, int(id)}, "%q", c.text)
	}
}

// TestFindIsTheNaiveSearch compares with trying every token everywhere.
func TestFindIsTheNaiveSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 300 {
		texts := make([]string, 1+r.IntN(8))
		for i := range texts {
			texts[i] = randomText(r, "abu", 5)
		}
		tr := trieOf(texts...)
		for range 20 {
			text, control := randomText(r, "abu", 12), r.IntN(2) == 0
			lo, hi, id := len(text), len(text), none
		search:
			for at := range text {
				for i, s := range texts {
					if strings.HasPrefix(text[at:], s) && (control || s[0] == 'u') && (id == none || at+len(s) > hi) {
						lo, hi, id = at, at+len(s), int32(i)
					}
				}
				if id != none {
					break search
				}
			}
			gotLo, gotHi, got := tr.find(text, control)
			require.Equal(t, []int{lo, hi, int(id)}, []int{gotLo, gotHi, int(got)}, "%q in %q", texts, text)
		}
	}
}
