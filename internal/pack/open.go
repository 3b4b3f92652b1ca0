package pack

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// Pack is an open pack: what its manifest says. It has read the description of
// the trunk and no weights.
type Pack struct {
	Manifest *Manifest
	// Digest is the SHA-256 of the manifest, in hexadecimal: the identity of the
	// pack.
	Digest string
	// SignedBy is the KeyID that the signature names, empty without one. Whether
	// it is that key's was checked only if Options.Key was given.
	SignedBy string
	// Model describes the trunk's tensors and, as stacked tensors of the usual
	// names, the experts in the shards.
	Model *weights.Model

	fs     vfs.FS
	dir    string
	shards map[string]place // by the object's name
	hashes cache
}

// place says what an object of a pack is.
type place struct {
	layer *Layer
	tier  *Tier
	g     *geometry
	shard int64
}

// Options say how much a pack is trusted.
type Options struct {
	// Key, when not nil, must have signed the manifest.
	Key ed25519.PublicKey
	// Verify checks the description of the trunk against its hashes before it is
	// read. Weights are checked where they enter memory: see Check.
	Verify bool
}

// Is says whether there is a pack at dir on fsys.
func Is(fsys vfs.FS, dir string) bool {
	f, err := fsys.Open(path.Join(dir, ManifestName))
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// Open reads the manifest of the pack at dir on fsys, and the description of its
// trunk. The error is a *ManifestError, a *SignatureError, an *IntegrityError, a
// *gguf.FormatError of the trunk, or fsys's.
func Open(fsys vfs.FS, dir string, opt Options) (*Pack, error) {
	p := &Pack{fs: fsys, dir: dir}
	b, err := p.readManifest(opt.Key)
	if err != nil {
		return nil, err
	}
	if p.Manifest, err = decode(b, p.name(ManifestName)); err != nil {
		return nil, err
	}
	p.Digest = digest(b)
	if err := p.describe(opt.Verify); err != nil {
		return nil, err
	}
	return p, nil
}

// name is the name of a file of the pack on its file system.
func (p *Pack) name(file string) string { return path.Join(p.dir, file) }

// readManifest reads the manifest and its signature, and holds the one against
// the other and against the key.
func (p *Pack) readManifest(key ed25519.PublicKey) ([]byte, error) {
	b, err := readAll(p.fs, p.name(ManifestName), MaxManifest)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &ManifestError{Path: p.dir, What: "is not a pack: it has no " + ManifestName}
	}
	if err != nil {
		return nil, err
	}
	file := p.name(SignatureName)
	text, err := readAll(p.fs, file, maxPEM)
	if errors.Is(err, fs.ErrNotExist) {
		if key != nil {
			return nil, &SignatureError{Path: p.dir, What: "has no signature, and a key was given that must have signed it"}
		}
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := parseSignature(text)
	if err == nil && key != nil {
		err = s.check(key, b)
	}
	if err != nil {
		return nil, &SignatureError{Path: file, What: err.Error()}
	}
	p.SignedBy = s.key
	return b, nil
}

// readAll reads a whole file of at most limit bytes.
func readAll(fsys vfs.FS, name string, limit int64) (b []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Size() > limit {
		return nil, &ManifestError{Path: name, What: fmt.Sprintf("has %d bytes, the limit is %d", f.Size(), limit)}
	}
	b = make([]byte, f.Size())
	return b, readFull(f, b, 0)
}

// readFull fills p from off.
func readFull(f vfs.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return &ManifestError{Path: f.Name(), What: fmt.Sprintf("ends at byte %d, %d are needed", off+int64(n), off+int64(len(p)))}
	}
	return fmt.Errorf("reading %s at byte %d: %w", f.Name(), off+int64(n), err)
}

// describe makes the model of the trunk's description and of the shards.
func (p *Pack) describe(verify bool) error {
	m := p.Manifest
	fsys := p.fs
	if verify {
		fsys = verifiedFS{p}
	}
	if err := p.checkSize(p.name(trunkName), m.Trunk.Bytes); err != nil {
		return err
	}
	trunk, err := gguf.Open(fsys, p.name(trunkName))
	if err != nil {
		return err
	}
	objects := trunk.Objects
	var tensors []weights.Tensor
	for t := range trunk.All() {
		tensors = append(tensors, t)
	}
	more, stacked, err := p.stacks()
	if err != nil {
		return err
	}
	p.Model, err = weights.New(trunk.Meta, append(objects, more...), append(tensors, stacked...))
	if err != nil {
		return &ManifestError{Path: p.name(ManifestName), What: err.Error()}
	}
	return nil
}

// checkSize holds that a file is as long as the manifest says.
func (p *Pack) checkSize(name string, size int64) error {
	f, err := p.fs.Open(name)
	if err != nil {
		return err
	}
	have := f.Size()
	if err := f.Close(); err != nil {
		return err
	}
	if have != size {
		return &ManifestError{Path: name, What: fmt.Sprintf("has %d bytes, the manifest says %d", have, size)}
	}
	return nil
}

