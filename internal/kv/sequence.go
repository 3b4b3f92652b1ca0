package kv

import "github.com/lite-llm/lite/internal/kernel/attn"

// Sequence is the keys and values of one sequence of tokens. It is used by
// one goroutine at a time, except that different layers' and heads' positions
// may be written at once after Reserve.
type Sequence struct {
	pool  *Pool
	pages [][]byte
	// blocks[layer][head] lists the blocks in order, so that the attention
	// kernel gets them without building anything per step.
	blocks [][][]attn.Block
	n      int
}

// NewSequence returns an empty sequence on pages of the pool.
func (p *Pool) NewSequence() *Sequence {
	s := &Sequence{pool: p, blocks: make([][][]attn.Block, len(p.layout.shapes))}
	for i, shape := range p.layout.shapes {
		s.blocks[i] = make([][]attn.Block, shape.Heads)
	}
	return s
}

// Len is the number of positions whose keys and values stand in every layer.
func (s *Sequence) Len() int { return s.n }

// Reserve makes room for n positions in all. It returns a *FullError when the
// pool is exhausted; what was reserved before stays.
func (s *Sequence) Reserve(n int) error {
	for len(s.pages) < Pages(n) {
		page, err := s.pool.get(n)
		if err != nil {
			return err
		}
		s.pages = append(s.pages, page)
		for layer, heads := range s.blocks {
			for head := range heads {
				heads[head] = append(heads[head], s.pool.layout.block(page, layer, head))
			}
		}
	}
	return nil
}

// Append stores the keys (heads × dk) and values (heads × dv) of one position
// of a layer, each rounded once to the element type. The position must have
// been reserved.
func (s *Sequence) Append(layer, pos int, k, v []float32) {
	shape, elem := s.pool.layout.shapes[layer], s.pool.layout.elem
	at := pos % attn.BlockLen
	for h := range shape.Heads {
		b := s.blocks[layer][h][pos/attn.BlockLen]
		attn.PutKey(b.K, elem, at, k[h*shape.DK:(h+1)*shape.DK])
		attn.PutValue(b.V, elem, at, v[h*shape.DV:(h+1)*shape.DV])
	}
}

// Advance says that the positions below n now stand in every layer.
func (s *Sequence) Advance(n int) { s.n = n }

// View is what the attention kernel reads of one layer and head.
func (s *Sequence) View(layer, head int) attn.KeyValues {
	shape := s.pool.layout.shapes[layer]
	return attn.KeyValues{Elem: s.pool.layout.elem, DK: shape.DK, DV: shape.DV, Blocks: s.blocks[layer][head]}
}

// Truncate forgets the positions from n on and gives back their pages.
func (s *Sequence) Truncate(n int) {
	keep := Pages(n)
	if keep < len(s.pages) {
		s.pool.put(s.pages[keep:])
		s.pages = s.pages[:keep]
		for _, heads := range s.blocks {
			for h := range heads {
				heads[h] = heads[h][:keep]
			}
		}
	}
	s.n = min(s.n, n)
}

// Close gives back all pages. The sequence is empty afterwards.
func (s *Sequence) Close() { s.Truncate(0) }
