package lite

import (
	"context"
	"errors"
	"sync"

	"github.com/lite-llm/lite/internal/memory"
	"github.com/lite-llm/lite/internal/model"
	"github.com/lite-llm/lite/internal/rung"
	"github.com/lite-llm/lite/internal/weights"
)

// trunk is the tensors that every token uses, pinned in memory.
type trunk struct {
	data map[string][]byte
	slab []byte // off the heap; nil when the bytes were in memory already
}

// piece is the most bytes of the trunk that one read takes.
const piece = 8 << 20

// loadTrunk gives the tensors memory and has read fill it. Where the bytes are in
// memory already there is nothing to read.
func loadTrunk(w *weights.Model, tensors []model.Tensor, r rung.Rung, align int, read func([]readJob) error) (*trunk, error) {
	t := &trunk{data: map[string][]byte{}}
	if v, ok := r.(rung.Viewer); ok {
		for _, tensor := range tensors {
			info, _ := w.Tensor(tensor.Name)
			b, err := v.View(info.Range)
			if err != nil {
				return nil, err
			}
			t.data[tensor.Name] = b
		}
		return t, nil
	}
	slab, err := memory.Alloc(int(max(1, trunkBytes(tensors, align))))
	if err != nil {
		return nil, err
	}
	t.slab = slab
	var jobs []readJob
	at := int64(0)
	for _, tensor := range tensors {
		info, _ := w.Tensor(tensor.Name)
		a := int64(align)
		lead := info.Range.Off % a
		span := (lead + info.Range.Len + a - 1) / a * a
		t.data[tensor.Name] = slab[at+lead : at+lead+info.Range.Len : at+lead+info.Range.Len]
		jobs = append(jobs, readJob{info, slab[at : at+span], info.Range.Off - lead})
		at += rung.Superset(info.Range.Len, align)
	}
	if err := read(jobs); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// readJob is a part of a tensor to read.
type readJob struct {
	tensor weights.Tensor
	p      []byte
	off    int64
}

// bytesOf is how many bytes the jobs read.
func bytesOf(jobs []readJob) (n int64) {
	for _, j := range jobs {
		n += int64(len(j.p))
	}
	return n
}

// cut takes the first n bytes of the jobs, in reads of at most unit bytes each,
// and returns what is left. Both numbers are multiples of the alignment.
func cut(jobs []readJob, n, unit int64) (first, rest []readJob) {
	for len(jobs) > 0 && n > 0 {
		j := &jobs[0]
		k := min(n, unit, int64(len(j.p)))
		first = append(first, readJob{j.tensor, j.p[:k:k], j.off})
		n -= k
		if int64(len(j.p)) == k {
			jobs = jobs[1:]
			continue
		}
		jobs[0] = readJob{j.tensor, j.p[k:], j.off + k}
	}
	return first, jobs
}

// readAll reads the jobs, depth of them at once.
func readAll(ctx context.Context, r rung.Rung, jobs []readJob, depth int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan readJob, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var wg sync.WaitGroup
	for range depth {
		wg.Go(func() {
			for j := range queue {
				if err := r.ReadAt(ctx, j.tensor.Range.Object, j.p, j.off); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// trunkBytes is the memory that a trunk takes when its reads are aligned.
func trunkBytes(tensors []model.Tensor, align int) (n int64) {
	for _, t := range tensors {
		n += rung.Superset(t.Bytes, align)
	}
	return n
}

// close gives the memory back.
func (t *trunk) close() error {
	if t.slab == nil {
		return nil
	}
	return memory.Free(t.slab)
}
