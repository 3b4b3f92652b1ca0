// Package split is a rung of several, by the names of objects: each tier of a model
// may be kept in another place. On the parameter's road it stands before the rungs
// that it chooses among.
package split

import (
	"context"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/lite-llm/lite/internal/base"
	"github.com/lite-llm/lite/internal/rung"
)

// Rung chooses by prefix. It owns none of its rungs.
type Rung struct {
	name   string
	rest   rung.Rung
	routes atomic.Pointer[[]route]
	closed atomic.Bool
}

type route struct {
	prefix string
	to     rung.Rung
}

// New returns a rung that reads from rest what Set says nothing about. No rung that
// it chooses needs alignment.
func New(name string, rest rung.Rung) *Rung {
	r := &Rung{name: name, rest: rest}
	r.routes.Store(&[]route{})
	return r
}

// Set has objects whose names begin with prefix read from a rung of their own. It
// is for one goroutine; reads may go on.
func (r *Rung) Set(prefix string, to rung.Rung) {
	routes := append([]route{{prefix, to}}, *r.routes.Load()...)
	r.routes.Store(&routes)
}

// Name implements rung.Rung.
func (r *Rung) Name() string { return r.name }

// Align implements rung.Rung.
func (*Rung) Align() int { return 1 }

// Whole implements rung.Whole: what is far is asked for once.
func (*Rung) Whole() bool { return true }

// ReadAt implements rung.Rung.
func (r *Rung) ReadAt(ctx context.Context, obj base.Object, p []byte, off int64) error {
	if r.closed.Load() {
		return &rung.ReadError{Object: obj, Off: off, Len: len(p), Err: fs.ErrClosed}
	}
	for _, route := range *r.routes.Load() {
		if strings.HasPrefix(obj.Name, route.prefix) {
			return route.to.ReadAt(ctx, obj, p, off)
		}
	}
	return r.rest.ReadAt(ctx, obj, p, off)
}

// Close implements rung.Rung.
func (r *Rung) Close() error {
	r.closed.Store(true)
	return nil
}
