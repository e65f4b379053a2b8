"""Small random models of transformers' own classes, with a tokenizer of letters, as anyone would publish them."""

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

_SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_DECODER = _SIZE | {"num_key_value_heads": 2, "max_position_embeddings": 64}
_MLM, _CLM = "ForMaskedLM", "ForCausalLM"

# Stem of the class names, task of the published weights, settings of the config.
STOCK = {
    "bert": ("Bert", _MLM, _SIZE),
    "roberta": ("Roberta", _MLM, _SIZE | {"max_position_embeddings": 66, "pad_token_id": 1}),
    "xlm-roberta": ("XLMRoberta", _MLM, _SIZE | {"max_position_embeddings": 66, "pad_token_id": 1}),
    "distilbert": ("DistilBert", _MLM, {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    "electra": ("Electra", _MLM, _SIZE | {"embedding_size": 16}),
    "albert": ("Albert", _MLM, _SIZE | {"embedding_size": 16}),
    "big_bird": ("BigBird", _MLM, _SIZE | {"attention_type": "original_full", "max_position_embeddings": 64}),
    "deberta-v2": ("DebertaV2", _MLM, _SIZE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "modernbert": ("ModernBert", _MLM, _SIZE | {"pad_token_id": 3}),
    "roformer": ("RoFormer", _MLM, _SIZE | {"embedding_size": 32}),
    "esm": ("Esm", _MLM, _SIZE | {"position_embedding_type": "rotary", "pad_token_id": 1, "mask_token_id": 4}),
    "longformer": ("Longformer", _MLM, _SIZE | {"attention_window": 8, "max_position_embeddings": 66,
                                                    "pad_token_id": 1}),
    "gpt2": ("GPT2", "LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt_neox": ("GPTNeoX", _CLM, _SIZE | {"max_position_embeddings": 64}),
    "llama": ("Llama", _CLM, _DECODER),
    "mistral": ("Mistral", _CLM, _DECODER),
    "mixtral": ("Mixtral", _CLM, _DECODER | {"num_local_experts": 2, "num_experts_per_tok": 1}),
    "qwen2": ("Qwen2", _CLM, _DECODER),
    "qwen3": ("Qwen3", _CLM, _DECODER | {"head_dim": 8}),
    "bloom": ("Bloom", _CLM, {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "phi": ("Phi", _CLM, _DECODER),
    "gemma": ("Gemma", _CLM, _DECODER | {"head_dim": 8}),
    "mamba": ("Mamba", _CLM, {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "pad_token_id": 0}),
    "mamba2": ("Mamba2", _CLM, {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "num_heads": 4,
                                "head_dim": 16, "n_groups": 1, "chunk_size": 8}),
    "t5": ("T5", "ForConditionalGeneration", {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 64}),
}  # fmt: skip


def letters_tokenizer(letters="ACGTN", special=True, names=True):
    """One token a letter; padding has id 3, whatever the config says. A fast tokenizer.

    Parameters
    ----------
    letters : str
    special : bool
        Put [CLS] and [SEP] around a sequence.
    names : bool
        Have special tokens at all; without, the first letter has id 0.
    """
    words = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"] if names else []
    vocabulary = {word: id for id, word in enumerate([*words, *letters])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]" if names else letters[-1]))
    core.pre_tokenizer = pre_tokenizers.Sequence([Split("", "isolated")])
    if special:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    roles = zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"), words, strict=False)
    return PreTrainedTokenizerFast(tokenizer_object=core, **dict(roles))


@torch.no_grad()
def scaled(model):
    """The model with larger weights, in evaluation mode: at their own scale features would hardly differ by token."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.mul_(5)
    return model.eval()


def stock_model(name, vocab_size=12, **settings):
    """A model with its output layer, in evaluation mode, the tokenizer as ``.tokenizer``."""
    torch.manual_seed(0)
    stem, task, own = STOCK[name]
    cls = getattr(transformers, f"{stem}{task}")
    model = cls(cls.config_class(vocab_size=vocab_size, **(own | settings)))
    model.tokenizer = letters_tokenizer()
    return scaled(model)
