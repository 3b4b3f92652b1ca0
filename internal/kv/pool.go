package kv

import (
	"errors"
	"sync"

	"github.com/lite-llm/lite/internal/kernel/attn"
)

// Alloc returns n bytes of page-aligned memory outside the Go heap. The bytes
// belong to the pool until it is closed.
type Alloc func(n int) ([]byte, error)

// Pool lends pages to sequences. It never holds more than its maximum, and
// takes memory only when a page is first needed.
type Pool struct {
	layout *Layout
	max    int
	alloc  Alloc

	mu struct {
		sync.Mutex
		free [][]byte
		made int
	}
}

// NewPool returns a pool of at most maxPages pages.
func NewPool(layout *Layout, maxPages int, alloc Alloc) *Pool {
	return &Pool{layout: layout, max: maxPages, alloc: alloc}
}

// Positions is the number of positions that the pool can hold at most.
func (p *Pool) Positions() int { return p.max * attn.BlockLen }

// get lends a page, or returns a FullError when all are lent.
func (p *Pool) get(need int) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.mu.free); n > 0 {
		page := p.mu.free[n-1]
		p.mu.free = p.mu.free[:n-1]
		return page, nil
	}
	if p.mu.made == p.max {
		return nil, &FullError{Need: need, Have: p.Positions()}
	}
	page, err := p.alloc(p.layout.page)
	if err != nil {
		return nil, err
	}
	p.mu.made++
	return page, nil
}

// put takes back pages that no sequence reads any more.
func (p *Pool) put(pages [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.free = append(p.mu.free, pages...)
}

// Close gives back all memory. No sequence is in use.
func (p *Pool) Close(free func([]byte) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, page := range p.mu.free {
		errs = append(errs, free(page))
	}
	p.mu.free, p.mu.made = nil, 0
	return errors.Join(errs...)
}
