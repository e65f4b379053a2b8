"""A small decoder-only transformer that learns to predict the next character of a genome.

The architecture is GPT-2's (Radford et al. 2019) as nanoGPT and DNA-LLM use it:
pre-LayerNorm blocks, learned positions, GELU, no biases, and the output layer
tied to the token embedding. With the defaults (4 layers, 4 heads, 384 wide,
block of 300) the core has 7,211,904 parameters for 40 tokens.

Letters in shapes: N sequences, T tokens, P tokens already in the cache,
H heads, D width of a head, E = H * D width of the model, V vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    DynamicCache,
    GenerationMixin,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from seqlm.common.errors import InputError
from seqlm.models.layers import Dropout, LayerNorm, add_dropped, causal_attention


class GPTConfig(PretrainedConfig):
    """Size of the network.

    Parameters
    ----------
    vocab_size : int
        Tokens there are (V). Any other id is "nothing": it embeds to zero.
    block_size : int
        Longest sequence in tokens.
    n_layer, n_head, n_embd : int
        Blocks, heads per block, width. `n_head` divides `n_embd`.
    dropout : float
        Rate after the embedding, on attention weights and before each residual
        addition; none when the model is in evaluation mode.
    bias : bool
        Biases in linear layers and LayerNorms.
    initializer_range : float
        Standard deviation of initial weights.
    """

    model_type = "seqlm-gpt"
    keys_to_ignore_at_inference = ["past_key_values"]
    attribute_map = {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "block_size",
    }

    def __init__(
        self,
        vocab_size=40,
        block_size=300,
        n_layer=4,
        n_head=4,
        n_embd=384,
        dropout=0.2,
        bias=False,
        initializer_range=0.02,
        use_cache=True,
        tie_word_embeddings=True,
        **kwargs,
    ):
        if n_embd % n_head:
            raise InputError(
                "n_head", f"{n_head} heads do not divide a width of {n_embd}", "choose a divisor of n_embd"
            )
        self.vocab_size = vocab_size
        self.block_size = block_size
        self.n_layer = n_layer
        self.n_head = n_head
        self.n_embd = n_embd
        self.dropout = dropout
        self.bias = bias
        self.initializer_range = initializer_range
        self.use_cache = use_cache
        # No token is special: generation stops at its length, not at a token.
        for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
            kwargs.setdefault(token, None)
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)


class Attention(nn.Module):
    """Causal multi-head self-attention, (N, T, E) -> (N, T, E)."""

    def __init__(self, config, layer):
        super().__init__()
        self.layer, self.n_head, self.p = layer, config.n_head, config.dropout
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.projection = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.projection.feeds_residual = True

    def forward(self, x, mask=None, cache=None):
        N, T, E = x.shape
        q, k, v = self.qkv(x).view(N, T, 3, self.n_head, E // self.n_head).permute(2, 0, 3, 1, 4)  # each (N, H, T, D)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)  # (N, H, P + T, D)
        y = causal_attention(q, k, v, self.p if self.training else 0.0, mask)
        return self.projection(y.transpose(1, 2).reshape(N, T, E))


class MLP(nn.Module):
    """Widen four times, GELU, narrow again."""

    def __init__(self, config):
        super().__init__()
        self.expand = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.contract = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.contract.feeds_residual = True

    def forward(self, x):
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config, layer):
        super().__init__()
        self.norm_1 = LayerNorm(config.n_embd, bias=config.bias)
        self.attention = Attention(config, layer)
        self.norm_2 = LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x, mask=None, cache=None):
        x = add_dropped(x, self.attention(self.norm_1(x), mask, cache), self.dropout)
        return add_dropped(x, self.mlp(self.norm_2(x)), self.dropout)


class GPTPreTrainedModel(PreTrainedModel):
    """Initialisation and loading shared by the core and the language model."""

    config_class = GPTConfig
    base_model_prefix = "network"
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module):
        """As in GPT-2: normal weights; those that feed the residual stream are scaled by 1 / sqrt(2 * layers)."""
        super()._init_weights(module)
        if getattr(module, "feeds_residual", False):
            nn.init.normal_(module.weight, std=self.config.initializer_range / math.sqrt(2 * self.config.n_layer))


class GPTModel(GPTPreTrainedModel):
    """The core: token ids (N, T) -> hidden states (N, T, E)."""

    def __init__(self, config):
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = LayerNorm(config.n_embd, bias=config.bias)
        self.post_init()

    def get_input_embeddings(self):
        return self.wte

    def set_input_embeddings(self, new):
        self.wte = new

    def embed_tokens(self, ids):
        """Token embeddings (N, T, E); an id outside the vocabulary embeds to zero."""
        ids = ids.long()
        known = (ids >= 0) & (ids < self.config.vocab_size)
        return self.wte(ids.where(known, 0)) * known.unsqueeze(-1)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_hidden_states=False,
        **_,
    ):
        """Hidden states of every token.

        Parameters
        ----------
        input_ids : integer tensor (N, T)
            Any integer type. Ids outside [0, V) count as nothing.
        attention_mask : tensor (N, P + T), optional
            Zero where a token is padding that must not be attended to. Padding
            on the right needs none: nothing looks to the right.
        position_ids : int tensor (N, T) or (1, T), optional
            Default: P, P + 1, ...
        past_key_values : transformers.Cache, optional
            Keys and values of the P tokens before these.
        inputs_embeds : tensor (N, T, E), optional
            In place of `input_ids`.
        use_cache : bool, optional
            Return a cache that holds these tokens too. Default: when evaluating and one is given.
        output_hidden_states : bool
            Also return the states of all layers: the embedding's, each block's, the last after the final norm.

        Returns
        -------
        BaseModelOutputWithPast
        """
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        T = x.shape[1]
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if past + T > self.config.block_size:
            raise InputError(
                "sequence",
                f"{past + T} tokens do not fit the language model's block of {self.config.block_size}",
                "use shorter windows or a backbone with a larger block_size",
            )
        if position_ids is None:
            position_ids = torch.arange(past, past + T, device=x.device)[None]
        x = self.dropout(x + self.wpe(position_ids))
        mask = _attention_mask(attention_mask, past, T, x.device)
        hidden = []
        for block in self.blocks:
            hidden.append(x)
            x = block(x, mask, past_key_values)
        x = self.norm(x)
        hidden = (*hidden, x) if output_hidden_states else None
        return BaseModelOutputWithPast(last_hidden_state=x, past_key_values=past_key_values, hidden_states=hidden)


def _attention_mask(attention_mask, past, T, device):
    """Which keys each query sees, (N or 1, 1, T, P + T) bool; None for plain causal attention."""
    padded = attention_mask is not None and not bool(attention_mask.all())
    if not padded and (past == 0 or T == 1):
        return None
    causal = torch.ones(T, past + T, dtype=torch.bool, device=device).tril(past)[None, None]
    if not padded:
        return causal
    # A padding token sees itself, so that no row of the softmax is empty.
    itself = torch.zeros(T, past + T, dtype=torch.bool, device=device)
    itself[torch.arange(T), torch.arange(past, past + T)] = True
    return (causal & attention_mask.bool()[:, None, None, :]) | itself


class GPTForCausalLM(GPTPreTrainedModel, GenerationMixin):
    """The language model: token ids (N, T) -> logits of the next token (N, T, V)."""

    _tied_weights_keys = {"lm_head.weight": "network.wte.weight"}
    accepts_loss_kwargs = False

    def __init__(self, config):
        super().__init__(config)
        self.network = GPTModel(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new):
        self.lm_head = new

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        shift_labels=None,
        use_cache=None,
        logits_to_keep=0,
        output_hidden_states=False,
        return_dict=True,
        **_,
    ):
        """Logits, and the mean cross entropy in nats when there is something to predict.

        Parameters
        ----------
        labels : int tensor (N, T), optional
            Same tokens as `input_ids`: position t is trained on label t + 1.
        shift_labels : int tensor (N, T), optional
            The token that follows each position, so that all T of them count.
            In both, -100 is not counted.
        logits_to_keep : int
            Only the last so many positions; 0 for all.

        Other parameters as in `GPTModel.forward`.
        """
        core = self.network(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, use_cache, output_hidden_states
        )
        logits = self.lm_head(core.last_hidden_state[:, -logits_to_keep:])
        if labels is not None:
            shift_labels = F.pad(labels[:, 1:].long(), (0, 1), value=-100)
        loss = None
        if shift_labels is not None:
            loss = F.cross_entropy(logits.float().flatten(0, 1), shift_labels.long().flatten(), ignore_index=-100)
        output = CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=core.past_key_values, hidden_states=core.hidden_states
        )
        return output if return_dict else output.to_tuple()


AutoConfig.register(GPTConfig.model_type, GPTConfig)
AutoModel.register(GPTConfig, GPTModel)
AutoModelForCausalLM.register(GPTConfig, GPTForCausalLM)
