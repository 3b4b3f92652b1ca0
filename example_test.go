package lite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/lite-llm/lite"
)

// The embedded model goes on from a text.
func Example() {
	m, err := lite.Open("tiny", lite.Options{})
	if err != nil {
		slog.Error("opening", "err", err)
		return
	}
	defer func() { _ = m.Close() }()

	g := m.Generate(context.Background(), lite.Request{Prompt: "In the beginning", MaxTokens: 12})
	for token := range g.Tokens() {
		fmt.Print(token.Text)
	}
	if err := g.Err(); err != nil {
		slog.Error("generating", "err", err)
		return
	}
	s := g.Stats()
	fmt.Println()
	fmt.Println(g.StopReason(), s.GeneratedTokens, s.ActiveParamsMax <= s.ActiveParamsBound)
	// Output:
	// of the LORD, which is in the midst of the earth
	// length 12 true
}

// A budget that is too small is refused with the one that is needed.
func ExampleOpen() {
	_, err := lite.Open("tiny", lite.Options{Memory: 10 << 20})
	if short, ok := errors.AsType[*lite.MemoryError](err); ok {
		m, err := lite.Open("tiny", lite.Options{Memory: short.Need})
		if err != nil {
			slog.Error("opening", "err", err)
			return
		}
		defer func() { _ = m.Close() }()
		fmt.Println("it runs in the memory that it named")
	}
	// Output:
	// it runs in the memory that it named
}

// A request is answered the same way whatever the options, by the tiers that it
// names and with the seed that it gives.
func ExampleModel_Generate() {
	r := lite.Request{
		Prompt: "And God said", TierSet: "balanced", MaxTokens: 8, Stop: []string{"."},
		Sampling: lite.Sampling{Seed: 1, Temperature: 0.7, TopK: 40, TopP: 0.95},
	}
	for _, o := range []lite.Options{{Threads: 1, Kernels: "reference"}, {Threads: 2, Chunk: 1}} {
		m, err := lite.Open("tiny", o)
		if err != nil {
			slog.Error("opening", "err", err)
			return
		}
		g := m.Generate(context.Background(), r)
		for range g.Tokens() {
		}
		fmt.Printf("%q %v\n", g.Text(), g.Err())
		_ = m.Close()
	}
	// Output:
	// " unto him, Go in unto thee into" <nil>
	// " unto him, Go in unto thee into" <nil>
}

// A session keeps what it has computed: only what a prompt adds is new.
func ExampleSession() {
	m, err := lite.Open("tiny", lite.Options{})
	if err != nil {
		slog.Error("opening", "err", err)
		return
	}
	defer func() { _ = m.Close() }()
	s := m.NewSession()
	defer s.Close()
	text := "The LORD is my"
	for range 2 {
		g := s.Generate(context.Background(), lite.Request{Prompt: text, MaxTokens: 4})
		for range g.Tokens() {
		}
		fmt.Println(g.Stats().ReusedTokens, "tokens reused")
		text += g.Text() + " and"
	}
	// Output:
	// 0 tokens reused
	// 8 tokens reused
}

// The logits of every position, and the experts that each layer chose.
func ExampleModel_Logits() {
	m, err := lite.Open("tiny", lite.Options{KV: "f32"})
	if err != nil {
		slog.Error("opening", "err", err)
		return
	}
	defer func() { _ = m.Close() }()
	experts := 0
	err = m.Logits(context.Background(), "full", []int32{1, 2, 3}, func(position int, logits []float32) error {
		fmt.Println("position", position, "has", len(logits), "logits")
		return nil
	}, func(_, _ int, chosen []lite.Expert) { experts += len(chosen) })
	fmt.Println(experts, "experts ran;", err)
	// Output:
	// position 0 has 2048 logits
	// position 1 has 2048 logits
	// position 2 has 2048 logits
	// 108 experts ran; <nil>
}

// Perplexity, for each tier set.
func ExampleModel_Evaluate() {
	m, err := lite.Open("tiny", lite.Options{})
	if err != nil {
		slog.Error("opening", "err", err)
		return
	}
	defer func() { _ = m.Close() }()
	psalm := strings.Repeat("The LORD is my shepherd; I shall not want. ", 3)
	for _, set := range m.TierSets() {
		e, err := m.Evaluate(context.Background(), lite.EvalRequest{TierSet: set, Text: psalm, Window: 16})
		if err != nil {
			slog.Error("evaluating", "err", err)
			return
		}
		fmt.Println(e.TierSet, e.Windows, "windows;", e.Perplexity < 60, e.ActiveParams <= e.Bound)
	}
	// Output:
	// fast 2 windows; true true
	// balanced 2 windows; true true
	// full 2 windows; true true
}
