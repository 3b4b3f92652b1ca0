package synth

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/lite-llm/lite/internal/quant"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// chunkBytes is about how much of a tensor one draw of the generator makes.
const chunkBytes = 1 << 20

// generator makes the data of a model's tensors.
type generator struct {
	model   *Model
	workers int
	// wrote is told of every chunk that has been written.
	wrote func(n int)

	buffers sync.Pool // of *[]byte, each of chunkBytes
}

// Data returns what writes each tensor's bytes, made by several workers. Equal
// options give equal bytes, whatever their number. wrote is told of every
// chunk; nil when nobody asks.
func (m *Model) Data(wrote func(n int)) gguf.Data {
	g := &generator{model: m, workers: runtime.GOMAXPROCS(0), wrote: wrote}
	return g.data
}

// Write writes the model as one file.
func (m *Model) Write(out io.Writer) error { return gguf.Write(out, m.kvs, m.infos, m.Data(nil)) }

// buffer returns n bytes of any content, at most chunkBytes. Memory is reused:
// fresh pages for every chunk would take longer than filling them.
func (g *generator) buffer(n int64) *[]byte {
	b, ok := g.buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, chunkBytes)
		b = &fresh
	}
	*b = (*b)[:n]
	return b
}

// rng is the random source of a part of a tensor. It depends on the seed, the
// tensor's name and the part alone, so that workers and order do not matter.
func (g *generator) rng(name string, part uint64) *rand.PCG {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	return rand.NewPCG(g.model.opt.Seed^h.Sum64(), part)
}

// data implements gguf.Data. Chunks are made by several workers and written in
// order.
func (g *generator) data(out io.Writer, info gguf.Info) error {
	t := g.model.byName[info.Name]
	size, err := info.Bytes()
	if err != nil {
		return err
	}
	if t.skewed {
		return g.write(out, g.router(t, size))
	}
	src := newBlockSource(t.Type, size/int64(t.Type.BlockBytes())*int64(t.Type.BlockLen()), t.mean, t.std, g.rng(t.Name, math.MaxUint64))
	chunk := int64(chunkBytes / src.size * src.size)
	made := make(chan chan *[]byte, g.workers)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(made)
		for off := int64(0); off < size; off += chunk {
			one := make(chan *[]byte, 1)
			select {
			case made <- one:
			case <-stop:
				return
			}
			go func() {
				buf := g.buffer(min(chunk, size-off))
				src.fill(*buf, g.rng(t.Name, uint64(off/chunk))) //nolint:gosec // not negative
				one <- buf
			}()
		}
	}()
	for one := range made {
		buf := <-one
		if err := g.write(out, *buf); err != nil {
			return err
		}
		g.buffers.Put(buf)
	}
	return nil
}

func (g *generator) write(out io.Writer, p []byte) error {
	n, err := out.Write(p)
	if g.wrote != nil {
		g.wrote(n)
	}
	return err
}

// router makes an F32 routing head whose rows are scaled by exp(skew·z), z
// normal: a candidate whose scores vary more is among the highest more often,
// so that some are chosen much more than others. The scales have a mean square
// of about 1. Without skew all rows are alike.
func (g *generator) router(t *tensor, size int64) []byte {
	buf := make([]byte, size)
	rng := g.rng(t.Name, math.MaxUint64)
	newBlockSource(quant.F32, size/4, t.mean, t.std, rng).fill(buf, g.rng(t.Name, 0))
	row := 4 * t.Dims[0]
	for at := 0; at < len(buf) && g.model.opt.Skew != 0; at += row {
		scale := float32(math.Exp(float64(g.model.opt.Skew*normal(rng)) - float64(g.model.opt.Skew*g.model.opt.Skew)))
		for i := at; i < at+row; i += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(buf[i:]))
			binary.LittleEndian.PutUint32(buf[i:], math.Float32bits(v*scale))
		}
	}
	return buf
}
