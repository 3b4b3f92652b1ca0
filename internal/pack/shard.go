package pack

import (
	"fmt"
	"io"

	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// The keys of a shard, beside those of every GGUF file.
const (
	keyTier  = "lite.shard.tier"
	keyLayer = "lite.shard.layer"
	keyShard = "lite.shard.number"
	keyPad   = "lite.shard.pad" // zeros that make all heads of a pack equally long
)

// shard is one shard of a pack: what its head says and where things stand.
type shard struct {
	m      *Manifest
	tier   *Tier
	layer  *Layer
	shape  *Shape
	g      *geometry
	number int64
}

// infos are the tensors in the order of the file. Names have a fixed width, so
// that all heads of as many experts have one size.
func (s *shard) infos() []gguf.Info {
	info := func(x *Matrix, format string, args ...any) gguf.Info {
		t, _ := parseType(x.Type)
		return gguf.Info{Name: fmt.Sprintf(format, args...), Type: t, Dims: []int{int(x.Cols), int(x.Rows)}}
	}
	var all []gguf.Info
	layer := s.layer.Layer
	first, n := s.g.in(s.number)
	if s.g.perGroup > 0 {
		if s.number == 0 {
			all = append(all, info(&s.shape.GroupHead, "blk.%04d.group_head.weight", layer))
		}
		for i := range s.g.groups(n) {
			all = append(all, info(&s.shape.ExpertHead, "blk.%04d.group.%010d.head.weight", layer, first/s.g.perGroup+i))
		}
	}
	for i := range n {
		index := first + i
		if s.layer.Experts != nil {
			index = int64(s.layer.Experts[index])
		}
		name := fmt.Sprintf("blk.%04d.expert.%010d.", layer, index)
		for k, x := range []*Matrix{&s.shape.Gate, &s.shape.Up, &s.shape.Down} {
			all = append(all, info(x, "%s", name+[...]string{"gate", "up", "down"}[k]+".weight"))
		}
	}
	return all
}

// keys are the metadata, with that many bytes of padding.
func (s *shard) keys(pad int) []weights.KV {
	return []weights.KV{
		{Key: "general.architecture", Value: s.m.Architecture},
		{Key: "general.type", Value: "shard"},
		{Key: gguf.KeyAlignment, Value: uint32(Align)},
		{Key: keyTier, Value: s.tier.Name},
		{Key: keyLayer, Value: uint32(s.layer.Layer)}, //nolint:gosec // at most MaxLayers
		{Key: keyShard, Value: uint32(s.number)},      //nolint:gosec // at most MaxShards
		{Key: keyPad, Value: make([]uint8, pad)},
	}
}

// counter counts what is written.
type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// headBytes is how long the head is without padding, in whole units of Align.
func (s *shard) headBytes() (int64, error) {
	var c counter
	if _, err := gguf.NewWriter(&c, s.keys(0), s.infos()); err != nil {
		return 0, err
	}
	return c.n, nil
}

// begin writes the head, padded to the size that all heads of the pack have.
func (s *shard) begin(out io.Writer) (*gguf.Writer, []gguf.Info, error) {
	infos := s.infos()
	short, err := s.headBytes()
	if err != nil {
		return nil, nil, err
	}
	w, err := gguf.NewWriter(out, s.keys(int(s.m.ShardHead-short)), infos)
	return w, infos, err
}
