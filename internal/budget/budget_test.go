//go:build linux

package budget

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

// built is the directory of what tools has built, which TestMain removes.
var built string

// tools builds the command and the generator of models, once.
var tools = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lite-budget-")
	if err != nil {
		return "", err
	}
	built = dir
	for _, name := range []string{"cmd/lite", "tools/genmodel"} {
		// A test is run again when a file that it has opened has changed: the
		// toolchain does not know what a test builds.
		sources, err := filepath.Glob(filepath.Join("../..", name, "*.go"))
		if err != nil {
			return "", err
		}
		for _, source := range sources {
			if _, err := os.ReadFile(source); err != nil {
				return "", err
			}
		}
		out, err := exec.Command("go", "build", "-o", dir, "../../"+name).CombinedOutput() //nolint:noctx // it ends by itself
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if path := os.Getenv(sessionOf); path != "" {
		session(path)
		return
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// tool is the path of a built program.
func tool(t *testing.T, name string) string {
	t.Helper()
	dir, err := tools()
	require.NoError(t, err)
	return filepath.Join(dir, name)
}

// generate writes a model, which is removed when the test ends.
func generate(t *testing.T, flags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	out, err := exec.Command(tool(t, "genmodel"), append(strings.Fields(flags), "--out", path)...).CombinedOutput() //nolint:noctx // it ends by itself
	require.NoError(t, err, "%s", out)
	return path
}

// answer is what lite run --json says.
type answer struct {
	Tokens string `json:"tokens_sha256"`
	Logits string `json:"logits_sha256"`
	Stats  struct {
		Peak      int64            `json:"peak_rss_bytes"`
		Read      map[string]int64 `json:"read_bytes"`
		Evictions int64            `json:"expert_evictions"`
		Prompt    int              `json:"prompt_tokens"`
	} `json:"stats"`
}

// run lets the command answer, in a group or not. It returns the answer and the
// kernel's count of the peak RSS.
func run(t *testing.T, g *group, model, prompt string, flags ...string) (a answer, peak int64) {
	t.Helper()
	args := append([]string{"run", model, prompt, "--raw", "--json", "--temp", "0.8", "--seed", "1", "--max-tokens", "2"}, flags...)
	stdout, stderr, peak, err := g.run(t, tool(t, "lite"), args...)
	require.NoError(t, err, "%s", stderr)
	require.NoError(t, json.Unmarshal(stdout, &a))
	return a, peak
}

// capped lets the command answer in a group of that size.
func capped(t *testing.T, limit int64, model, prompt string, flags ...string) answer {
	t.Helper()
	g := newGroup(t, limit)
	a, peak := run(t, g, model, prompt, flags...)
	g.check(t, limit, a, peak)
	return a
}

// check holds the group's counts to what a hard cap means.
func (g *group) check(t *testing.T, limit int64, a answer, peak int64) {
	t.Helper()
	hits, kills := g.hits(t)
	charged, known := g.peak(t)
	t.Logf("cap %d MiB: RSS %d MiB by its own count, %d by the kernel's; group %d MiB; %d MiB read, %d evictions",
		limit/mib, a.Stats.Peak/mib, peak/mib, charged/mib, a.Stats.Read["nvme"]/mib, a.Stats.Evictions)
	require.Zero(t, hits, "the limit was reached")
	require.Zero(t, kills)
	require.LessOrEqual(t, a.Stats.Peak, limit)
	// The group counts the kernel's own memory too, and pages of the program
	// only where it was the first to read them: some 17 MiB.
	if known {
		require.LessOrEqual(t, charged, limit)
		require.InDelta(t, charged, a.Stats.Peak, max(0.02*float64(a.Stats.Peak), 20*mib), "the group's count")
	}
	if peak > 0 { // else it is the test's own
		require.InDelta(t, peak, a.Stats.Peak, max(0.02*float64(peak), 2*mib), "the kernel's count of the process")
	}
}

// words is a prompt of that many words, which have three tokens or so each.
func words(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		for range 2 + r.IntN(5) {
			b.WriteByte(byte('a' + r.IntN(26)))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// needed is the number that a refusal names, in bytes.
func needed(t *testing.T, model string, flags ...string) int64 {
	t.Helper()
	_, stderr, _, err := (*group)(nil).run(t, tool(t, "lite"), append([]string{"run", model, "x", "--memory", "1MiB"}, flags...)...)
	require.Error(t, err)
	m := regexp.MustCompile(`--memory (\d+)MiB`).FindSubmatch(stderr)
	require.NotNil(t, m, "%s", stderr)
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return n * mib
}

// TestCapOfALargeFile runs a file of more than 2 GB in a quarter of its size
// and in far less: the same bits as without a cap.
func TestCapOfALargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a file of 2.3 GiB and runs it half a dozen times")
	}
	newGroup(t, 1<<30) // before the file is written for nothing
	model := generate(t, "--family olmoe --layers 4 --dim 1024 --heads 8 --kv-heads 8 --experts 320 --experts-used 4"+
		" --expert-ff 1024 --vocab 4096 --context 1024 --quant Q4_K_M")
	info, err := os.Stat(model)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(2e9))
	prompt := words(40)

	free, _ := run(t, nil, model, prompt)
	for name, c := range map[string]struct {
		limit int64
		flags []string
	}{
		"a quarter":             {info.Size() / 4, []string{"--memory", strconv.FormatInt(info.Size()/4, 10)}},
		"by itself":             {info.Size() / 5, nil},
		"less than it was told": {info.Size() / 5, []string{"--memory", "1TiB"}},
		"hardly a token":        {160 * mib, []string{"--memory", "160MiB", "--context", "512"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := capped(t, c.limit, model, prompt, c.flags...)
			require.GreaterOrEqual(t, a.Stats.Read["nvme"], info.Size()/4, "in the answer alone")
			require.Positive(t, a.Stats.Evictions)
			require.Equal(t, free.Tokens, a.Tokens)
			require.Equal(t, free.Logits, a.Logits)
		})
	}
	t.Run("through the page cache", func(t *testing.T) {
		a, _ := run(t, nil, model, prompt, "--memory", strconv.FormatInt(info.Size()/4, 10), "--read", "buffered")
		require.Positive(t, a.Stats.Read["nvme"])
		require.Equal(t, free.Tokens, a.Tokens)
		require.Equal(t, free.Logits, a.Logits)
	})
}

// TestCapOfAnyShape runs small models of several shapes under the least cap
// that they name, and a little above it: long prompts, large vocabularies,
// large contexts, experts of several sizes and none at all.
func TestCapOfAnyShape(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a dozen processes")
	}
	for name, c := range map[string]struct{ model, flags string }{
		"long prompt": {
			"--family olmoe --layers 8 --dim 512 --heads 8 --kv-heads 8 --experts 128 --experts-used 8 --expert-ff 256" +
				" --vocab 8000 --context 8192 --quant Q4_K_M", "--chunk 512 --context 2048",
		},
		"large vocabulary and context": {
			"--family qwen3moe --layers 4 --dim 256 --heads 8 --kv-heads 2 --head-dim 64 --experts 64 --experts-used 4 --expert-ff 256" +
				" --vocab 100000 --context 32768 --quant Q4_K_M", "--context 32768",
		},
		"latent attention": {
			"--family deepseek2 --layers 4 --dim 256 --heads 16 --kv-lora 256 --nope 64 --rot 32 --value-dim 64 --ff 2048" +
				" --experts 64 --experts-used 6 --expert-ff 256 --vocab 8000 --context 8192 --quant Q4_K_M", "--chunk 256 --context 2048",
		},
		"dense": {
			"--family llama --layers 4 --dim 512 --heads 8 --kv-heads 8 --ff 2048 --vocab 8000 --context 8192 --quant Q8_0", "--context 2048",
		},
		"tiers": {
			"--family lite --layers 4 --dim 256 --heads 4 --kv-heads 4 --tiers xs:256:2x8,m:512:2x8,l:1024:2x8" +
				" --vocab 8000 --context 8192 --quant Q4_K_M", "--context 2048",
		},
	} {
		t.Run(name, func(t *testing.T) {
			model, flags, prompt := generate(t, c.model), strings.Fields(c.flags), words(140)
			least := needed(t, model, flags...)
			free, _ := run(t, nil, model, prompt, flags...)
			for _, limit := range []int64{least, least + 20*mib} {
				a := capped(t, limit, model, prompt, append(flags, "--memory", strconv.FormatInt(limit, 10))...)
				require.Equal(t, free.Logits, a.Logits)
			}
			// A MiB less is refused, in one line that names the same number.
			_, stderr, _, err := (*group)(nil).run(t, tool(t, "lite"),
				append([]string{"run", model, "x", "--memory", strconv.FormatInt(least-8*mib, 10)}, flags...)...)
			require.Error(t, err)
			require.Equal(t, 1, strings.Count(string(stderr), "\n"), "%s", stderr)
		})
	}
}
