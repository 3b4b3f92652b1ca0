package lite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/bucket"
	"github.com/lite-llm/lite/internal/bucket/s3"
	"github.com/lite-llm/lite/internal/bucket/steady"
	"github.com/lite-llm/lite/internal/expert"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/placement"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/rung/cache"
	"github.com/lite-llm/lite/internal/rung/object"
	"github.com/lite-llm/lite/internal/rung/split"
	"github.com/lite-llm/lite/internal/rung/verified"
)

// Storage says where models in object stores are, and what is kept of them on this
// machine. Only paths such as "s3://bucket/model.pack" and "dir:/mnt/share/model.gguf"
// look at it.
type Storage struct {
	// CacheDir is the directory that keeps what was read; empty is "lite" in the
	// user's cache directory, and NoCacheDir keeps nothing.
	CacheDir string
	// CacheBytes is the most that it takes; 0 is half of what its disk has free
	// and it has taken already.
	CacheBytes int64
	// Endpoint and Region are those of the S3 store, Profile is a section of the
	// shared credentials files; empty takes the AWS_… variables of the
	// environment.
	Endpoint, Region, Profile string
}

// NoCacheDir is a Storage.CacheDir that keeps nothing.
const NoCacheDir = "off"

// The errors of object stores.
type (
	// BucketError says what could not be done with an object of a store. Its cause
	// can be asked for with errors.Is: fs.ErrNotExist, fs.ErrPermission, ErrChanged.
	BucketError = bucket.Error
	// EndpointError says what is wrong with the address of a store.
	EndpointError = s3.EndpointError
	// CredentialsError says where credentials were looked for in vain.
	CredentialsError = s3.CredentialsError
	// PlacementError says what is wrong with a placement, or cannot be done.
	PlacementError = placement.Error
)

// remote is a model in a bucket, and what stands between it and memory:
//
//	bucket ─ steady ─ object ─┬─ described (cache) ─ files         the description
//	                          └─ checked ─ kept (cache) ─ weights  trunk, experts
//
// What is read of a description is checked by who reads it. Weights of a pack are
// checked before they are kept, so that the cache directory holds nothing that a
// store made up.
type remote struct {
	storage Storage
	key     string // of the model in its bucket
	name    string // of the bucket
	object  *object.Rung
	files   object.Files
	// described and kept are nil without a cache directory.
	described, kept *cache.Rung
	tiers           map[string]*cache.Rung // of tiers with a budget of their own
	weights         *split.Rung
	open            func(c s3.Credentials) (bucket.Bucket, error)
	closers         []io.Closer
	clock           steady.Clock
}

// The schemes of remote paths.
const (
	schemeS3  = "s3://"
	schemeDir = "dir:"
)

// isRemote says that a path is of a bucket.
func isRemote(path string) bool {
	return strings.HasPrefix(path, schemeS3) || strings.HasPrefix(path, schemeDir)
}

// remoteMemory is what connections, and cells of which a part is read, take.
const remoteMemory = 20 << 20

// remoteMargin is how much of the heap differs from run to run with the connections
// that happen to be open when it is measured.
const remoteMargin = 12 << 20

// openRemote opens the bucket of a path, if it is of one.
func (m *Model) openRemote(path string) error {
	if !isRemote(path) {
		return nil
	}
	if m.opt.Direct == DirectAlways {
		return &OptionError{What: "what is in an object store cannot be read past the page cache: leave the way of reading to auto"}
	}
	m.opt.Direct = DirectNever
	r, err := newRemote(path, m.opt.Storage)
	m.remote = r
	if err != nil {
		return err
	}
	m.opt.fs, m.opt.remote = r.files, true
	return nil
}

