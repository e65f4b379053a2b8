"""Masked language models: the Nucleotide Transformer's architecture, small ones made here and the published ones.

Version 1 of the Nucleotide Transformer is transformers' own ESM with rotary positions. Version 2 differs in the feed
forward layer alone: SiLU-gated and without biases (Dalla-Torre et al. 2024). Its published code no longer imports with
transformers 5, so that layer is here; published weights load into it by their own names.
"""

import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, EsmConfig, EsmForMaskedLM, EsmModel

from seqlm.common.errors import InputError


def esm_config(tokenizer, n_layer=4, n_head=4, n_embd=256, block_size=512, dropout=0.0, gated=False):
    """Configuration of a masked language model for a tokenizer.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
        Needs a mask and a padding token.
    n_layer, n_head, n_embd : int
    block_size : int
        Tokens of the longest input; rotary positions reach beyond it.
    dropout : float
        Of hidden layers and attention.
    gated : bool
        Version 2's feed forward layer.

    Returns
    -------
    transformers.EsmConfig
    """
    if None in (tokenizer.mask_token_id, tokenizer.pad_token_id):
        raise InputError("architecture: esm", "the tokenizer has no mask and padding token", "use kind: kmer or bpe")
    if n_embd % (2 * n_head):
        raise InputError("width", f"{n_embd} is no multiple of twice the {n_head} heads", "choose another width")
    return (GatedEsmConfig if gated else EsmConfig)(
        vocab_size=len(tokenizer),
        mask_token_id=tokenizer.mask_token_id,
        pad_token_id=tokenizer.pad_token_id,
        hidden_size=n_embd,
        num_hidden_layers=n_layer,
        num_attention_heads=n_head,
        intermediate_size=4 * n_embd,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=block_size + 2,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        token_dropout=False,
        layer_norm_eps=1e-5,
        tie_word_embeddings=True,
    )


class GatedEsmConfig(EsmConfig):
    """An ESM whose feed forward layers are gated.

    Parameters
    ----------
    add_bias_fnn : bool
        Biases in the feed forward layers (the published config's name).
    """

    model_type = "seqlm-esm"

    def __init__(self, add_bias_fnn=False, **kwargs):
        super().__init__(**kwargs)
        self.add_bias_fnn = add_bias_fnn


class GatedUnit(nn.Module):
    """(N, T, hidden) -> (N, T, intermediate): one half of a linear map, through SiLU, times the other half."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=config.add_bias_fnn)

    def forward(self, x):
        gate, value = self.dense(x).chunk(2, dim=-1)
        return F.silu(gate) * value


class GatedEsmModel(EsmModel):
    """The encoder; never with a pooler."""

    config_class = GatedEsmConfig

    def __init__(self, config, add_pooling_layer=False):
        super().__init__(config, add_pooling_layer=False)
        for layer in self.encoder.layer:
            layer.intermediate = GatedUnit(config)
            layer.output.dense = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.add_bias_fnn)
        self.post_init()


class GatedEsmForMaskedLM(EsmForMaskedLM):
    """The encoder with the masked language model's output layer."""

    config_class = GatedEsmConfig

    def __init__(self, config):
        super().__init__(config)
        self.esm = GatedEsmModel(config)
        self.post_init()


AutoConfig.register(GatedEsmConfig.model_type, GatedEsmConfig)
AutoModel.register(GatedEsmConfig, GatedEsmModel)
AutoModelForMaskedLM.register(GatedEsmConfig, GatedEsmForMaskedLM)
