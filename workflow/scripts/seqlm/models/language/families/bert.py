"""BERTs that are not transformers' own, though their configs say so, read by the names of their published weights.

==============================  =========  ==========  ====================  =====================================
family                          positions  norms       feed forward          paper
==============================  =========  ==========  ====================  =====================================
DNABERT-2, DNABERT-S            ALiBi      after       gated by GELU         Zhou et al. 2024 (ICLR), 2403 (arXiv)
GENA-LM (those with full        absolute   before      plain                 Fishman et al. 2025 (NAR)
attention)
==============================  =========  ==========  ====================  =====================================

ALiBi (Press et al. 2022) has no positions in the embedding: attention is lowered by a multiple of the distance, another
multiple for each head; here on both sides. A gated layer is half of a linear map, through GELU, times the other half.
Their published code asks for versions of transformers and kernels long gone.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, BertConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput


class VariantConfig(BertConfig):
    """A BERT's config, and how it differs.

    Parameters
    ----------
    alibi : bool
        Distances instead of positions.
    gated : bool
        Gated feed forward layers.
    pre_norm : bool
        Norms before attention and feed forward layers rather than after them.
    last_norm : bool
        With norms before: one more after the last layer.
    """

    model_type = "seqlm-bert"

    def __init__(self, alibi=False, gated=False, pre_norm=False, last_norm=True, **kwargs):
        super().__init__(**kwargs)
        self.alibi, self.gated, self.pre_norm, self.last_norm = alibi, gated, pre_norm, last_norm
        self.position_embedding_type = "alibi" if alibi else "absolute"  # the first reads sequences of any length


def slopes(n):
    """ALiBi's multiples for n heads: a geometric sequence, filled up from that of twice as many heads. (n,)"""
    whole = 2 ** math.floor(math.log2(n))
    sequence = [2 ** (-8 * (i + 1) / whole) for i in range(whole)]
    between = [2 ** (-8 * (i + 1) / (2 * whole)) for i in range(0, 2 * whole, 2)]
    return torch.tensor([*sequence, *between[: n - whole]])


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        if not config.alibi:
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.alibi = config.alibi

    def forward(self, ids):
        x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        if not self.alibi:
            x = x + self.position_embeddings.weight[: ids.shape[1]]
        return self.dropout(self.LayerNorm(x))


class SelfAttention(nn.Module):
    """Heads of attention (N, T, E) -> (N, T, E); `bias` (N or 1, H or 1, T or 1, T) is added to the logits."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.heads, self.rate, self.fused = (
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
            config.alibi,
        )
        if self.fused:
            self.Wqkv = nn.Linear(width, 3 * width)
        else:
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x, bias):
        parts = self.Wqkv(x).chunk(3, -1) if self.fused else (self.query(x), self.key(x), self.value(x))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        rate = self.rate if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, bias, dropout_p=rate).transpose(1, 2).flatten(2)


class Dense(nn.Module):
    """A linear map and dropout; with `norm`, added to what it is given beside and normalised."""

    def __init__(self, config, size, norm):
        super().__init__()
        self.dense = nn.Linear(size, config.hidden_size)
        if norm:
            self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x, beside):
        x = beside + self.dropout(self.dense(x))
        return self.LayerNorm(x) if hasattr(self, "LayerNorm") else x


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Dense(config, config.hidden_size, norm=not config.pre_norm)


class Intermediate(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, x):
        return F.gelu(self.dense(x))


class GatedUnit(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gated_layers = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.wo = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x):
        gate, value = self.gated_layers(x).chunk(2, -1)
        return self.layernorm(x + self.wo(self.dropout(F.gelu(gate) * value)))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pre_norm, self.gated = config.pre_norm, config.gated
        self.attention = Attention(config)
        if config.gated:
            self.mlp = GatedUnit(config)
        else:
            self.intermediate = Intermediate(config)
            self.output = Dense(config, config.intermediate_size, norm=not config.pre_norm)
        if config.pre_norm:
            self.pre_attention_ln = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
            self.post_attention_ln = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x, bias):
        read = self.pre_attention_ln(x) if self.pre_norm else x
        x = self.attention.output(self.attention.self(read, bias), x)
        if self.gated:
            return self.mlp(x)
        return self.output(self.intermediate(self.post_attention_ln(x) if self.pre_norm else x), x)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        if config.pre_norm and config.last_norm:
            self.last_layer_ln = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x, bias):
        hidden = []
        for layer in self.layer:
            hidden.append(x)
            x = layer(x, bias)
        x = self.last_layer_ln(x) if hasattr(self, "last_layer_ln") else x
        return [*hidden, x]


class VariantPreTrained(PreTrainedModel):
    config_class = VariantConfig
    base_model_prefix = "bert"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
        elif getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


class VariantModel(VariantPreTrained):
    """The encoder; never with a pooler."""

    def __init__(self, config):
        super().__init__(config)
        self.embeddings, self.encoder = Embeddings(config), Encoder(config)
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, new):
        self.embeddings.word_embeddings = new

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """States of token ids.

        Parameters
        ----------
        input_ids : int tensor (N, T)
        attention_mask : int tensor (N, T), optional
            Zero where there is no token.
        output_hidden_states : bool
            Also the states of all layers, the embedding's first.
        """
        x = self.embeddings(input_ids)
        bias = self._bias(attention_mask, x)
        hidden = self.encoder(x, bias)
        return BaseModelOutput(hidden[-1], tuple(hidden) if output_hidden_states else None)

    def _bias(self, mask, x):
        """What is added to attention's logits: distances, and next to nothing where there is no token."""
        bias = None
        if self.config.alibi:
            place = torch.arange(x.shape[1], device=x.device)
            distance = (place - place[:, None]).abs()
            bias = -slopes(self.config.num_attention_heads).to(x.device)[:, None, None] * distance
            bias = bias.to(x.dtype)[None]
        if mask is None or bool(mask.all()):
            return bias
        bias = x.new_zeros(1, 1, 1, x.shape[1]) if bias is None else bias
        return bias.masked_fill(mask[:, None, None] == 0, torch.finfo(x.dtype).min)


class Transform(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x):
        return self.LayerNorm(F.gelu(self.dense(x)))


class Predictions(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.transform = Transform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, x):
        return self.decoder(self.transform(x))


class Head(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.predictions = Predictions(config)

    def forward(self, x):
        return self.predictions(x)


class VariantForMaskedLM(VariantPreTrained):
    """The encoder with the masked language model's output layer."""

    # One bias under two names: published weights have either.
    _tied_weights_keys = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def __init__(self, config):
        super().__init__(config)
        self.bert, self.cls = VariantModel(config), Head(config)
        self.post_init()

    def get_output_embeddings(self):
        return self.cls.predictions.decoder

    def set_output_embeddings(self, new):
        self.cls.predictions.decoder, self.cls.predictions.bias = new, new.bias

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """Logits (N, T, V); parameters as for `VariantModel`."""
        core = self.bert(input_ids, attention_mask, output_hidden_states)
        return MaskedLMOutput(logits=self.cls(core.last_hidden_state), hidden_states=core.hidden_states)


AutoConfig.register(VariantConfig.model_type, VariantConfig)
AutoModel.register(VariantConfig, VariantModel)
AutoModelForMaskedLM.register(VariantConfig, VariantForMaskedLM)
