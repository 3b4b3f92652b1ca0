package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// paged measures decoding in less memory than a model needs: both programs in a
// cgroup of a part of the file's size. llama.cpp maps the file; its repacking is
// off, since repacked weights are not file-backed and it would be killed. How far
// the device reads ahead matters to it by a factor of ten, so that it is measured
// as the device was found and with 128 KiB, the latter with one thread too.
type paged struct {
	c            *config
	lite, peer   string // programs
	readAhead    string // the device's file
	found        string // its content
	generate     int
	generateSlow int // where a token takes seconds
}

// tuned is the read-ahead in KiB that llama.cpp was fastest with.
const tuned = "128"

// newPaged builds llama.cpp, whose source comes with the npm package, since its
// option is not to be had through the package itself.
func (c *config) newPaged(ctx context.Context, path string) (*paged, error) {
	cache, err := filepath.Abs(c.cache)
	if err != nil {
		return nil, fmt.Errorf("the cache: %w", err)
	}
	source := filepath.Join(cache, "llama.cpp-source")
	p := &paged{c: c, lite: filepath.Join(cache, "lite"), peer: filepath.Join(source, "build/bin/llama-completion"), generate: 48, generateSlow: 12}
	if _, err := os.Stat(p.peer); err != nil {
		fmt.Fprintln(os.Stderr, "building llama.cpp, some minutes")
		bundle := filepath.Join(cache, "llama.cpp/node_modules/node-llama-cpp/llama/gitRelease.bundle")
		for _, step := range [][]string{
			{"git", "clone", "-q", bundle, source},
			{"cmake", "-S", source, "-B", source + "/build", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DGGML_NATIVE=OFF", "-DGGML_AVX2=ON", "-DGGML_FMA=ON", "-DGGML_F16C=ON", "-DGGML_BMI2=ON"},
			{"cmake", "--build", source + "/build", "--target", "llama-completion", "-j", strconv.Itoa(c.threads)},
		} {
			if _, err := command(ctx, ".", step[0], step[1:]...); err != nil {
				return nil, err
			}
		}
	}
	if p.readAhead, err = readAheadOf(ctx, path); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(p.readAhead)
	if err != nil {
		return nil, fmt.Errorf("the device's read-ahead: %w", err)
	}
	p.found = strings.TrimSpace(string(b))
	return p, nil
}

// page compares within limits of memory.
func (c *config) page(ctx context.Context, m model) error {
	p, err := c.newPaged(ctx, m.path)
	if err != nil {
		return err
	}
	return p.compare(ctx, m)
}

// readAheadOf is the file that says how far the device of path reads ahead.
func readAheadOf(ctx context.Context, path string) (string, error) {
	out, err := command(ctx, ".", "df", "--output=source", path)
	if err != nil {
		return "", err
	}
	lines := strings.Fields(string(out))
	device := filepath.Join("/sys/class/block", filepath.Base(lines[len(lines)-1]))
	for _, queue := range []string{"queue", "../queue"} { // a disk, or a partition of one
		name := device + "/" + queue + "/read_ahead_kb"
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s is not on a disk", path)
}

// pagedContender is what runs within a limit, and with which read-ahead.
type pagedContender struct {
	name, readAhead string
	run             func(ctx context.Context, g group, path string) (float64, error)
}

func (p *paged) contenders() []pagedContender {
	peer := func(threads, n int) func(context.Context, group, string) (float64, error) {
		return func(ctx context.Context, g group, path string) (float64, error) {
			return p.runPeer(ctx, g, path, threads, n)
		}
	}
	return []pagedContender{
		{"lite", p.found, p.runLite},
		{"llama.cpp mmap, read-ahead " + tuned + " KiB, 1 thread", tuned, peer(1, p.generate)},
		{"llama.cpp mmap, read-ahead " + tuned + " KiB, 2 threads", tuned, peer(2, p.generate)},
		{"llama.cpp mmap, read-ahead as found, " + p.found + " KiB, 2 threads", p.found, peer(2, p.generateSlow)},
	}
}

// compare measures the contenders in turns within each part of the model.
func (p *paged) compare(ctx context.Context, m model) error {
	info, err := os.Stat(m.path)
	if err != nil {
		return fmt.Errorf("the model: %w", err)
	}
	for _, percent := range []int64{75, 50, 25} {
		g, err := newGroup(fmt.Sprintf("benchpeer-%d", percent), info.Size()*percent/100)
		if err != nil {
			return err
		}
		all := p.contenders()
		measured := make([][]float64, len(all))
		for round := range p.c.rounds {
			for i, who := range all {
				r, err := p.once(ctx, who, g, m.path)
				if err != nil {
					return errors.Join(fmt.Errorf("%s at %d %%: %w", who.name, percent, err), g.close())
				}
				measured[i] = append(measured[i], r)
				fmt.Fprintf(os.Stderr, "%s at %d %%, round %d, %s: %.2f tokens/s\n", m.name, percent, round+1, who.name, r)
			}
		}
		if err := g.close(); err != nil {
			return err
		}
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].name
		}
		if err := p.c.report(p.c.rows(ctx, m, fmt.Sprintf("decode within %d %% of the file", percent), names, measured)); err != nil {
			return err
		}
	}
	return nil
}

// once runs a contender with nothing of the file in memory.
func (p *paged) once(ctx context.Context, who pagedContender, g group, path string) (rate float64, err error) {
	if _, err := command(ctx, ".", "sync"); err != nil {
		return 0, err
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return 0, fmt.Errorf("emptying the page cache: %w", err)
	}
	if err := os.WriteFile(p.readAhead, []byte(who.readAhead), 0); err != nil {
		return 0, fmt.Errorf("setting the read-ahead: %w", err)
	}
	defer func() { err = errors.Join(err, os.WriteFile(p.readAhead, []byte(p.found), 0)) }()
	return who.run(ctx, g, path)
}

func (p *paged) runLite(ctx context.Context, g group, path string) (float64, error) {
	out, err := g.command(ctx, p.lite, "bench", path, "--memory", strconv.FormatInt(g.limit>>20, 10)+"MiB", "--read", "direct",
		"--prompt", "16", "--generate", strconv.Itoa(p.generate), "--runs", "1", "--context", "512", "--threads", strconv.Itoa(p.c.threads))
	if err != nil {
		return 0, err
	}
	var line struct {
		Stats struct {
			Decode float64 `json:"decode_tokens_per_s"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(out, &line); err != nil {
		return 0, fmt.Errorf("the output of lite bench: %w", err)
	}
	return line.Stats.Decode, g.unhurt()
}

// evaluated finds the rate of decoding in what llama.cpp says at its end.
var evaluated = regexp.MustCompile(`(?m)[^t] +eval time = .*, +([0-9.]+) tokens per second`)

func (p *paged) runPeer(ctx context.Context, g group, path string, threads, n int) (float64, error) {
	out, err := g.command(ctx, p.peer, "-m", path, "-t", strconv.Itoa(threads), "-n", strconv.Itoa(n), "-c", "512", "-p", "the quick",
		"--no-repack", "--no-warmup", "-no-cnv", "--ignore-eos", "--seed", "3")
	if err != nil {
		return 0, err
	}
	found := evaluated.FindSubmatch(out)
	if found == nil {
		return 0, errors.New("llama.cpp does not say how long it took")
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
