package lite

import (
	"math"
	"runtime/debug"

	"github.com/lite-llm/lite/internal/engine"
	"github.com/lite-llm/lite/internal/kv"
	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/tiny"
	"github.com/lite-llm/lite/internal/vfs"
)

// How is a cap on a process kept that has a garbage collector? Everything large
// is outside the heap and has its size before it is taken: trunk, pages of keys
// and values, slots of experts. What the heap holds is counted (buffers of a
// step, the vocabulary), its collector gets the rest as its limit, and the
// buffers make no garbage as they grow (package engine).

const (
	// program is the pages of the executable that come into memory, 17 MiB where
	// it was seen, the kernel's stacks of its threads, and the like.
	program = 20 << 20
	// slack is the part of the Go heap that is garbage or small: the collector
	// is late by some of it.
	slack = 16 << 20
	// readAhead is what the page cache holds beyond the description of a file.
	readAhead = 1 << 20
)

// allowed is the memory that the process may take, what says so, and what of it
// it does not have yet.
func (m *Model) allowed() (limit int64, source string, available memory.Limit, err error) {
	available, err = memory.Available()
	if err != nil { // nothing but the caller's word
		if m.opt.Memory == 0 {
			return 0, "", available, &OptionError{What: err.Error()}
		}
		return m.opt.Memory, sourceOption, available, nil
	}
	have := available.Bytes + memory.Anonymous()
	switch {
	case m.opt.Memory == 0:
		// What is available must also hold what others start next.
		return have - available.Bytes/10, available.Source, available, nil
	case m.opt.Memory > have:
		return have, available.Source, available, nil
	}
	return m.opt.Memory, sourceOption, available, nil
}

// capHeap keeps the garbage of opening a model within the cap, before a plan is
// there that says what else will be.
func (m *Model) capHeap() error {
	limit, _, _, err := m.allowed()
	if err != nil {
		return err
	}
	m.uncap = memory.LimitHeap(max(limit-memory.InUse()-program, memory.Heap()+slack))
	return nil
}

// divide makes the plan, and gives the collector what is left as its limit.
func (m *Model) divide(needs *model.Model) error {
	limit, source, available, err := m.allowed()
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	heap := memory.Heap()
	d, err := m.demand(needs)
	if err != nil {
		return err
	}
	d.process += heap + memory.InUse() + program + slack
	m.plan, err = plan(d, limit, source, shape{m.opt.Context, m.opt.Chunk}, needs.Context, m.opt.Threads)
	if err != nil {
		return err
	}
	m.tight = m.fileBytes()+m.plan.Needs() > available.Bytes
	m.plan.Direct = m.opt.Direct == DirectAlways || m.opt.Direct == DirectAuto && m.tight
	spare := min(m.plan.Limit-m.plan.Needs(), math.MaxInt64/2)
	before := m.uncap
	m.uncap = memory.LimitHeap(heap + slack + widened(needs) + m.plan.Scratch + m.plan.Records + spare)
	before()
	return nil
}

// demand is what a model needs beyond what the process has already.
func (m *Model) demand(needs *model.Model) (demand, error) {
	layout, align := needs.Layout(m.w.Stack), vfs.DirectAlign
	d := demand{
		page: kv.NewLayout(m.opt.elem, needs.KVShapes()).PageMemory(memory.PageSize()),
		scratch: func(rows int) int64 {
			return needs.Scratch(rows, m.opt.Threads) + engine.AheadScratch(needs, m.opt.prefetch)
		},
		trunk: widened(needs),
	}
	if m.path == tiny.Name { // its bytes are part of the program
		d.process = int64(len(tiny.GGUF))
		return d, nil
	}
	if m.synthetic == nil { // whose description is on the heap
		d.process = m.headerBytes()
	}
	if m.remote != nil {
		d.process += remoteMemory
		d.margin = remoteMargin
	}
	if m.pack != nil && (m.opt.verify() || m.opt.remote) {
		d.process += m.pack.HashMemory()
	}
	d.trunk += trunkBytes(needs.Trunk, align)
	d.all, d.largest = layout.Slots(align)
	d.smallest, d.count = layout.Smallest(align), layout.Count()
	for _, set := range needs.Planned() {
		tiers, kTier := set.Tiers, set.KTier
		if m.opt.Tiers != nil { // whose experts stand where they stood, in one pool
			tiers, kTier = []int{0}, 1
		}
		d.token = max(d.token, layout.Token(align, tiers, kTier, set.KGroup, set.KExpert))
	}
	return d, m.room(&d, needs, layout, align)
}

// widened is the part of the trunk that is decoded to F32, in the Go heap.
func widened(needs *model.Model) (n int64) {
	for _, t := range needs.Trunk {
		n += t.Widened
	}
	return n
}

// headerBytes is the part of the model's files that describes it. The page
// cache holds it, which a cgroup counts.
func (m *Model) headerBytes() (n int64) {
	first := map[string]int64{}
	for t := range m.w.All() {
		name := t.Range.Object.Name
		if at, ok := first[name]; !ok || t.Range.Off < at {
			first[name] = t.Range.Off
		}
	}
	for _, at := range first {
		n += at + readAhead
	}
	return n
}