// CheckSizes holds that every file of the pack is as long as the manifest says,
// which finds a copy that is not whole before it is used.
func (p *Pack) CheckSizes() error {
	for _, obj := range p.Model.Objects {
		if err := p.checkSize(obj.Name, obj.Size); err != nil {
			return err
		}
	}
	return nil
}

// stacks are the objects and the tensors of the shards.
func (p *Pack) stacks() (objects []base.Object, tensors []weights.Tensor, err error) {
	m := p.Manifest
	p.shards = map[string]place{}
	if m.Stacks == ByLayer {
		return p.byLayer()
	}
	return p.byTier()
}

// stacked collects the stacks of one tensor set: the projections of the experts
// of one tier or of one layer.
type stacked struct {
	parts  [parts]base.Stack
	count  int64
	groups base.Range // of a nested model: the head of the groups
	heads  base.Stack // and those of the experts of each group
}

// add appends the shards of a tier at a layer.
func (s *stacked) add(p *Pack, t *Tier, l *Layer) ([]base.Object, error) {
	sh, err := p.Manifest.shard(t, l)
	if err != nil {
		return nil, &ManifestError{Path: p.name(ManifestName), What: err.Error()}
	}
	g := sh.g
	var objects []base.Object
	for k := range g.shards {
		obj := base.Object{Name: p.name(shardName(t.Name, l.Layer, k)), Size: g.size(k)}
		objects = append(objects, obj)
		p.shards[obj.Name] = place{l, t, g, k}
		first, n := g.in(k)
		if g.perGroup > 0 {
			if k == 0 {
				s.groups = base.Range{Object: obj, Off: g.head, Len: g.groupHead}
			}
			s.heads.Runs = append(s.heads.Runs, base.Run{
				First: first / g.perGroup, Count: g.groups(n), Stride: g.expertRoom,
				At: base.Range{Object: obj, Off: g.expertHeads(k), Len: (g.groups(n)-1)*g.expertRoom + g.expertHead},
			})
		}
		for i := range s.parts {
			s.parts[i].Runs = append(s.parts[i].Runs, base.Run{
				First: s.count + first, Count: n, Stride: g.stride,
				At: base.Range{Object: obj, Off: g.experts(k) + g.at[i], Len: (n-1)*g.stride + g.sizes[i]},
			})
		}
	}
	s.count += g.count
	return objects, nil
}

// tensors are the virtual tensors of the stacks.
func (s *stacked) tensors(prefix string, shape *Shape) []weights.Tensor {
	var all []weights.Tensor
	for i, x := range []*Matrix{&shape.Gate, &shape.Up, &shape.Down} {
		typ, _ := parseType(x.Type)
		all = append(all, weights.Tensor{
			Name: prefix + [...]string{"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}[i] + ".weight",
			Type: typ, Dims: []int{int(x.Cols), int(x.Rows), int(s.count)}, Stack: &s.parts[i],
		})
	}
	if shape.GroupHead == (Matrix{}) {
		return all
	}
	group, _ := parseType(shape.GroupHead.Type)
	head, _ := parseType(shape.ExpertHead.Type)
	return append(all,
		weights.Tensor{Name: prefix + "ffn_group_inp.weight", Type: group, Dims: []int{int(shape.GroupHead.Cols), int(shape.GroupHead.Rows)}, Range: s.groups},
		weights.Tensor{Name: prefix + "ffn_expert_inp.weight", Type: head, Dims: []int{int(shape.ExpertHead.Cols), int(s.count)}, Stack: &s.heads})
}

// byLayer has one set of tensors for each layer, over all tiers.
func (p *Pack) byLayer() (objects []base.Object, tensors []weights.Tensor, err error) {
	m := p.Manifest
	for layer := range m.Layers {
		s := &stacked{}
		var shape *Shape
		listed := false
		for i := range m.Tiers {
			t := &m.Tiers[i]
			for k := range t.Layers {
				if l := &t.Layers[k]; l.Layer == layer {
					more, err := s.add(p, t, l)
					if err != nil {
						return nil, nil, err
					}
					objects, shape, listed = append(objects, more...), &t.Shapes[l.Shape], l.Experts != nil
				}
			}
		}
		if shape == nil {
			continue
		}
		if listed {
			order, err := m.order(layer, s.count)
			if err != nil {
				return nil, nil, &ManifestError{Path: p.name(ManifestName), What: err.Error()}
			}
			for i := range s.parts {
				s.parts[i].Order = order
			}
		}
		tensors = append(tensors, s.tensors(fmt.Sprintf("blk.%d.", layer), shape)...)
	}
	return objects, tensors, nil
}

// byTier has one set of tensors for each tier at each layer.
func (p *Pack) byTier() (objects []base.Object, tensors []weights.Tensor, err error) {
	m := p.Manifest
	for i := range m.Tiers {
		t := &m.Tiers[i]
		for k := range t.Layers {
			l, s := &t.Layers[k], &stacked{}
			more, err := s.add(p, t, l)
			if err != nil {
				return nil, nil, err
			}
			objects = append(objects, more...)
			tensors = append(tensors, s.tensors(fmt.Sprintf("blk.%d.tier.%d.", l.Layer, i), &t.Shapes[l.Shape])...)
		}
	}
	return objects, tensors, nil
}
