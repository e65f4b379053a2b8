"""Small language models with random weights and tokenizers, saved as anyone would save them."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    EsmForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from seqlm.models.language.families.esm import GatedEsmForMaskedLM, esm_config
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.tokenization.bpe import bpe_tokenizer
from seqlm.tokenization.character import learn as character_tokenizer
from seqlm.tokenization.kmer import kmer_tokenizer

KINDS = ("esm", "gated-esm", "bert", "gpt2", "llama", "seqlm-gpt")
_TEXT = ["ACGTTGCAGATTACAGATTACACCGGTTAACG" * 4, "TTGACAATGCATGCCGTAGATTACA" * 4]


def byte_level_tokenizer():
    """GPT-2's kind of tokenizer: byte-level pairs, no padding token, no special tokens around a sequence."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    core.train_from_iterator(_TEXT, trainers.BpeTrainer(vocab_size=300, show_progress=False,
                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=core)


def small_model(kind):
    """A model in evaluation mode, its tokenizer as ``.tokenizer``; for the ESMs on 3-mers."""
    torch.manual_seed(0)
    three = kmer_tokenizer(3)
    pairs, bytes_ = bpe_tokenizer(_TEXT, 40), byte_level_tokenizer()
    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    model, tokenizer = {
        "esm": lambda: (EsmForMaskedLM(esm_config(three, 3, 4, 32)), three),
        "gated-esm": lambda: (GatedEsmForMaskedLM(esm_config(three, 3, 4, 32, gated=True)), three),
        "bert": lambda: (BertModel(BertConfig(vocab_size=len(pairs), pad_token_id=1, **size)), pairs),
        "gpt2": lambda: (
            GPT2LMHeadModel(GPT2Config(vocab_size=len(bytes_), n_embd=32, n_layer=3, n_head=4, n_positions=64)), bytes_
        ),
        "llama": lambda: (LlamaForCausalLM(LlamaConfig(vocab_size=len(pairs), **size)), pairs),
        "seqlm-gpt": lambda: (
            GPTForCausalLM(GPTConfig(vocab_size=4, block_size=64, n_layer=3, n_head=4, n_embd=32)),
            character_tokenizer(alphabet="ACGT"),
        ),
    }[kind]()  # fmt: skip
    model.tokenizer = tokenizer
    return model.eval()


def save(model, folder):
    model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder
