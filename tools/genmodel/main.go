// Command genmodel writes GGUF models of any supported family and shape with
// random weights: files to measure and test with that are as large and as
// sparse as wanted, and that llama.cpp loads too. Blocks are random bits under
// sensible scales, written directly in their format, so that a file is made as
// fast as a disk takes it. Equal flags give equal bytes.
//
//	go run ./tools/genmodel --shape olmoe-7b --quant Q4_K_M --seed 1 --out olmoe.gguf
//	go run ./tools/genmodel --family lite --quant Q8_0 --tiers xs:32:2x4,l:256:4x8 --out native.gguf
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "genmodel:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	out          string
	seed         uint64
	skew, router float64
	split        base.ByteSize
	shape        Shape
	mix          Mix
}

// run writes the model that args describe.
func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	m, err := newModel(o.shape, o.mix, o.seed, o.router, o.skew)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, t := range m.infos {
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		total += n
	}
	g := &generator{model: m, seed: o.seed, workers: runtime.GOMAXPROCS(0), wrote: progress(stderr, total)}
	if err := write(o, m, g); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %s in %d tensors\n", o.out, base.ByteSize(total), len(m.infos))
	return err
}

// parse reads the flags. The shape comes first and flags change it, whatever
// their order.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("genmodel", flag.ContinueOnError)
	fs.SetOutput(stderr)
	family := fs.String("family", "", "family: "+strings.Join(sortedKeys(families), ", "))
	shape := fs.String("shape", "tiny", "named shape: tiny, "+strings.Join(sortedKeys(shapes), ", "))
	mix := fs.String("quant", "Q4_K_M", "block format of matrices, or a mix of them")
	fs.StringVar(&o.out, "out", "", "file to write; the start of the names with --split")
	fs.Uint64Var(&o.seed, "seed", 1, "seed of all that is random")
	fs.Float64Var(&o.skew, "skew", 0, "how unevenly experts are chosen: rows of routing heads are scaled by exp(skew·z)")
	fs.Float64Var(&o.router, "router", 2, "standard deviation of routing scores")
	tied := fs.Bool("tied", false, "use the embedding as the output head")
	tiers := fs.String("tiers", "", "lite: NAME:HIDDEN:GROUPSxEXPERTS,… smallest first")
	split := fs.String("split", "", "write several files of at most this many bytes of weights, such as 1GiB")
	var changes []func(*Shape) error
	for _, f := range ints {
		fs.Func(f.flag, f.usage, func(text string) error {
			changes = append(changes, func(s *Shape) error { return setInt(f.field(s), text) })
			return setInt(new(int), text)
		})
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if o.out == "" || fs.NArg() > 0 {
		return nil, errors.New("usage: genmodel --family NAME | --shape NAME, --out FILE; --help lists the flags")
	}
	var err error
	if o.shape, err = shapeOf(*shape, *family); err != nil {
		return nil, err
	}
	for _, change := range changes {
		if err := change(&o.shape); err != nil {
			return nil, err
		}
	}
	o.shape.Tied = o.shape.Tied || *tied
	if *tiers != "" {
		if o.shape.Tiers, err = parseTiers(*tiers); err != nil {
			return nil, err
		}
	}
	if *split != "" {
		if o.split, err = base.ParseByteSize(*split); err != nil {
			return nil, err
		}
	}
	o.mix, err = parseMix(*mix)
	return o, err
}

// write writes one file or a split.
func write(o *options, m *model, g *generator) error {
	if o.split > 0 {
		parts, err := gguf.Divide(m.infos, int64(o.split))
		if err != nil {
			return err
		}
		return gguf.WriteSplit(create, strings.TrimSuffix(o.out, ".gguf"), m.kvs, parts, g.data)
	}
	f, err := create(o.out)
	if err != nil {
		return err
	}
	return errors.Join(gguf.Write(f, m.kvs, m.infos, g.data), f.Close())
}

// progress returns a function that shows how much of total has been written, at
// every hundredth, if w is a terminal.
func progress(w io.Writer, total int64) func(n int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int) {}
	}
	done, shown := int64(0), int64(-1)
	return func(n int) {
		done += int64(n)
		if percent := done * 100 / max(total, 1); percent > shown {
			shown = percent
			_, _ = fmt.Fprintf(w, "\r%s of %s (%d %%)", base.ByteSize(done), base.ByteSize(total), percent)
			if done == total {
				_, _ = fmt.Fprintln(w)
			}
		}
	}
}
