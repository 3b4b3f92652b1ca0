package expert

import "slices"

// A guess is an expert that a hint named and no batch has asked for so far. It
// takes a place beside those that were used, and three bounds keep it from
// costing much when it is wrong:
//
//   - few are resident at a time, and they are the first to leave;
//   - what was used leaves for them only within a share of the budget;
//   - they are read in pieces, few at a time, so that a demand finds the disk free
//     after those that were begun, and what a new hint does not name is read no
//     further.
//
// TestGuessesInSimulatedTime counts what that gives: whole experts by half of the
// readers cost up to a fifth of the time where hints were wrong, and gained no more
// where they were right.
const (
	defaultGuesses = 8         // of Options.Guesses
	guessShare     = 8         // guesses evict what was used within 1/8 of the budget
	guessPiece     = 512 << 10 // bytes of one read; a multiple of every alignment
	guessDepth     = 2         // reads in flight, or half of the readers, which is less
)

// guess returns the next read of what is hinted at, if there is one.
func (c *Cache) guess() (job, bool) {
	for m := &c.mu; c.view == nil && m.hinted < len(m.hints); m.hinted++ {
		id := m.hints[m.hinted]
		e := m.entries[id]
		if e == nil {
			e = c.beginGuess(id)
		}
		if e == nil {
			break
		}
		if e.guess && e.err == nil && len(e.rest) > 0 {
			return e.piece(c.piece), true
		}
	}
	c.mu.hinted = len(c.mu.hints)
	return job{}, false
}

// beginGuess gives a hinted expert a place, or returns nil when it gets none.
func (c *Cache) beginGuess(id ID) *entry {
	m := &c.mu
	for len(m.guesses) >= c.guesses {
		if !c.evictGuess(true) {
			return nil
		}
	}
	pool := c.layout.pool(id)
	size := pool.slotBytes(int(c.align))
	if !c.fits(c.tier(id, pool), size) {
		return nil // a guess evicts nothing of a tier that is full
	}
	evict := (*Cache).evictForGuess
	if m.guessed+size > c.budget/guessShare {
		evict = (*Cache).evictUnhinted
	}
	slot, err := c.room(size, evict)
	if err != nil || slot == nil {
		return nil // a demand reports the error, if it is one
	}
	e := c.entry(id)
	e.guess = true
	m.guesses = append(m.guesses, e)
	m.guessed += int64(len(slot))
	c.begun.Add(1)
	c.fetch(e, slot)
	return e
}

// piece takes the next read, of that many bytes at most, off what is left of an
// expert.
func (e *entry) piece(size int64) job {
	j := e.rest[0]
	if int64(len(j.p)) > size {
		e.rest[0].p, e.rest[0].off = j.p[size:], j.off+size
		j.p = j.p[:size:size]
		e.left++
	} else {
		e.rest = e.rest[:copy(e.rest, e.rest[1:])]
	}
	j.guess = true
	return j
}

// idle says that no read of a guess is under way.
func (e *entry) idle() bool { return e.left == len(e.rest) }

// finishGuess takes in a finished read of an expert that nobody has asked for.
func (c *Cache) finishGuess(e *entry) {
	switch {
	case !e.idle():
	case e.err != nil:
		if m := &c.mu; m.hinted < len(m.hints) && m.hints[m.hinted] == e.id {
			m.hinted++ // and not again
		}
		c.dropGuess(e)
	case e.left == 0:
		c.resident.Add(int64(len(e.slot)))
	case !c.hinting(e.id):
		c.dropGuess(e)
	}
	c.poke()
}

// hinting says that the last hint names an expert.
func (c *Cache) hinting(id ID) bool { return slices.Contains(c.mu.hints, id) }

// used makes a guess an expert like any other, because a batch asks for it.
func (c *Cache) used(e *entry) {
	c.leaveGuesses(e)
	c.right.Add(1)
}

// leaveGuesses takes an entry off the list of guesses.
func (c *Cache) leaveGuesses(e *entry) {
	i := slices.Index(c.mu.guesses, e)
	c.mu.guesses = slices.Delete(c.mu.guesses, i, i+1)
	c.mu.guessed -= int64(len(e.slot))
	e.guess = false
}

// dropGuess gives up a guess of which nothing is being read.
func (c *Cache) dropGuess(e *entry) {
	if e.left == 0 && e.err == nil {
		c.resident.Add(-int64(len(e.slot)))
	}
	c.leaveGuesses(e)
	c.wrong.Add(1)
	clear(e.rest)
	e.rest, e.left = e.rest[:0], 0
	c.drop(e)
}

// evictGuess drops the oldest guess of which nothing is being read; or, of those
// that the last hint does not name.
func (c *Cache) evictGuess(unhinted bool) bool {
	for _, e := range c.mu.guesses {
		if e.idle() && (!unhinted || !c.hinting(e.id)) {
			c.dropGuess(e)
			return true
		}
	}
	return false
}

// evictUnhinted makes room for a guess in the place of another.
func (c *Cache) evictUnhinted() bool { return c.evictGuess(true) }

// evictForGuess makes room for a guess in the place of another, or else of what
// the policy favours least and the hint does not name.
func (c *Cache) evictForGuess() bool {
	return c.evictGuess(true) || c.evictUsed(c.unhinted)
}

// rehint gives up the guesses that are not read to their end and that the last
// hint does not name. A read that is under way ends first: see finishGuess.
func (c *Cache) rehint() {
	for _, e := range slices.Backward(c.mu.guesses) { // what is dropped moves only those that were looked at
		if e.left > 0 && e.idle() && !c.hinting(e.id) {
			c.dropGuess(e)
		}
	}
}
