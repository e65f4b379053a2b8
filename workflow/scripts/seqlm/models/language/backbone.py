"""A pretrained (or random) sequence encoder with a head on it.

The encoder may be our own GPT or any encoder that transformers' ``AutoModel``
knows by its config. A causal encoder cannot see what lies to the right of a
base, so ``context="both_strands"`` also reads the reverse complement, turns the
result round and puts the two side by side: 2 E features per base.
"""

import contextlib
import logging

import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceConfig, SequenceModel
from seqlm.models.heads import ConvHead, LinearHead, pooled_head
from seqlm.models.language import gpt  # noqa: F401  registers our encoder with AutoModel
from seqlm.tokenization import complement_ids, encode_batch

CONTEXTS = ("forward", "both_strands")
# RoBERTa's way of counting positions begins after the padding id.
_OFFSET_POSITIONS = {"esm": 2, "roberta": 2, "xlm-roberta": 2, "camembert": 2}
log = logging.getLogger(__name__)


class BackboneConfig(SequenceConfig):
    """What encoder, what head, what is trained.

    Parameters
    ----------
    backbone_config : dict
        The encoder's own config, with its ``model_type``.
    head : {"conv", "pooled", "linear"}
        "conv" predicts a track, "pooled" a scalar or a class.
    hidden, kernel, dropout, pooling
        Those of the head.
    context : {"forward", "both_strands"}
    train : "head", "all" or int
        What is trained beside the head: nothing, all of the encoder, or its last so many layers.
    complement : list of int, optional
        Id of each token's reverse complement (`seqlm.tokenization.complement_ids`), for "both_strands".
    """

    model_type = "seqlm-backbone"

    def __init__(
        self,
        backbone_config=None,
        head="conv",
        hidden=128,
        kernel=11,
        dropout=0.2,
        pooling="mean",
        context="forward",
        train="head",
        complement=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.backbone_config = backbone_config or gpt.GPTConfig().to_dict()
        self.head = head
        self.hidden = hidden
        self.kernel = kernel
        self.dropout = dropout
        self.pooling = pooling
        self.context = context
        self.train = train
        self.complement = complement


class BackboneModel(SequenceModel):
    """Token ids (N, T) -> features (N, T, D) -> prediction.

    Parameters
    ----------
    config : BackboneConfig
    backbone : PreTrainedModel, optional
        An encoder that is loaded already; otherwise a new one with random weights.
    """

    config_class = BackboneConfig

    def __init__(self, config, backbone=None):
        super().__init__(config)
        _check(config)
        if backbone is None:
            options = dict(config.backbone_config)
            backbone = AutoModel.from_config(AutoConfig.for_model(options.pop("model_type"), **options))
        if getattr(backbone, "pooler", None) is not None:
            backbone.pooler = None  # never used here, and not every checkpoint has its weights
        self.backbone = backbone
        dim = self.backbone.config.hidden_size * (2 if config.context == "both_strands" else 1)
        if config.head == "conv":
            self.head = ConvHead(dim, config.hidden, config.kernel, config.dropout)
        elif config.head == "linear":
            self.head = LinearHead(dim, config.n_outputs, config.pooling)
        else:
            self.head = pooled_head(dim, config)
        self._trained = self._freeze()
        self.post_init()

    @classmethod
    def on(cls, backbone, tokenizer, **options):
        """Put a new head on an encoder.

        Parameters
        ----------
        backbone : PreTrainedModel
            The encoder, or a language model around it (its core is taken).
        tokenizer : PreTrainedTokenizerFast
        **options
            Fields of `BackboneConfig`.
        """
        backbone = backbone.base_model
        if options.get("context") == "both_strands":
            options["complement"] = complement_ids(tokenizer).tolist()
        if backbone.config.pad_token_id is None:
            backbone.config.pad_token_id = tokenizer.pad_token_id  # or padding would be read as a token
        model = cls(BackboneConfig(backbone_config=backbone.config.to_dict(), **options), backbone)
        model.tokenizer = tokenizer
        return model

    def encode(self, sequences):
        """Token ids (N, T), uint8 or uint16. What is more than the encoder can read is cut, which is logged."""
        ids = torch.from_numpy(encode_batch(self.tokenizer, sequences, length=self.config.length))
        longest = longest_input(self.backbone, self.tokenizer)
        if longest is None or ids.shape[1] <= longest:
            return ids
        if self.config.target == "track":
            raise InputError(
                "sequence", f"has {ids.shape[1]} tokens, the backbone reads {longest}", "cut it into windows"
            )
        cut = int(self.known(ids[:, longest:]).any(1).sum())
        log.warning("%d of %d sequences are cut to %d tokens", cut, len(ids), longest)
        return ids[:, :longest]

    @property
    def pools_first(self):
        """Whether the head reads pooled features; else it is trained on those of every token."""
        return self.config.head != "conv" and not getattr(self.head, "learns_pooling", False)

    def features(self, X, pooled=False):
        """What the head reads: (N, T, D), or (N, D) when `pooled`; D is 2 E for both strands.

        Where nothing is known, features of a head that pools are zeros.

        Parameters
        ----------
        X : integer tensor (N, T)
            Ids outside the vocabulary are nothing (an N, padding).
        """
        X = X.long()
        known = self.known(X)
        # No graph is kept for an encoder that is not trained.
        with contextlib.nullcontext() if self._trained else torch.no_grad():
            x = self._encode(X, known)
            if self.config.context == "both_strands":
                X_other, turn = self._reverse_complement(X, known)
                other = self._encode(X_other, known.gather(1, turn))
                x = torch.cat([x, other.gather(1, turn.unsqueeze(-1).expand_as(other))], dim=-1)
            if pooled:
                return self.head.pool(x, known)
            return x if self.config.head == "conv" else x * known.unsqueeze(-1)

    def forward(self, X):
        """Predictions, see `seqlm.models.base`.

        Parameters
        ----------
        X : integer tensor (N, T) of token ids
            Or floating: what `features` gave for them, (N, T, D) or pooled (N, D).
        """
        if not X.is_floating_point():
            X = self.features(X, pooled=self.pools_first)
        if self.config.head == "conv" or X.dim() == 2:
            return self.head(X)
        return self.head(X, X.ne(0).any(-1))

    def known(self, ids):
        """Where `ids` (N, T) hold a token: (N, T) bool."""
        known = (ids >= 0) & (ids < self.backbone.config.vocab_size)
        padding = self.backbone.config.pad_token_id
        return known if padding is None else known & (ids != padding)

    def train(self, mode=True):
        """As usual, but what is frozen stays in evaluation mode: its dropout is off."""
        super().train(mode)
        if mode:
            for module in self.backbone.modules():
                module.training = module in self._trained
        return self

    def _encode(self, X, known):
        if isinstance(self.backbone, gpt.GPTModel):  # treats nothing as nothing itself, and never looks at what follows
            return self.backbone(X).last_hidden_state
        padding = self.backbone.config.pad_token_id or 0
        return self.backbone(X.where(known, padding), attention_mask=known.long()).last_hidden_state

    def _reverse_complement(self, X, known):
        """The other strand's ids, and the positions that turn a row round but leave padding on the right."""
        positions = torch.arange(X.shape[1], device=X.device)
        size = (positions.where(known, -1).amax(1) + 1).unsqueeze(1)
        turn = torch.where(positions < size, size - 1 - positions, positions)
        partner = torch.tensor(self.config.complement, device=X.device)
        return torch.where(known, partner[X.where(known, 0)], X).gather(1, turn), turn

    def _freeze(self):
        """Switch gradients off where nothing is trained; the set of encoder modules that are."""
        how, modules = self.config.train, set()
        if how == "all":
            modules = set(self.backbone.modules())
        elif how != "head":
            layers = max((m for m in self.backbone.modules() if isinstance(m, nn.ModuleList)), key=len)
            if how > len(layers):
                raise InputError(
                    "train", f"the backbone has {len(layers)} layers, not {how}", f"use 1 to {len(layers)}"
                )
            ordered = list(self.backbone.modules())
            first = ordered.index(layers[-how])
            # What is registered after the layer (the last norm) follows it in the network too.
            modules = set(ordered[first:])
        trained = {id(p) for m in modules for p in m.parameters(recurse=False)}
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(id(parameter) in trained)
        return modules


def longest_input(network, tokenizer):
    """Tokens that tokenizer and network take at most; None when they do not say."""
    config = network.config
    limits = [tokenizer.model_max_length if tokenizer.model_max_length < 10**9 else None]
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "block_size", None)
    if positions and getattr(config, "position_embedding_type", None) != "rotary":
        limits.append(positions - _OFFSET_POSITIONS.get(config.model_type, 0))
    return min((limit for limit in limits if limit), default=None)


def _check(config):
    """Settings that do not go together, said before anything is built."""
    if config.head not in ("conv", "pooled", "linear"):
        raise InputError("head", f"no such head: {config.head}", "use conv, pooled or linear")
    if (config.head == "conv") != (config.target == "track"):
        raise InputError(
            "head", f"a {config.head} head cannot predict a {config.target}", "use conv for track, else another"
        )
    if config.context not in CONTEXTS:
        raise InputError("context", f"no such context: {config.context}", f"use {' or '.join(CONTEXTS)}")
    if config.context == "both_strands" and not config.complement:
        raise InputError("context", "both_strands needs the tokens' complement", "give complement or use forward")
    if config.train not in ("head", "all") and not (isinstance(config.train, int) and config.train > 0):
        raise InputError("train", f"cannot train {config.train!r}", "use head, all or a number of last layers")
