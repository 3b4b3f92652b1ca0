package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed peer.mjs
var peerScript []byte

// peerPackage brings llama.cpp with its backends built, for Linux on x86-64.
const peerPackage = "node-llama-cpp@3.22.1"

// peer is llama.cpp with a choice of backends.
type peer struct {
	name, backend string // all backends when empty
}

// peers are the backends that llama.cpp chooses itself, and the instructions that
// Lite uses.
var peers = []peer{{"llama.cpp", ""}, {"llama.cpp-avx2", "haswell"}}

// install puts the package in a directory, and leaves it only one backend if named.
func (c *config) install(ctx context.Context, p peer) (dir string, err error) {
	dir = filepath.Join(c.cache, p.name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("making room for llama.cpp: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "peer.mjs"), peerScript, 0o600); err != nil {
		return "", fmt.Errorf("writing the script: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir, nil
	}
	if _, err := command(ctx, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", peerPackage); err != nil {
		return "", err
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "node_modules/@node-llama-cpp/linux-x64/bins/*/libggml-cpu-*.so"))
	if err != nil || len(libraries) == 0 {
		return "", fmt.Errorf("%s has no backends for this machine", peerPackage)
	}
	for _, l := range libraries {
		if p.backend != "" && !strings.HasSuffix(l, "-"+p.backend+".so") {
			if err := os.Remove(l); err != nil {
				return "", fmt.Errorf("removing a backend: %w", err)
			}
		}
	}
	return dir, nil
}

// peerTurn measures "prefill" and "decode", tokens per second, after a prompt of
// warm tokens that is not measured.
func (c *config) peerTurn(p peer, path string, prompt, generate, warm int) turn {
	return turn{p.name, func(ctx context.Context) (values, error) {
		dir, err := c.install(ctx, p)
		if err != nil {
			return nil, err
		}
		out, err := command(ctx, dir, "node", "peer.mjs", path, strconv.Itoa(c.threads), strconv.Itoa(prompt),
			strconv.Itoa(generate), strconv.Itoa(prompt+generate+64), strconv.Itoa(warm))
		if err != nil {
			return nil, err
		}
		var r struct {
			Prefill float64 `json:"prefill"`
			Decode  float64 `json:"decode"`
		}
		if err := json.Unmarshal(out, &r); err != nil {
			return nil, fmt.Errorf("the output of llama.cpp: %w", err)
		}
		return values{"prefill": r.Prefill, "decode": r.Decode}, nil
	}}
}

// source builds llama.cpp's own program, whose source comes with the package: its
// option for weights that stay file-backed is not to be had otherwise. It returns
// the program.
func (c *config) source(ctx context.Context) (string, error) {
	dir := filepath.Join(c.cache, "llama.cpp-source")
	program := filepath.Join(dir, "build/bin/llama-completion")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	packaged, err := c.install(ctx, peers[0])
	if err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "building llama.cpp, some minutes")
	for _, step := range [][]string{
		{"git", "clone", "-q", filepath.Join(packaged, "node_modules/node-llama-cpp/llama/gitRelease.bundle"), dir},
		{"cmake", "-S", dir, "-B", dir + "/build", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DGGML_NATIVE=OFF", "-DGGML_AVX2=ON", "-DGGML_FMA=ON", "-DGGML_F16C=ON", "-DGGML_BMI2=ON"},
		{"cmake", "--build", dir + "/build", "--target", "llama-completion", "-j", strconv.Itoa(c.threads)},
	} {
		if _, err := command(ctx, ".", step[0], step[1:]...); err != nil {
			return "", err
		}
	}
	return program, nil
}
