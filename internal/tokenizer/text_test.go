package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestText runs testdata/text: what small vocabularies make of texts, token by
// token and back. Commands:
//
//	vocab spm|bpe [pre=NAME]  the vocabulary of what follows
//	encode [special] [parse]  quoted texts, one a line, to tokens and back
//	stream                    quoted token texts, one a line, to what each one
//	                          releases, and the rest
func TestText(t *testing.T) {
	datadriven.Walk(t, "testdata/text", func(t *testing.T, path string) {
		var tok *Tokenizer
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "vocab":
				if d.HasArg("spm") {
					tok = must(t, smallSPM())
				} else {
					var pre string
					d.ScanArgs(t, "pre", &pre)
					tok = must(t, smallBPE(pre))
				}
				return tok.Describe()
			case "encode":
				o := Options{AddSpecial: d.HasArg("special"), ParseSpecial: d.HasArg("parse")}
				return eachLine(t, d.Input, func(text string) string { return encoded(tok, text, o) })
			case "stream":
				s := tok.Stream()
				out := eachLine(t, d.Input, func(text string) string {
					id, ok := tok.Lookup(text)
					require.True(t, ok, "%q", text)
					var piece strings.Builder
					s.Push(&piece, id)
					return strconv.Quote(piece.String())
				})
				var rest strings.Builder
				s.Flush(&rest)
				return out + fmt.Sprintf("rest %q\n", rest.String())
			}
			d.Fatalf(t, "no such command")
			return ""
		})
	})
}

func eachLine(t *testing.T, input string, do func(text string) string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		text, err := strconv.Unquote(strings.TrimSpace(line))
		require.NoError(t, err)
		fmt.Fprintln(&out, do(text))
	}
	return out.String()
}

// encoded is the tokens of a text, and what they decode to where that is not
// the text.
func encoded(tok *Tokenizer, text string, o Options) string {
	ids := tok.Encode(nil, text, o)
	out := pieces(tok, ids)
	if back := tok.Decode(ids); back != text {
		out += fmt.Sprintf(" -> %q", back)
	}
	return out
}

func TestDecodeOptions(t *testing.T) {
	tok := must(t, smallSPM())
	ids := tok.Encode(nil, "the x", Options{AddSpecial: true})
	require.Equal(t, "the x", tok.Decode(ids))
	show := func(o TextOptions) string { return string(tok.AppendText([]byte("|"), ids, o)) }
	require.Equal(t, "|the x", show(TextOptions{}))
	require.Equal(t, "| the x", show(TextOptions{Continues: true}))
	require.Equal(t, "|<s> the x", show(TextOptions{ShowSpecial: true}), "the space stands between the two")
	require.Equal(t, "|<s> the x", show(TextOptions{ShowSpecial: true, Continues: true}))
	require.Empty(t, tok.Decode([]int32{-1, 1 << 30, 0}), "no such tokens, and the unknown one")
	require.Equal(t, " x", tok.Decode(tok.Encode(nil, " x", Options{})), "one space is the prefix, the other is the text's")
	f := smallSPM()
	f["tokenizer.ggml.add_space_prefix"] = false
	tok = must(t, f)
	require.Equal(t, `"t" "he"`, pieces(tok, tok.Encode(nil, "the", Options{})))
	require.Equal(t, " the", tok.Decode(tok.Encode(nil, " the", Options{})))
}

func TestBPEWithoutSomeBytes(t *testing.T) {
	f := file{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": []string{"a b", "ab z"}}
	f.add(Normal, "a", "b", "ab")
	tok := must(t, f)
	require.Equal(t, `"ab" "a"`, pieces(tok, tok.Encode(nil, "ab\x00az", Options{})), "what it does not have is left out")
	require.Equal(t, `"a" "b"`, pieces(tok, tok.Encode(nil, "abz", Options{})), "a merge whose result is no token ends in bytes")
}

func TestSPMWithoutBytesHasUnknowns(t *testing.T) {
	f := file{"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": []float32{}}
	f.add(Normal, "a")
	f.add(Unknown, "<unk>")
	f.add(Byte, "<0xC3>", "<0xc3>", "<0xZZ>", "0xC3")
	f["tokenizer.ggml.unknown_token_id"] = uint64(1)
	f["tokenizer.ggml.add_space_prefix"] = false
	tok := must(t, f)
	require.Equal(t, `"a" "<unk>" "a" "\xc3"`, pieces(tok, tok.Encode(nil, "aéa\xc3", Options{})), "one for the character, not for the byte")
}

func TestIgnoredMerges(t *testing.T) {
	vocab := func(pre string) file {
		f := bpeFile(pre, "a b")
		f.add(Normal, "abc") // which no merge makes
		return f
	}
	tok := must(t, vocab("llama-bpe"))
	require.Equal(t, `"abc"`, pieces(tok, tok.Encode(nil, "abc", Options{})))
	tok = must(t, vocab("dbrx"))
	require.Equal(t, `"ab" "c"`, pieces(tok, tok.Encode(nil, "abc", Options{})))
}

// TestWordsAreMergedApartOnlyIfNoTokenCrosses has a token with a space inside.
func TestWordsAreMergedApartOnlyIfNoTokenCrosses(t *testing.T) {
	f := smallSPM()
	f.add(Normal, "x▁")
	tok := must(t, f)
	require.Equal(t, `" " "x " "x"`, pieces(tok, tok.Encode(nil, "x x", Options{})))
	tok = must(t, smallSPM())
	require.Equal(t, `" " "x" " " "x"`, pieces(tok, tok.Encode(nil, "x x", Options{})))
	for text, end := range map[string]int{"": 0, "ab": 2, "▁▁ab": 8, "▁▁ab▁c": 8, "a▁▁": 1, "▁▁": 6, "\xe2▁": 1} {
		require.Equal(t, end, wordEnd(text), "%q", text)
	}
}

func TestUnescape(t *testing.T) {
	for b := range 256 {
		require.Equal(t, string([]byte{byte(b)}), unescape(byteRune(byte(b))))
	}
	require.Equal(t, " naïve\n", unescape(byteLevel(" naïve\n")))
	for _, as := range []string{"", "abc", "中", "Ġ中", "\u0144", "<｜x▁y｜>"} {
		require.Equal(t, as, unescape(as), "of characters that stand for no byte")
	}
}
