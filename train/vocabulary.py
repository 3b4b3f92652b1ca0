"""The byte-level BPE vocabulary, with GPT-2's way of cutting text into words."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 2048
END = "<|endoftext|>"  # begins every chapter


def trained(texts, path, size=SIZE):
    """Loads the vocabulary at path, or learns it from the texts."""
    if path.exists():
        return Tokenizer.from_file(str(path))
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, special_tokens=[END], initial_alphabet=alphabet))
    t.save(str(path))
    return t


def stream(tokenizer, texts):
    """All texts as one tensor of ids, each text begun by END."""
    end, ids = tokenizer.token_to_id(END), []
    for text in texts:
        ids += [end] + tokenizer.encode(text).ids
    return torch.tensor(ids)
