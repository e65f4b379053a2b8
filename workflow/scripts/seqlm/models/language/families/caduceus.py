"""Caduceus (Schiff et al. 2024, ICML), read by the names of its published weights.

Each block runs two Mambas (Gu & Dao 2023; transformers' own, without kernels) over the sequence, one in each direction,
and adds what they give. Their largest maps are the same. There are two variants:

* Ph: as it is; trained to read either strand.
* PS: a state is two halves, one for each strand, and the same weights run on both, so that the states of the reverse
  complement are those of the sequence with places and channels turned round. A state is twice as wide as the config's.

With ``fused_add_norm``, the kernels that PS models were trained with exchange the halves in each block. It is part of
the published weights, so it is done here, too. The published code needs mamba_ssm, whose kernels run on GPUs alone.
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, MambaConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput
from transformers.models.mamba.modeling_mamba import MambaMixer, MambaRMSNorm

from seqlm.common.errors import InputError

# Settings of a Mamba: published names and transformers'.
_MAMBA = {
    "d_state": "state_size", "d_conv": "conv_kernel", "expand": "expand", "dt_rank": "time_step_rank",
    "bias": "use_bias", "conv_bias": "use_conv_bias",
}  # fmt: skip


class CaduceusConfig(PreTrainedConfig):
    """A Caduceus' config, with the published names.

    Parameters
    ----------
    vocab_size, d_model, n_layer : int
        Of PS, `d_model` is the width of one strand's half.
    ssm_cfg : dict, optional
        Of the Mambas.
    rms_norm, fused_add_norm : bool
    rcps : bool
        The variant: PS, or else Ph.
    complement_map : dict or list, optional
        Of PS: the id of each token's complement.
    bidirectional_weight_tie : bool
        Whether the maps into and out of the two Mambas are the same.
    """

    model_type = "seqlm-caduceus"
    attribute_map = {"num_hidden_layers": "n_layer"}

    def __init__(
        self,
        vocab_size=16,
        d_model=256,
        n_layer=4,
        ssm_cfg=None,
        rms_norm=True,
        fused_add_norm=True,
        norm_epsilon=1e-5,
        rcps=False,
        complement_map=None,
        bidirectional=True,
        bidirectional_strategy="add",
        bidirectional_weight_tie=True,
        pad_vocab_size_multiple=8,
        initializer_range=0.02,
        **kwargs,
    ):
        if not bidirectional or bidirectional_strategy not in (None, "add"):
            problem = "a Caduceus that does not add what is read in both directions"
            raise InputError("config.json", problem, "use a published one")
        if rcps and not complement_map:
            raise InputError("config.json", "a Caduceus PS without complement_map", "use a published one")
        self.vocab_size = -(-vocab_size // pad_vocab_size_multiple) * pad_vocab_size_multiple
        self.d_model = d_model
        self.n_layer = n_layer
        self.ssm_cfg = ssm_cfg or {}
        self.rms_norm = rms_norm
        self.fused_add_norm = fused_add_norm
        self.norm_epsilon = norm_epsilon
        self.rcps = rcps
        if complement_map:
            ids = list(complement_map.values() if isinstance(complement_map, dict) else complement_map)
            complement_map = [*ids, *range(len(ids), self.vocab_size)]
        self.complement_map = complement_map
        self.bidirectional = bidirectional
        self.bidirectional_strategy = bidirectional_strategy
        self.bidirectional_weight_tie = bidirectional_weight_tie
        self.pad_vocab_size_multiple = pad_vocab_size_multiple
        self.initializer_range = initializer_range
        # Whatever is published: without it transformers would tie nothing at all, the two Mambas' maps neither.
        super().__init__(**kwargs | {"tie_word_embeddings": True})
        self.hidden_size = d_model * (2 if rcps else 1)

    @property
    def mamba(self):
        """The config of its Mambas."""
        own = {_MAMBA[name]: value for name, value in self.ssm_cfg.items() if name in _MAMBA}
        return MambaConfig(hidden_size=self.d_model, num_hidden_layers=self.n_layer, **own)


def norm(config):
    return (MambaRMSNorm if config.rms_norm else nn.LayerNorm)(config.d_model, eps=config.norm_epsilon)


def turned(x):
    """A state (N, T, E) of one strand as one of the other: places and channels the other way round."""
    return x.flip(-2, -1)


def on_both(module, x):
    """A module (N, T, E) -> (N, T, E) on each half of a state (N, T, 2 E), the second one turned round."""
    first, second = x.chunk(2, -1)
    return torch.cat([module(first), turned(module(turned(second)))], -1)


class OnBoth(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.submodule = module

    def forward(self, x):
        return on_both(self.submodule, x)


class BothWays(nn.Module):
    """Two Mambas, of which one reads from right to left."""

    def __init__(self, config, layer):
        super().__init__()
        self.mamba_fwd, self.mamba_rev = (MambaMixer(config.mamba, layer) for _ in range(2))

    def forward(self, x):
        return self.mamba_fwd(x) + self.mamba_rev(x.flip(1)).flip(1)


class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.fused = config.rcps and config.fused_add_norm
        self.mixer = OnBoth(BothWays(config, layer)) if config.rcps else BothWays(config, layer)
        self.norm = OnBoth(norm(config)) if config.rcps and not self.fused else norm(config)

    def forward(self, x):
        x = exchanged(x) if self.fused else x
        return x + self.mixer(on_both(self.norm, x) if self.fused else self.norm(x))


def exchanged(x):
    """The halves of a state (N, T, 2 E) the other way round."""
    return torch.cat(x.chunk(2, -1)[::-1], -1)


class PairedEmbedding(nn.Module):
    """Of a token, and of its complement with channels turned round."""

    def __init__(self, config):
        super().__init__()
        self.register_buffer("complement_map", torch.tensor(config.complement_map))
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)

    def forward(self, ids):
        return torch.cat([self.embedding(ids), self.embedding(self.complement_map[ids]).flip(-1)], -1)


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        plain = not config.rcps
        self.word_embeddings = nn.Embedding(config.vocab_size, config.d_model) if plain else PairedEmbedding(config)

    def forward(self, ids):
        return self.word_embeddings(ids)


class Backbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fused = config.rcps and config.fused_add_norm
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Block(config, k) for k in range(config.n_layer))
        self.norm_f = OnBoth(norm(config)) if config.rcps and not self.fused else norm(config)

    def forward(self, ids):
        x, hidden = self.embeddings(ids), []
        for k, layer in enumerate(self.layers):
            hidden.append(exchanged(x) if self.fused and k % 2 else x)  # the sequence's own strand first
            x = layer(x)
        return [*hidden, on_both(self.norm_f, x) if self.fused else self.norm_f(x)]


class PairedHead(nn.Module):
    """Logits of a token by its own strand's half, and of its complement by the other's, added."""

    def __init__(self, config):
        super().__init__()
        self.register_buffer("complement_map", torch.tensor(config.complement_map))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(self, x):
        first, second = x.chunk(2, -1)
        return self.lm_head(first) + self.lm_head(second.flip(-1))[..., self.complement_map]


class CaduceusPreTrained(PreTrainedModel):
    config_class = CaduceusConfig
    base_model_prefix = "caduceus"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):  # all else begins as its class has it
            nn.init.normal_(module.weight, std=self.config.initializer_range)


class CaduceusModel(CaduceusPreTrained):
    """The encoder; padding must not be in its input, since one direction begins with it."""

    def __init__(self, config):
        super().__init__(config)
        self.backbone = Backbone(config)
        if config.bidirectional_weight_tie:
            self._tied_weights_keys = {
                name: name.replace(".mamba_rev.", ".mamba_fwd.")
                for name, _ in self.named_parameters()
                if ".mamba_rev.in_proj." in name or ".mamba_rev.out_proj." in name
            }
        self.post_init()

    def get_input_embeddings(self):
        own = self.backbone.embeddings.word_embeddings
        return own.embedding if self.config.rcps else own

    def set_input_embeddings(self, new):
        if self.config.rcps:
            self.backbone.embeddings.word_embeddings.embedding = new
        else:
            self.backbone.embeddings.word_embeddings = new

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """States (N, T, E), or (N, T, 2 E) of PS, of token ids.

        Parameters
        ----------
        input_ids : int tensor (N, T)
        attention_mask : int tensor (N, T), optional
            Has no effect.
        output_hidden_states : bool
            Also the states before each block, the embedding's first.
        """
        hidden = self.backbone(input_ids)
        return BaseModelOutput(hidden[-1], tuple(hidden) if output_hidden_states else None)


class CaduceusForMaskedLM(CaduceusPreTrained):
    """The encoder with the masked language model's output layer, whose weights are the embedding's."""

    def __init__(self, config):
        super().__init__(config)
        self.caduceus = CaduceusModel(config)
        plain = not config.rcps
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False) if plain else PairedHead(config)
        own = "embeddings.word_embeddings" if plain else "embeddings.word_embeddings.embedding"
        head = "lm_head.weight" if plain else "lm_head.lm_head.weight"
        self._tied_weights_keys = {head: f"caduceus.backbone.{own}.weight"}
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head.lm_head if self.config.rcps else self.lm_head

    def set_output_embeddings(self, new):
        if self.config.rcps:
            self.lm_head.lm_head = new
        else:
            self.lm_head = new

    def forward(self, input_ids, attention_mask=None, output_hidden_states=False, **_):
        """Logits (N, T, V); parameters as for `CaduceusModel`."""
        core = self.caduceus(input_ids, attention_mask, output_hidden_states)
        return MaskedLMOutput(logits=self.lm_head(core.last_hidden_state), hidden_states=core.hidden_states)


AutoConfig.register(CaduceusConfig.model_type, CaduceusConfig)
AutoModel.register(CaduceusConfig, CaduceusModel)
AutoModelForMaskedLM.register(CaduceusConfig, CaduceusForMaskedLM)
