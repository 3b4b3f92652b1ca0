package expert

import (
	"errors"

	"github.com/lite-llm/lite/internal/memory"
)

// slots hand out memory under a budget of bytes.
//
// Experts have different sizes, between the tiers of a model and between the
// layers of a Q4_K_M file. How should a budget be divided among the sizes? Not
// beforehand: a TierSet may leave most of them unused, and the router alone
// knows which are worth more. So each slot is memory of its own, of exactly the
// size that its expert needs, and only the sum is bounded. There are no
// classes to balance, nothing is lost between them, and nothing can wait for a
// slot of one size while those of another are idle. What it costs is a change
// of size when an expert takes over another's place, which memory.Resize makes
// cheap.
type slots struct {
	budget  int64
	resized bool    // experts differ in size and do not fit together
	used    int64   // bytes of all slots, spare ones included; never above budget
	count   int     // of all slots
	spare   []class // a handful
}

// class is the spare slots of one size.
type class struct {
	size int64
	free [][]byte
}

// take returns a slot, or nil when only an eviction could make room. The error
// is a *memory.AllocError.
func (s *slots) take(size int64) ([]byte, error) {
	if c := s.class(size); len(c.free) > 0 {
		return c.pop(), nil
	}
	if s.used+size <= s.budget {
		return s.grow(size)
	}
	for i := range s.spare {
		for c := &s.spare[i]; len(c.free) > 0; {
			old := c.pop()
			if s.used-c.size+size <= s.budget {
				return s.resize(old, size)
			}
			if err := s.drop(old); err != nil {
				return nil, err
			}
		}
	}
	if s.used+size <= s.budget { // what was dropped made room
		return s.grow(size)
	}
	return nil, nil
}

// put takes back a slot.
func (s *slots) put(slot []byte) {
	c := s.class(int64(len(slot)))
	c.free = append(c.free, slot)
}

// grow returns a new slot.
func (s *slots) grow(size int64) ([]byte, error) {
	alloc := memory.Alloc
	if s.resized {
		alloc = memory.AllocSmall
	}
	slot, err := alloc(int(size))
	if err == nil {
		s.used += size
		s.count++
	}
	return slot, err
}

// resize makes a spare slot another size.
func (s *slots) resize(old []byte, size int64) ([]byte, error) {
	n := int64(len(old))
	slot, err := memory.Resize(old, int(size))
	if err != nil {
		s.put(old)
		return nil, err
	}
	s.used += size - n
	return slot, nil
}

// drop gives a slot back to the system.
func (s *slots) drop(slot []byte) error {
	s.used -= int64(len(slot))
	s.count--
	return memory.Free(slot)
}

// dropSpare gives back all slots without an expert.
func (s *slots) dropSpare() error {
	var errs []error
	for i := range s.spare {
		for c := &s.spare[i]; len(c.free) > 0; {
			errs = append(errs, s.drop(c.pop()))
		}
	}
	return errors.Join(errs...)
}

// class is the spare slots of that size.
func (s *slots) class(size int64) *class {
	for i := range s.spare {
		if s.spare[i].size == size {
			return &s.spare[i]
		}
	}
	s.spare = append(s.spare, class{size: size})
	return &s.spare[len(s.spare)-1]
}

func (c *class) pop() []byte {
	last := len(c.free) - 1
	slot := c.free[last]
	c.free = c.free[:last]
	return slot
}
