"""HyenaDNA (Nguyen et al. 2023, NeurIPS), read by the names of its published weights.

Tokens are letters, and what a block mixes them with is the Hyena operator (Poli et al. 2023, ICML) of order 2: three
linear maps q, k, v of the input, each through a causal convolution of a few letters, and between two gates a causal
convolution as long as the input, ``q * (h * (k v))``. Its filter h is not stored but computed: at each place a small
network with sines between its layers reads the place as waves, and what it gives decays exponentially, in each channel
at another pace. Convolutions go through Fourier transforms, so that the cost grows as n log n.

The published code (LongSafari/hyenadna-*-hf) asks for versions of transformers long gone.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from seqlm.common.errors import InputError

# Decay to this share of the first value, over these parts of the longest input, in the fastest and slowest channel; and
# what is left of the filter where it has decayed.
_TARGET, _FASTEST, _SLOWEST, _SHIFT = 1e-2, 0.3, 1.5, 0.05


class HyenaConfig(PreTrainedConfig):
    """A HyenaDNA's config, with the published names.

    Parameters
    ----------
    vocab_size : int
        Tokens; the embedding has rows up to the next multiple of `pad_vocab_size_multiple`.
    d_model, n_layer, d_inner : int
        Width, blocks, and width inside the feed forward layers.
    max_seq_len : int
        Tokens of the longest input. A filter's places are counted in parts of it.
    emb_dim : int
        Numbers that describe a place: itself, then cosines and sines.
    filter_order, num_inner_mlps : int
        Width of the filter's network, and its layers between the first and the last.
    activation_freq : float
        Of its sines, before training.
    short_filter_order : int
        Letters of the short convolutions.
    """

    model_type = "seqlm-hyena"
    attribute_map = {
        "hidden_size": "d_model",
        "num_hidden_layers": "n_layer",
        "max_position_embeddings": "max_seq_len",
    }

    def __init__(
        self,
        vocab_size=12,
        d_model=128,
        n_layer=2,
        d_inner=None,
        max_seq_len=1024,
        emb_dim=5,
        filter_order=64,
        num_inner_mlps=2,
        activation_freq=10,
        short_filter_order=3,
        hyena_order=2,
        embed_dropout=0.1,
        hyena_dropout=0.0,
        layer_norm_epsilon=1e-5,
        initializer_range=0.02,
        pad_vocab_size_multiple=8,
        **kwargs,
    ):
        if hyena_order != 2:
            raise InputError("config.json", f"a Hyena of order {hyena_order}", "use one of order 2, as HyenaDNA's are")
        self.vocab_size = vocab_size
        self.d_model = d_model
        self.n_layer = n_layer
        self.d_inner = d_inner or 4 * d_model
        self.max_seq_len = max_seq_len
        self.emb_dim = emb_dim
        self.filter_order = filter_order
        self.num_inner_mlps = num_inner_mlps
        self.activation_freq = activation_freq
        self.short_filter_order = short_filter_order
        self.hyena_order = hyena_order
        self.embed_dropout = embed_dropout
        self.hyena_dropout = hyena_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.pad_vocab_size_multiple = pad_vocab_size_multiple
        super().__init__(**{"pad_token_id": 4, "tie_word_embeddings": False} | kwargs)

    @property
    def rows(self):
        """Rows of the embedding."""
        return math.ceil(self.vocab_size / self.pad_vocab_size_multiple) * self.pad_vocab_size_multiple


def long_convolution(x, h):
    """Causal convolution ``y[t] = sum_s h[s] x[t - s]`` along the last axis, in float32.

    Parameters
    ----------
    x : tensor (N, E, T)
    h : tensor (E, T)

    Returns
    -------
    tensor (N, E, T)
    """
    T = x.shape[-1]
    n = 1 << (2 * T - 1).bit_length()  # what wraps round falls behind T
    return torch.fft.irfft(torch.fft.rfft(x.float(), n) * torch.fft.rfft(h.float(), n), n)[..., :T]


class Places(nn.Module):
    """How places are described to the filter's network: ``t`` from 0 to 1, and ``z``, that and waves of it.

    Both follow from the config; they are kept, since the published z has been trained a little.
    """

    def __init__(self, config):
        super().__init__()
        n, bands = config.max_seq_len, (config.emb_dim - 1) // 2
        t = torch.linspace(0, 1, n)[:, None]
        angle = 2 * math.pi * torch.linspace(0, n - 1, n)[:, None] / n * torch.linspace(1e-4, bands - 1, bands)
        self.register_buffer("t", t[None])
        self.register_buffer("z", torch.cat([t, angle.cos(), -angle.sin()], 1)[None])


class Decay(nn.Module):
    """The filter's values, less the farther away: each channel has its pace."""

    def __init__(self, config):
        super().__init__()
        paces = [math.log(_TARGET) / part for part in (_SLOWEST, _FASTEST)]
        self.register_buffer("deltas", torch.linspace(*paces, config.d_model)[None, None])

    def forward(self, h, t):
        return h * (torch.exp(-t * self.deltas.abs()) + _SHIFT)


