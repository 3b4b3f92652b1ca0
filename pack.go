package lite

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/s3"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/pack"
	"github.com/lite-llm/lite/internal/packing"
	"github.com/lite-llm/lite/internal/placement"
	"github.com/lite-llm/lite/internal/rung/synth"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
	"github.com/lite-llm/lite/internal/weights/gguf"
)

// PackOptions say how a pack is made. The zero value is a good choice.
type PackOptions struct {
	// ShardBytes is the most bytes of a shard; 0 is 1 GiB.
	ShardBytes int64
	// Key signs the pack; nil leaves it without a signature.
	Key ed25519.PrivateKey
	// Progress is told how many bytes of all are written; nil when nobody asks.
	Progress func(done, all int64)
	// Tiers divide the experts of a flat model; nil leaves them as they are.
	Tiers *TierPlan
	// Placement says where tiers may be, and becomes part of the pack. Nil leaves
	// what the plan or the model says.
	Placement *Placement
	// Storage is about object stores that the model, or its pack, is in.
	Storage Storage
}

// PackInfo says what was packed.
type PackInfo struct {
	Path   string `json:"path"`
	Digest string `json:"manifest_sha256"`
	// SignedBy is the id of the key that signed it, empty without a signature.
	SignedBy string `json:"signed_by"`
	Bytes    int64  `json:"bytes"` // of its shards and its trunk
	Shards   int    `json:"shards"`
}

// Pack writes the model at path, which may be whatever Open takes, as a pack in
// out: a directory, which must not exist, or a place in an object store such as
// "s3://bucket/model.pack" with nothing below it. It needs a few megabytes of memory,
// and some more to send. The pack appears as a whole or not at all. What an
// interrupted call finished is in out.partial, or below out/journal in a store, and
// the same call goes on from there. Equal models and options give equal bytes.
func Pack(ctx context.Context, path, out string, o PackOptions) (info *PackInfo, err error) {
	o.Storage.CacheDir = NoCacheDir // everything is read once
	m := &Model{path: path, opt: settled{Options: Options{Tiers: o.Tiers, Storage: o.Storage, fs: vfs.OS{}}}}
	defer func() {
		if m.remote != nil {
			err = errors.Join(err, m.remote.close())
		}
	}()
	if path == tiny.Name {
		m.opt.fs = vfs.Mem{tiny.Name: tiny.GGUF}
	}
	if err := m.openRemote(path); err != nil {
		return nil, err
	}
	if err := m.describe(m.name()); err != nil {
		return nil, err
	}
	if m.synthetic != nil {
		return nil, &OptionError{What: path + " is a synthetic model: its bytes are made as they are read, and there is nothing to pack"}
	}
	built, err := m.build(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	job := &pack.Job{FS: m.opt.fs, Model: m.w, ShardBytes: o.ShardBytes, Key: o.Key, Progress: o.Progress}
	naming, names := packing.Of(built, m.opt.Tiers)
	job.Naming, job.Tensors = *naming, names
	if m.pack != nil {
		job.FS = m.pack.Verified() // what is damaged is not packed again
		for i := range naming.Tiers {
			if o.Tiers == nil { // they go on as they were
				old := &m.pack.Manifest.Tiers[i]
				naming.Tiers[i].Budget, naming.Tiers[i].Placement, naming.Tiers[i].Access = old.Budget, old.Placement, old.Access
			}
		}
	}
	if err := place(naming, o.Placement); err != nil {
		return nil, err
	}
	sink, done, err := sinkOf(out, o.Storage)
	if err != nil {
		return nil, err
	}
	made, err := pack.Write(ctx, sink, job)
	if err = errors.Join(err, done()); err != nil {
		return nil, err
	}
	return &PackInfo{Path: out, Digest: made.Digest, SignedBy: made.SignedBy, Bytes: made.Bytes, Shards: made.Shards}, nil
}

// place writes a placement into the tiers that it names.
func place(m *pack.Manifest, file *Placement) error {
	if file == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(file.Tiers)) {
		i := slices.IndexFunc(m.Tiers, func(t pack.Tier) bool { return t.Name == name })
		if i < 0 {
			return &PlacementError{Tier: name, What: "the model has no such tier"}
		}
		policy := file.Tiers[name]
		v, err := json.Marshal(&policy)
		if err != nil {
			return err
		}
		if _, err := placement.OfModel(name, v); err != nil {
			return err // it is what whoever opens the pack would get
		}
		m.Tiers[i].Placement = v
	}
	return nil
}

