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

// readers is how many parts of the trunk are read at once.
const readers = 4

// piece is the most bytes of the trunk that one read takes.
const piece = 8 << 20

// loadTrunk reads the tensors from the rung.
func loadTrunk(ctx context.Context, w *weights.Model, tensors []model.Tensor, r rung.Rung) (*trunk, error) {
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
	slab, err := memory.Alloc(int(max(1, trunkBytes(tensors, r.Align()))))
	if err != nil {
		return nil, err
	}
	t.slab = slab
	var jobs []readJob
	at := int64(0)
	for _, tensor := range tensors {
		info, _ := w.Tensor(tensor.Name)
		a := int64(r.Align())
		lead := info.Range.Off % a
		span := (lead + info.Range.Len + a - 1) / a * a
		t.data[tensor.Name] = slab[at+lead : at+lead+info.Range.Len : at+lead+info.Range.Len]
		for k := int64(0); k < span; k += piece {
			jobs = append(jobs, readJob{info, slab[at+k : at+min(k+piece, span)], info.Range.Off - lead + k})
		}
		at += rung.Superset(info.Range.Len, r.Align())
	}
	if err := readAll(ctx, r, jobs); err != nil {
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

func readAll(ctx context.Context, r rung.Rung, jobs []readJob) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan readJob, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var wg sync.WaitGroup
	for range readers {
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
