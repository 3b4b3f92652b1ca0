package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// largeBPE has size tokens: the bytes and random merges of what came before.
func largeBPE(size int) file {
	r := rand.New(rand.NewPCG(3, 3))
	symbols := []string{"Ġ"}
	for c := 'a'; c <= 'z'; c++ {
		symbols = append(symbols, string(c))
	}
	merges, seen := make([]string, 0, size), map[string]bool{}
	for len(merges) < size-256 {
		a, b := symbols[r.IntN(min(len(symbols), 4096))], symbols[1+r.IntN(min(len(symbols), 4096)-1)]
		if union := a + b; !seen[union] && len(union) < 16 {
			seen[union] = true
			merges, symbols = append(merges, a+" "+b), append(symbols, union)
		}
	}
	return bpeFile("qwen2", merges...)
}

func BenchmarkNew(b *testing.B) {
	f := largeBPE(150_000)
	for b.Loop() {
		must(b, f)
	}
}

// BenchmarkEncode encodes 256 KiB of words drawn by Zipf's law, of new words
// each time, and of one letter.
func BenchmarkEncode(b *testing.B) {
	const size = 1 << 18
	r := rand.New(rand.NewPCG(1, 1))
	words := make([]string, 20_000)
	for i := range words {
		words[i] = randomText(r, "eeeettaaooiinnsshhrrdlcumwfgypbvk", 10)
	}
	zipf := rand.NewZipf(r, 1.2, 4, uint64(len(words)-1))
	var english, fresh strings.Builder
	for english.Len() < size {
		english.WriteString(words[zipf.Uint64()] + " ")
	}
	for fresh.Len() < size {
		fresh.WriteString(randomText(r, "abcdefghijklmnopqrstuvwxyz", 20) + " ")
	}
	for _, model := range []string{"bpe", "spm"} {
		f := smallSPM()
		if model == "bpe" {
			f = largeBPE(50_000)
		}
		tok := must(b, f)
		for name, text := range map[string]string{"zipf": english.String(), "fresh": fresh.String(), "letter": strings.Repeat("a", size)} {
			b.Run(fmt.Sprintf("model=%s/text=%s", model, name), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				var ids []int32
				for b.Loop() {
					ids = tok.Encode(ids[:0], text, Options{})
				}
			})
		}
	}
}
