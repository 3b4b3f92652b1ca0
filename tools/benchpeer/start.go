package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// startPrompt is 16 tokens in the vocabulary of generated OLMoE models.
const startPrompt = "the quick brown fox ju"

// start measures the time from a program's start to the first token that it prints,
// with the file in the page cache. llama.cpp's warm-up is left out, which is in its
// favour.
func (c *config) start(ctx context.Context) error {
	m, err := c.find(ctx, c.model)
	if err != nil {
		return err
	}
	program, err := c.source(ctx)
	if err != nil {
		return err
	}
	if _, err := command(ctx, ".", "dd", "if="+m.path, "of=/dev/null", "bs=4M", "status=none"); err != nil {
		return err
	}
	threads := strconv.Itoa(c.threads)
	lite := []string{c.binary, "run", m.path, "--raw", "--temp", "0", "--max-tokens", "1", "--threads", threads, startPrompt}
	llama := []string{program, "-m", m.path, "-t", threads, "-n", "1", "-c", "4096", "-p", startPrompt, "--no-display-prompt", "--no-warmup", "-no-cnv", "--temp", "0"}
	turns := []turn{
		startTurn("lite", startPrompt, lite),
		startTurn("llama.cpp with repacking", "", llama),
		startTurn("llama.cpp without repacking", "", append(slices.Clip(llama), "--no-repack")),
	}
	t, err := take(ctx, m.name+", start", c.rounds, turns)
	if err != nil {
		return err
	}
	for i := 1; i < len(t); i++ {
		r := row{
			model: m.name, work: "program start to first token, 16 tokens of prompt", unit: "s", threads: c.threads, peer: turns[i].name,
			note: "seconds: less is better; file in the page cache; llama.cpp's AVX2 build without its warm-up",
		}
		if err := c.beside(r, &t[0], named("seconds"), &t[i], named("seconds")); err != nil {
			return err
		}
	}
	return nil
}

func startTurn(name, echoed string, args []string) turn {
	return turn{name, func(ctx context.Context) (values, error) {
		seconds, err := firstToken(ctx, echoed, args)
		return values{"seconds": seconds}, err
	}}
}

// firstToken runs a program until its end and returns the seconds that passed until
// it had printed more than the prompt that it echoes.
func firstToken(ctx context.Context, echoed string, args []string) (float64, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // running programs is the purpose
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("reading what a program prints: %w", err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting a program: %w", err)
	}
	_, early := io.ReadFull(out, make([]byte, len(echoed)+1))
	took := time.Since(begin).Seconds()
	_, rest := io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	if early != nil {
		return 0, errors.New("it printed no token")
	}
	return took, rest
}
