package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// rates is what a contender measured of itself: tokens per second.
type rates struct {
	Prefill float64 `json:"prefill"`
	Decode  float64 `json:"decode"`
}

// contender runs a model once and reports its rates.
type contender struct {
	name string
	run  func(ctx context.Context, path string) (rates, error)
}

//go:embed peer.mjs
var peerScript []byte

// peerPackage brings llama.cpp with its backends built, for Linux on x86-64.
const peerPackage = "node-llama-cpp@3.22.1"

// contenders builds Lite and fetches llama.cpp.
func (c *config) contenders(ctx context.Context) ([]contender, error) {
	cache, err := filepath.Abs(c.cache)
	if err != nil {
		return nil, fmt.Errorf("the cache: %w", err)
	}
	binary := filepath.Join(cache, "lite")
	if _, err := command(ctx, ".", "go", "build", "-o", binary, "./cmd/lite"); err != nil {
		return nil, err
	}
	all := []contender{{"lite", func(ctx context.Context, path string) (rates, error) { return c.lite(ctx, binary, path) }}}
	for _, variant := range []struct{ name, backend string }{{"llama.cpp", ""}, {"llama.cpp-avx2", "haswell"}} {
		dir := filepath.Join(cache, variant.name)
		if err := install(ctx, dir, variant.backend); err != nil {
			return nil, err
		}
		all = append(all, contender{variant.name, func(ctx context.Context, path string) (rates, error) { return c.peer(ctx, dir, path) }})
	}
	return all, nil
}

// install puts the package in dir, and leaves it only one backend if named.
func install(ctx context.Context, dir, backend string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making room for llama.cpp: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "peer.mjs"), peerScript, 0o600); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return nil
	}
	if _, err := command(ctx, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", peerPackage); err != nil {
		return err
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "node_modules/@node-llama-cpp/linux-x64/bins/*/libggml-cpu-*.so"))
	if err != nil || len(libraries) == 0 {
		return fmt.Errorf("%s has no backends for this machine", peerPackage)
	}
	for _, l := range libraries {
		if backend != "" && !strings.HasSuffix(l, "-"+backend+".so") {
			if err := os.Remove(l); err != nil {
				return fmt.Errorf("removing a backend: %w", err)
			}
		}
	}
	return nil
}

// lite runs `lite bench`: the first run reads the experts, the second one has
// them.
func (c *config) lite(ctx context.Context, binary, path string) (rates, error) {
	out, err := command(ctx, ".", binary, "bench", path, "--runs", "2", "--prompt", strconv.Itoa(c.prompt),
		"--generate", strconv.Itoa(c.generate), "--threads", strconv.Itoa(c.threads))
	if err != nil {
		return rates{}, err
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var line struct {
		Stats struct {
			Prefill float64 `json:"prefill_tokens_per_s"`
			Decode  float64 `json:"decode_tokens_per_s"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(lines[len(lines)-1], &line); err != nil {
		return rates{}, fmt.Errorf("the output of lite bench: %w", err)
	}
	return rates{line.Stats.Prefill, line.Stats.Decode}, nil
}

func (c *config) peer(ctx context.Context, dir, path string) (rates, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return rates{}, fmt.Errorf("the model: %w", err)
	}
	out, err := command(ctx, dir, "node", "peer.mjs", path, strconv.Itoa(c.threads), strconv.Itoa(c.prompt),
		strconv.Itoa(c.generate), strconv.Itoa(c.prompt+c.generate+64))
	if err != nil {
		return rates{}, err
	}
	var r rates
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("the output of llama.cpp: %w", err)
	}
	return r, nil
}

// command runs a program and returns what it printed; its complaints are part
// of the error.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // running programs is the purpose
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, nil
}
