package block

import "github.com/lite-llm/lite/internal/kernel/vec"

// angles are the rotations of a step's rows, computed once for all layers.
type angles struct {
	ready    bool
	half     int
	cos, sin []float32
}

// at returns the rotation of a row.
func (a *angles) at(r int) (cos, sin []float32) {
	return a.cos[r*a.half : (r+1)*a.half], a.sin[r*a.half : (r+1)*a.half]
}

// anglesOf returns the rotations of the step's rows under rope.
func (st *Step) anglesOf(rope *vec.Rope) *angles {
	a := st.angles[rope]
	if a == nil {
		if st.angles == nil {
			st.angles = map[*vec.Rope]*angles{}
		}
		a = &angles{half: rope.Dims() / 2}
		st.angles[rope] = a
	}
	if a.ready {
		return a
	}
	a.cos, a.sin = grow(a.cos, len(st.Rows)*a.half), grow(a.sin, len(st.Rows)*a.half)
	for r, row := range st.Rows {
		cos, sin := a.at(r)
		rope.At(row.Pos, cos, sin)
	}
	a.ready = true
	return a
}