// sinkOf is where a pack is written to, with what gives it back.
func sinkOf(out string, s Storage) (pack.Sink, func() error, error) {
	if !isRemote(out) {
		d, err := pack.NewDir(out)
		return d, func() error { return nil }, err
	}
	r := &remote{storage: s}
	if err := r.locate(out); err != nil {
		return nil, nil, err
	}
	b, err := r.open(s3.Credentials{Profile: s.Profile})
	if err != nil {
		return nil, nil, errors.Join(err, r.close())
	}
	to, ok := b.(bucket.Sink)
	if !ok {
		return nil, nil, errors.Join(&OptionError{What: out + " cannot be written to"}, r.close())
	}
	return pack.NewBucket(to, r.key), r.close, nil
}

func packInfo(p *pack.Pack, path string) *PackInfo {
	info := &PackInfo{Path: path, Digest: p.Digest, SignedBy: p.SignedBy, Shards: len(p.Model.Objects) - 1}
	for _, o := range p.Model.Objects {
		info.Bytes += o.Size
	}
	return info
}

// describe reads the description of the model at path, which may be a pack, whose
// tier plan holds unless there is another one.
func (m *Model) describe(path string) error {
	if synth.Is(path) && m.remote == nil {
		return m.synthesize(path)
	}
	is, err := isPack(path, &m.opt)
	if err != nil {
		return err
	}
	if !is {
		if m.opt.verify() {
			return &OptionError{What: path + " is not a pack, and only packs can be verified; 'lite pack' makes one"}
		}
		m.w, err = gguf.Open(m.opt.fs, path)
		return err
	}
	m.pack, err = pack.Open(m.opt.fs, path, pack.Options{Key: m.opt.Key, Verify: m.opt.verify() || m.opt.remote})
	if err != nil {
		return err
	}
	m.w = m.pack.Model
	plan, err := fit(m.pack, path)
	if err != nil {
		return err
	}
	if m.opt.Tiers == nil {
		m.opt.Tiers, m.shards = plan, true
	}
	if m.opt.remote { // each object is looked at when it is first read
		return nil
	}
	return m.pack.CheckSizes()
}

// fit holds a pack's manifest against the model that its trunk describes, and
// returns the plan by which it was divided, or nil.
func fit(p *pack.Pack, path string) (*TierPlan, error) {
	m, err := model.Build(p.Model.Source(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	plan, err := packing.Plan(p, m)
	if err == nil && plan != nil {
		err = m.Divide(plan)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, packing.Match(p, m, path)
}

// isPack says whether there is a pack at path. A store that does not answer is an
// error.
func isPack(name string, o *settled) (bool, error) {
	if name == tiny.Name || !o.remote {
		return name != tiny.Name && pack.Is(o.fs, name), nil
	}
	f, err := o.fs.Open(path.Join(name, pack.ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// VerifyOptions say how a pack is verified.
type VerifyOptions struct {
	// Key must have signed the pack, when it is set.
	Key ed25519.PublicKey
	// Progress is told how many bytes of all were read; nil when nobody asks.
	Progress func(done, all int64)
	// Storage is about the object store that the pack is in.
	Storage Storage
}

// Verification is what VerifyPack found.
type Verification struct {
	PackInfo
	// Trusted says that the pack is signed by the key that was given.
	Trusted bool `json:"trusted"`
	// Damaged says what is not as the pack was made; empty for a whole pack.
	Damaged []Damage `json:"damaged"`
}

// Damage is a part of a pack that is not as the pack was made.
type Damage struct {
	File string `json:"file"`
	What string `json:"what"`
}

// VerifyPack reads every byte of the pack at path, a directory or a place in an
// object store, and holds it against the pack's hashes, these against its manifest, and the manifest against
// its signature. The error says why the manifest or the trunk's description cannot
// be used, or is of the system; what is damaged beyond is in the result.
func VerifyPack(ctx context.Context, path string, o VerifyOptions) (v *Verification, err error) {
	o.Storage.CacheDir = NoCacheDir // everything is read once
	m := &Model{path: path, opt: settled{Options: Options{Storage: o.Storage, fs: vfs.OS{}}}}
	defer func() {
		if m.remote != nil {
			err = errors.Join(err, m.remote.close())
		}
	}()
	if err := m.openRemote(path); err != nil {
		return nil, err
	}
	p, err := pack.Open(m.opt.fs, m.name(), pack.Options{Key: o.Key, Verify: true})
	if err != nil {
		return nil, err
	}
	if _, err := fit(p, path); err != nil {
		return nil, err
	}
	v = &Verification{PackInfo: *packInfo(p, path), Trusted: o.Key != nil, Damaged: []Damage{}}
	err = p.CheckAll(ctx, func(err error) {
		if e, ok := errors.AsType[*IntegrityError](err); ok {
			v.Damaged = append(v.Damaged, Damage{File: e.Object, What: e.Part})
		} else if e, ok := errors.AsType[*ManifestError](err); ok {
			v.Damaged = append(v.Damaged, Damage{File: e.Path, What: e.What})
		}
	}, o.Progress)
	return v, err
}
