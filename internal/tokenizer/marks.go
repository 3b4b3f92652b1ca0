package tokenizer

// marks are the tokens with a part in the life of a text, none where the
// vocabulary has no such token.
type marks struct {
	bos, eos, eot int32
	unknown       int32
	ends          map[int32]bool // what ends an answer
}

// turnEnds are the texts of tokens that end a turn, likeliest first. Files
// seldom name the token, so that it is known by its text.
var turnEnds = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>",
	"[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
}

// otherEnds are the texts of further tokens after which nothing follows that a
// reader should see: ends of texts, of messages and of tool calls.
var otherEnds = []string{
	"</s>", "<eos>", "[EOS]", "<|eom_id|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<turn|>",
	"<|tool_response>", "[e~[",
}

// fillIns are the texts of tokens that frame code to be filled in, where an
// answer of that kind ends: the first one of each list that a vocabulary has.
var fillIns = [][]string{
	{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"},
	{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"},
	{"<|file_sep|>"},
}

// marks finds these tokens by keys and texts, as llama.cpp does, and turns
// those that end an answer into control tokens whatever the file says, so that
// they are neither shown nor made from text.
func (k *keys) marks(tokens []string, kinds []Kind, model string) marks {
	find := finder(tokens)
	n, def := len(tokens), defaults(model)
	m := marks{
		bos:     k.id("tokenizer.ggml.bos_token_id", def.bos, n),
		eos:     k.id("tokenizer.ggml.eos_token_id", def.eos, n),
		eot:     k.id("tokenizer.ggml.eot_token_id", find.first(turnEnds), n),
		unknown: k.id("tokenizer.ggml.unknown_token_id", def.unknown, n),
		ends:    map[int32]bool{},
	}
	for _, texts := range [][]string{turnEnds, otherEnds} {
		for _, text := range texts {
			if id, ok := find[text]; ok {
				m.ends[id] = true
			}
		}
	}
	for id := range m.ends {
		kinds[id] = Control
	}
	for _, id := range []int32{
		m.eos, m.eot, k.id("tokenizer.ggml.eom_token_id", none, n),
		k.id("tokenizer.ggml.fim_pad_token_id", find.first(fillIns[0]), n),
		k.id("tokenizer.ggml.fim_rep_token_id", find.first(fillIns[1]), n),
		k.id("tokenizer.ggml.fim_sep_token_id", find.first(fillIns[2]), n),
	} {
		if id != none {
			m.ends[id] = true
		}
	}
	m.withdraw(find, kinds)
	return m
}

// defaults are the tokens of a file that does not name them. SentencePiece
// numbers them so; byte-level BPE has no such custom.
func defaults(model string) marks {
	if model == "llama" {
		return marks{bos: 1, eos: 2, unknown: 0}
	}
	return marks{bos: none, eos: none, unknown: none}
}

// withdraw takes back two texts that end answers in one family and do not in
// another, which is known by its other tokens.
func (m *marks) withdraw(find texts, kinds []Kind) {
	has := func(text string) bool {
		_, ok := find[text]
		return ok
	}
	calls := has("<|call|>") || has("<|calls|>")
	if has("<|end|>") && calls && (has("<|return|>") || has("<|flush|>")) {
		delete(m.ends, find["<|end|>"]) // it parts the channels of one answer there
		kinds[find["<|end|>"]] = UserDefined
	}
	if has("</s>") && has("<|tool_response>") {
		delete(m.ends, find["</s>"]) // a tag of HTML there
		kinds[find["</s>"]] = Normal
	}
}

// texts are the ids of those texts among the above that a vocabulary has.
type texts map[string]int32

func finder(tokens []string) texts {
	wanted := map[string]bool{}
	for _, list := range append([][]string{turnEnds, otherEnds}, fillIns...) {
		for _, text := range list {
			wanted[text] = true
		}
	}
	found := texts{}
	for i, text := range tokens {
		if wanted[text] {
			if _, twice := found[text]; !twice {
				found[text] = int32(i)
			}
		}
	}
	return found
}

// first returns the first of these texts that the vocabulary has.
func (f texts) first(list []string) int32 {
	for _, text := range list {
		if id, ok := f[text]; ok {
			return id
		}
	}
	return none
}