// newRemote opens a bucket and the cache before it. What it returns is to be closed
// also with an error.
func newRemote(path string, s Storage) (*remote, error) {
	r := &remote{storage: s, tiers: map[string]*cache.Rung{}, clock: steady.NewSystem()}
	if err := r.locate(path); err != nil {
		return r, err
	}
	b, err := r.open(s3.Credentials{Profile: s.Profile})
	if err != nil {
		return r, err
	}
	r.name = b.Name()
	r.object = object.New(r.steady(b))
	r.files = object.Files{Stat: r.object.Stat, Rung: r.object}
	r.weights = split.New(r.object.Name(), r.object)
	if s.CacheDir == NoCacheDir {
		return r, nil
	}
	if r.storage.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return r, &OptionError{What: fmt.Sprintf("there is no cache directory of the user (%v): name one, or %q", err, NoCacheDir)}
		}
		r.storage.CacheDir = filepath.Join(dir, "lite")
	}
	const small = 64 << 10 // a description is read here and there
	if r.described, err = r.cache("", "description\x00", small, s.CacheBytes); err != nil {
		return r, err
	}
	r.files.Rung = r.described
	if r.kept, err = r.cache("", "", 0, s.CacheBytes); err != nil {
		return r, err
	}
	r.weights = split.New(r.object.Name(), r.kept)
	return r, nil
}

// locate finds the bucket and the key of a path.
func (r *remote) locate(path string) error {
	if rest, ok := strings.CutPrefix(path, schemeS3); ok {
		name, key, _ := strings.Cut(rest, "/")
		r.key = strings.Trim(key, "/")
		r.open = func(c s3.Credentials) (bucket.Bucket, error) {
			b, err := s3.Open(name, s3.Config{Endpoint: r.storage.Endpoint, Region: r.storage.Region, Credentials: c})
			if err != nil {
				return nil, err
			}
			r.closers = append(r.closers, b)
			return b, nil
		}
		return nil
	}
	full, err := filepath.Abs(strings.TrimPrefix(path, schemeDir))
	if err != nil {
		return err
	}
	dir := filepath.Dir(full)
	r.key = filepath.Base(full)
	r.open = func(s3.Credentials) (bucket.Bucket, error) {
		b, err := bucket.OpenDir(dir)
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, b)
		return b, nil
	}
	return nil
}

// steady makes a bucket patient.
func (r *remote) steady(b bucket.Bucket) *steady.Bucket {
	return steady.New(b, steady.Options{Clock: r.clock, Rand: rand.Float64}) //nolint:forbidigo // when to try again, never what is read
}

// cache opens a cache directory, or one inside of it.
func (r *remote) cache(sub, mark string, cell, bytes int64) (*cache.Rung, error) {
	return cache.Open(cache.Options{
		Dir: filepath.Join(r.storage.CacheDir, sub), Budget: base.ByteSize(bytes), Below: r.object, Cell: cell,
		Clock: time.Now, //nolint:forbidigo // orders what is evicted, never what is read
		Identity: func(ctx context.Context, name string) (string, error) {
			id, err := r.object.Identity(ctx, name)
			return mark + id, err
		},
	})
}

// place has the weights checked before they are kept, and each tier kept where its
// placement says. Every expert is a cell of a cache.
func (r *remote) place(tiers []tierPlace, check verified.Checker, layout expert.Layout) error {
	var below rung.Rung = r.object
	if check != nil {
		below = verified.New(r.object, check)
	}
	if r.kept == nil {
		r.weights = split.New(r.object.Name(), below)
	} else {
		r.kept.SetBelow(below)
		r.kept.SetRuns(runsOf(layout))
	}
	for i := range tiers {
		if err := r.placeTier(&tiers[i], below, layout); err != nil {
			return err
		}
	}
	return nil
}

// setPast has no cache of this machine's memory hold what the directory holds.
func (r *remote) setPast() {
	for _, c := range r.caches() {
		c.SetPast(true)
	}
}

