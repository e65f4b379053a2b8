"""Small random models whose tokenizers are those of published families, in their own classes."""

import itertools
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    EsmForMaskedLM,
    EsmTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from seqlm.models.language.families.esm import esm_config
from seqlm.tokenization.kmer import kmer_tokenizer, kmer_vocabulary

TEXT = ["ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4, "TTGACAATGCATGCCGTAGATTACA" * 4]
KINDS = ("character", "nucleotide-transformer", "overlapping", "dnabert2", "causal")
BERT_NAMES = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
BERT_WORDS = list(BERT_NAMES.values())


def nucleotide_transformer(folder, k=6, eos=None):
    """A Python tokenizer with nothing but vocab.txt; no offsets."""
    path = Path(folder) / "vocab.txt"
    path.write_text("\n".join(kmer_vocabulary(k)))
    return EsmTokenizer(str(path), eos_token=eos)


def dnabert1(folder, k=3):
    """Words of k letters that the text holds already, overlapping, between [CLS] and [SEP]."""
    path = Path(folder) / "vocab.txt"
    path.write_text("\n".join([*BERT_WORDS, *map("".join, itertools.product("ACGT", repeat=k))]))
    return BertTokenizer(str(path), do_lower_case=False)


def _between(core, left, right):
    ids = [(token, core.token_to_id(token)) for token in (left, right)]
    core.post_processor = processors.TemplateProcessing(single=f"{left} $A {right}", special_tokens=ids)
    return core


def characters():
    """A letter a token, between [CLS] and [SEP]; an N is unknown."""
    words = {word: i for i, word in enumerate([*BERT_WORDS, *"ACGT"])}
    core = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=_between(core, "[CLS]", "[SEP]"), **BERT_NAMES)


def dnabert2(size=48):
    """Byte pairs between [CLS] and [SEP]; a run of N is one unknown token or several."""
    core = Tokenizer(models.BPE(unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=size, special_tokens=BERT_WORDS, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=_between(core, "[CLS]", "[SEP]"), **BERT_NAMES)


def causal(size=40, padding_side="left"):
    """Byte pairs between <s> and </s>, padded on the left, as decoders are."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(names.values()), show_progress=False)
    core.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=_between(core, "<s>", "</s>"), padding_side=padding_side, **names)


def published(kind, folder):
    """A language model in evaluation mode, its tokenizer as ``.tokenizer``."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}

    def bert(tokenizer):
        config = BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size)
        return BertForMaskedLM(config), tokenizer

    def esm(tokenizer):
        return EsmForMaskedLM(esm_config(tokenizer, 2, 4, 32)), tokenizer

    def llama(tokenizer):
        return LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **size)
        ), tokenizer

    model, tokenizer = {
        "character": lambda: bert(characters()),
        "nucleotide-transformer": lambda: esm(nucleotide_transformer(folder)),
        "overlapping": lambda: bert(kmer_tokenizer(3, overlapping=True)),
        "dnabert2": lambda: bert(dnabert2()),
        "causal": lambda: llama(causal()),
    }[kind]()
    model.tokenizer = tokenizer
    return model.eval()