class Sine(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.freq = nn.Parameter(torch.full((1, config.filter_order), float(config.activation_freq)))

    def forward(self, x):
        return torch.sin(self.freq * x)


class Network(nn.ModuleDict):
    """Linear maps with sines between them, of which there is one; names are numbers, as in a sequence of layers."""

    def __init__(self, config):
        width, last = config.filter_order, 2 * (config.num_inner_mlps + 1)
        parts = {"0": nn.Linear(config.emb_dim, width), "1": Sine(config)}
        parts |= {str(k): nn.Linear(width, width) for k in range(2, last, 2)}
        super().__init__(parts | {str(last): nn.Linear(width, config.d_model, bias=False)})
        self.maps = [str(k) for k in range(0, last + 1, 2)]

    def forward(self, x):
        for name in self.maps[:-1]:
            x = self["1"](self[name](x))
        return self[self.maps[-1]](x)


class Filter(nn.Module):
    """The long filter (E, T), and the weight (E,) that the convolution's input itself has in its output."""

    def __init__(self, config):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(config.d_model))
        self.pos_emb, self.implicit_filter, self.modulation = Places(config), Network(config), Decay(config)

    def forward(self, T):
        h = self.implicit_filter(self.pos_emb.z[0, :T])
        return self.modulation(h, self.pos_emb.t[:, :T])[0].T


class Operator(nn.Module):
    """(N, T, E) -> (N, T, E); a place sees those before it."""

    def __init__(self, config):
        super().__init__()
        E, short = config.d_model, config.short_filter_order
        self.in_proj, self.out_proj = nn.Linear(E, 3 * E), nn.Linear(E, E)
        self.short_filter = nn.Conv1d(3 * E, 3 * E, short, padding=short - 1, groups=3 * E)
        self.filter_fn = Filter(config)
        self.dropout = nn.Dropout(config.hyena_dropout)

    def forward(self, x):
        T = x.shape[1]
        q, k, v = self.short_filter(self.in_proj(x).transpose(1, 2))[..., :T].chunk(3, 1)
        v = self.dropout(k * v)
        v = long_convolution(v, self.filter_fn(T)).to(v.dtype) + self.filter_fn.bias[:, None] * v
        return self.out_proj((q * v).transpose(1, 2))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(config.d_model, config.d_inner), nn.Linear(config.d_inner, config.d_model)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.mixer, self.mlp = Operator(config), FeedForward(config)
        self.norm1, self.norm2 = (nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon) for _ in range(2))

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.rows, config.d_model)

    def forward(self, ids):
        return self.word_embeddings(ids)


class Backbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.dropout = nn.Dropout(config.embed_dropout)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)

    def forward(self, ids):
        x, hidden = self.dropout(self.embeddings(ids)), []
        for layer in self.layers:
            hidden.append(x)
            x = layer(x)
        return [*hidden, self.ln_f(x)]


class HyenaPreTrained(PreTrainedModel):
    config_class = HyenaConfig
    base_model_prefix = "hyena"
    # The one sine may stand in a file once for each of its places.
    _keys_to_ignore_on_load_unexpected = [r"implicit_filter\.(?!1\.)\d+\.freq$"]

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.LayerNorm | nn.Conv1d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class HyenaModel(HyenaPreTrained):
    """The encoder, from left to right."""

    def __init__(self, config):
        super().__init__(config)
        self.backbone = Backbone(config)
        self.post_init()

    def get_input_embeddings(self):
        return self.backbone.embeddings.word_embeddings

    def set_input_embeddings(self, new):
        self.backbone.embeddings.word_embeddings = new

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """States of token ids.

        Parameters
        ----------
        input_ids : int tensor (N, T)
        attention_mask : int tensor (N, T), optional
            Has no effect: padding stands on the right, where no token before it looks.
        output_hidden_states : bool
            Also the states of all layers, the embedding's first.
        """
        hidden = self.backbone(input_ids)
        return BaseModelOutput(hidden[-1], tuple(hidden) if output_hidden_states else None)


class HyenaForCausalLM(HyenaPreTrained):
    """The encoder with the output layer of a causal language model."""

    def __init__(self, config):
        super().__init__(config)
        self.hyena = HyenaModel(config)
        self.lm_head = nn.Linear(config.d_model, config.rows, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new):
        self.lm_head = new

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """Logits (N, T, rows of the embedding); parameters as for `HyenaModel`."""
        core = self.hyena(input_ids, attention_mask, output_hidden_states)
        return CausalLMOutput(logits=self.lm_head(core.last_hidden_state), hidden_states=core.hidden_states)


AutoConfig.register(HyenaConfig.model_type, HyenaConfig)
AutoModel.register(HyenaConfig, HyenaModel)
AutoModelForCausalLM.register(HyenaConfig, HyenaForCausalLM)