// doubt removes what is kept of an object that an error is about: a store that told
// something else once is asked again the next time.
func (r *remote) doubt(err error) error {
	var name string
	if e, ok := errors.AsType[*IntegrityError](err); ok {
		name = e.Object
	} else if e, ok := errors.AsType[*ManifestError](err); ok {
		name = e.Path
	} else if e, ok := errors.AsType[*SignatureError](err); ok {
		name = e.Path
	} else if e, ok := errors.AsType[*FormatError](err); ok {
		name = e.Path
	}
	if name == "" || r.described == nil {
		return err
	}
	ctx := context.Background()
	obj, serr := r.object.Stat(ctx, name)
	if serr != nil {
		return err // it says more
	}
	return errors.Join(err, r.described.Forget(ctx, obj))
}

// placeTier follows the placement of one tier.
func (r *remote) placeTier(t *tierPlace, below rung.Rung, layout expert.Layout) error {
	prefix, p := t.prefix, &t.policy
	if p.Credentials == nil && p.May(placement.NVMe) && p.Budgets[placement.NVMe] == 0 {
		return nil
	}
	if prefix == "" {
		return &PlacementError{Tier: t.name, What: "its experts stand in one file with those of other tiers; only a pack has rungs for each tier"}
	}
	if c := p.Credentials; c != nil {
		b, err := r.open(s3.Credentials{Env: c.Env, Profile: c.Profile, File: c.File})
		if err != nil {
			return &PlacementError{Tier: t.name, What: err.Error()}
		}
		r.object.Route(prefix, r.steady(b))
	}
	switch budget := int64(p.Budgets[placement.NVMe]); {
	case r.kept == nil || !p.May(placement.NVMe):
		r.weights.Set(prefix, below)
	case budget > 0:
		left := r.kept.Budget() - budget
		if left <= 0 {
			return &PlacementError{Tier: t.name, What: fmt.Sprintf(
				"its budget of %v in the cache directory is all that is left there, %v, or more: raise --cache-size",
				base.ByteSize(budget), base.ByteSize(r.kept.Budget()))}
		}
		id := sha256.Sum256([]byte(r.name + "\x00" + r.key + "\x00" + t.name))
		c, err := r.cache(fmt.Sprintf("tier-%x", id[:8]), "", 0, budget)
		if err != nil {
			return err
		}
		r.tiers[t.name] = c
		c.SetBelow(below)
		c.SetRuns(runsOf(layout))
		r.weights.Set(prefix, c)
		return errors.Join(r.kept.SetBudget(left), r.described.SetBudget(left))
	}
	return nil
}

// openObjects opens the rung of a remote model.
func (m *Model) openObjects(needs *model.Model) (rung.Rung, error) {
	var check verified.Checker
	if m.pack != nil {
		check = m.pack
	}
	if err := m.remote.place(m.places, check, needs.Layout(m.w.Stack)); err != nil {
		return nil, err
	}
	if m.tight {
		m.remote.setPast()
	}
	if m.opt.verify() { // also what the cache directory says
		return verified.New(m.remote.weights, m.pack), nil
	}
	return m.remote.weights, nil
}

// runsOf are the pieces of objects that are read whole.
func runsOf(l expert.Layout) (runs []cache.Run) {
	l.Pools(func(p *expert.Pool) {
		if p.Stride == 0 {
			for i, at := range p.Parts {
				runs = append(runs, cache.Run{Object: at.Object.Name, Off: at.Off, Unit: p.Sizes[i], Count: p.Count})
			}
			return
		}
		last := len(p.Parts) - 1
		runs = append(runs, cache.Run{
			Object: p.Parts[0].Object.Name, Off: p.Parts[0].Off, Unit: p.Stride, Count: p.Count,
			Len: p.Parts[last].Off + p.Sizes[last] - p.Parts[0].Off,
		})
	})
	return runs
}

// close gives back what was opened.
func (r *remote) close() error {
	var errs []error
	for _, c := range r.tiers {
		errs = append(errs, c.Close())
	}
	for _, c := range []*cache.Rung{r.kept, r.described} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	for _, c := range r.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
