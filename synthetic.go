package lite

import "github.com/lite-llm/lite/internal/rung/synth"

// synthesize describes the synthetic model of that name.
func (m *Model) synthesize(name string) error {
	spec, err := synth.Parse(name)
	if err != nil {
		return err
	}
	if m.synthetic, err = synth.New(spec); err != nil {
		return err
	}
	m.w = m.synthetic.W
	m.opt.Direct = DirectNever // there is no file, and no page cache to read past
	return nil
}
