package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lite-llm/lite"
)

// set shows or changes a setting of a conversation.
func (c *conversation) set(words []string) error {
	if len(words) == 0 {
		c.settings()
		return nil
	}
	name, value := words[0], strings.Join(words[1:], " ")
	switch name {
	case "system":
		if !c.m.HasChat() || c.f.raw {
			return lite.ErrNoTemplate
		}
		c.f.system, c.messages = value, nil
		fmt.Fprintln(c.out, "The conversation begins anew.")
		return nil
	case "tier-set":
		if _, err := c.m.TierSet(value); err != nil {
			return err
		}
		c.f.tierSet = value
		return nil
	case "max-tokens":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("max-tokens needs a whole number, not %q", value)
		}
		c.f.maxTokens = int(n)
		return nil
	}
	s := c.sampling
	if err := setSampling(&s, name, value); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	c.sampling = s
	return nil
}

// setSampling changes the field of that name.
func setSampling(s *lite.Sampling, name, value string) error {
	floats := map[string]*float32{"temp": &s.Temperature, "top-p": &s.TopP, "min-p": &s.MinP, "repeat-penalty": &s.RepeatPenalty}
	if p := floats[name]; p != nil {
		x, err := strconv.ParseFloat(value, 32)
		if err != nil {
			return fmt.Errorf("%s needs a number, not %q", name, value)
		}
		*p = float32(x)
		return nil
	}
	if name != "top-k" && name != "seed" {
		return fmt.Errorf("there is no setting %q; /help lists them", name)
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || name == "top-k" && n > 1<<31 {
		return fmt.Errorf("%s needs a whole number, not %q", name, value)
	}
	if name == "seed" {
		s.Seed = n
	} else {
		s.TopK = int(n) //nolint:gosec // checked above
	}
	return nil
}

func (c *conversation) settings() {
	s, set, most := &c.sampling, c.f.tierSet, "none"
	if set == "" {
		set = c.m.Info().DefaultSet
	}
	if c.f.maxTokens > 0 {
		most = strconv.Itoa(c.f.maxTokens)
	}
	fmt.Fprintf(c.out, "temp %v, top-k %d, top-p %v, min-p %v, repeat-penalty %v, seed %d, max-tokens %s, tier-set %s (of %s), system %q\n",
		s.Temperature, s.TopK, s.TopP, s.MinP, s.RepeatPenalty, s.Seed, most, set, strings.Join(c.m.TierSets(), ", "), c.f.system)
}
