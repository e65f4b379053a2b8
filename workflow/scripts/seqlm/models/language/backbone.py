"""A pretrained (or random) sequence encoder with a head on it.

The encoder may be our own GPT or any encoder that transformers' ``AutoModel`` knows by its config. The head reads its
last layer, or several (`seqlm.models.language.layer_mix`). A causal encoder cannot see what lies to the right of a
base, so ``context="both_strands"`` also reads the reverse complement and puts the two side by side:

* a value per base: what was read on the other strand is turned round, so that both speak of the same base;
* a value per sequence: each strand is pooled apart, in the direction in which it was read. Side by side rather than
  averaged, because coding sequence, splice sites and RNA are not the same on both strands.

Where tokens are characters, the other strand's ids follow from the ids. Tokens of several bases do not line up with
those of the reverse complement: there the text itself is reverse-complemented and encoded again.
"""

import contextlib
import logging

import torch
from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.base import SequenceModel
from seqlm.models.heads import POOLINGS, ConvHead, LinearHead, pooled_head
from seqlm.models.language.backbone_config import BackboneConfig
from seqlm.models.language.checks import BASES, ONE_BASE, bases_of_tokens, check, check_first
from seqlm.models.language.encoders import depth_of, layers_of, longest_input, own_padding
from seqlm.models.language.gpt import GPTModel  # its file registers it with AutoModel
from seqlm.models.language.layer_mix import (
    LayerMix,
    embedding_of,
    layer_numbers,
    leaves_out_first,
    side_by_side,
    states_by_layer,
)
from seqlm.models.language.layouts import new_encoder
from seqlm.models.language.packed import bases, features_of_bases, pack, unpack
from seqlm.models.language.padding import in_batch
from seqlm.sequences import reverse_complement
from seqlm.sequences.codes import NO_BASE
from seqlm.tokenization import complement_ids, encode_batch, kind_of, nothing_id, spelled
from seqlm.tokenization.bases import special_ids

log = logging.getLogger(__name__)


def reads_other_text(tokenizer, options):
    """Whether a model with these options reads the reverse complement as a text of its own.

    It does where tokens are not bases: then no token of one strand stands where one of the other does.
    """
    return options.get("context") == "both_strands" and kind_of(tokenizer) not in ("character", "atomic")


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
        check(config)
        if backbone is None:
            backbone = new_encoder(config.backbone_config)
        if getattr(backbone, "pooler", None) is not None:
            backbone.pooler = None  # never used here, and not every checkpoint has its weights
        self.backbone = backbone
        strands = 2 if config.context == "both_strands" else 1
        dim = self.backbone.config.hidden_size * strands
        self.layers = layer_numbers(config.layers, depth_of(backbone))
        self.mix = None
        if self.layers and config.head == "linear":
            dim *= len(self.layers)
        elif self.layers:
            parts = 2 if self.pools_first and config.pooling == "mean_max" else 1
            self.mix = LayerMix(len(self.layers), backbone.config.hidden_size, strands, parts)
        skip = BASES if config.skip == "onehot" else 0
        if config.head == "conv":
            self.head = ConvHead(dim, config.hidden, config.kernel, config.dropout, skip, config.depth)
        elif config.head == "linear":
            self.head = LinearHead(dim, config.n_outputs, config.pooling)
        else:
            self.head = pooled_head(dim, config, skip)
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
        if backbone.dtype in (torch.float16, torch.bfloat16):  # as some are published; a head learns in 32 bits
            backbone.float()
            backbone.config.dtype = torch.float32
        if options.get("context") == "both_strands":
            other = reads_other_text(tokenizer, options)  # atomic tokens have no complement, which is told
            options["complement"] = "text" if other else complement_ids(tokenizer).tolist()
        if options.get("target", "track") == "track" and kind_of(tokenizer) not in ONE_BASE:
            options["by_base"] = True
        elif options.get("skip") == "onehot":
            options["token_bases"] = bases_of_tokens(tokenizer, backbone.config.vocab_size)
        if options.get("special_tokens") == "left_out":
            options["special_ids"] = special_ids(tokenizer).tolist()
        padding = nothing_id(tokenizer) if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        options = {"padding": padding, "tokens_alone": True} | options
        model = cls(BackboneConfig(backbone_config=backbone.config.to_dict(), **options), backbone)
        model.tokenizer = tokenizer
        check_first(model)
        return model

    @classmethod
    def with_own_code(cls, config, folder):
        """As the class itself, with an encoder whose code lies in a folder that the caller trusts."""
        return cls(config, new_encoder(config.backbone_config, folder))

    @property
    def reads_texts(self):
        """Whether a row of ids holds two texts: the sequence and, from its middle on, its reverse complement."""
        return self.config.complement == "text" and self.config.context == "both_strands"

    def encode(self, sequences):
        """Token ids (N, T), uint8 or int32; (N, 2 T) where `reads_texts`; packed where values are `by_base`.

        What is more than the encoder can read is cut, which is logged. Of a text that is cut the other strand is read
        from its own beginning, which is the sequence's end.
        """
        longest = longest_input(self.backbone, self.tokenizer)
        if self.config.by_base:
            return pack(self.tokenizer, list(sequences), self._n_strands == 2, longest)
        sequences, n = list(sequences), len(sequences)
        texts = [*sequences, *map(reverse_complement, sequences)] if self.reads_texts else sequences
        ids = encode_batch(self.tokenizer, spelled(self.tokenizer, texts), length=self.config.length)
        ids = torch.from_numpy(ids)
        if longest is not None and ids.shape[1] > longest:
            if self.config.target == "track":
                raise InputError(
                    "sequence", f"has {ids.shape[1]} tokens, the backbone reads {longest}", "cut it into windows"
                )
            cut = int(self.known(ids[:, longest:]).any(1).view(-1, n).any(0).sum())  # either of its texts
            log.warning("%d of %d sequences are cut to %d tokens", cut, n, longest)
            ids = ids[:, :longest]
        if not self.reads_texts:
            return ids
        return torch.cat([ids[:n], ids[n:]], 1)

    @property
    def _n_strands(self):
        return 2 if self.config.context == "both_strands" else 1

    def positions(self, X):
        """Values that a track has, from `encode`'s ids."""
        if self.config.by_base:
            return bases(X, self._n_strands)
        return X.shape[1] // (2 if self.reads_texts else 1)

    def token_counts(self, X):
        """Tokens of each sequence, from `encode`'s ids: (N,), of the longer strand."""
        if self.config.by_base:
            return torch.stack([self._inside(ids).sum(1) for ids in unpack(X, self._n_strands).ids]).amax(0)
        strands = X.chunk(2, 1) if self.reads_texts else [X]
        return torch.stack([self.known(ids).sum(1) for ids in strands]).amax(0)

    @property
    def pools_first(self):
        """Whether the head reads pooled features; else it is trained on those of every token."""
        config = self.config
        return config.head != "conv" and config.pooling in POOLINGS and not config.before_pooling

    def features(self, X, pooled=False):
        """What the head reads: (N, T, D), or (N, D) when `pooled`.

        D is S K E: strands, layers (normalised, not yet mixed) and width; 4 more for a one-hot skip.

        Where nothing is known, features of a head that pools are zeros.

        Parameters
        ----------
        X : integer tensor (N, T), or (N, 2 T), as `encode` gives it
            Ids outside the vocabulary are nothing (an N, padding).
        """
        if self.config.by_base:
            return self.spread(self.token_features(X), X)
        strands, turn = self.strands(X.long())
        # No graph is kept for an encoder that is not trained.
        with contextlib.nullcontext() if self._trained else torch.no_grad():
            states = [self._encode(ids, self.known(ids)) for ids in strands]
            return self.join(states, strands, turn, pooled)

    def spread(self, states, X):
        """What the head reads, see `features`, from the tokens' features: they go to each base a token stands for."""
        return features_of_bases(states, X, self._n_strands, self.config.skip == "onehot")

    def token_features(self, X):
        """Features (N, S T, K E) of the tokens of a packed input, of one strand after the other."""
        with contextlib.nullcontext() if self._trained else torch.no_grad():
            return torch.cat([self._encode(ids, self._inside(ids)) for ids in unpack(X, self._n_strands).ids], 1)

    def strands(self, X):
        """Ids (N, T) of each strand that is read, and the positions (N, T) that turn the second one round.

        Turning leaves padding on the right. There is one strand, and None, in a forward context.
        """
        if self.config.context != "both_strands":
            return [X], None
        X, other = X.chunk(2, 1) if self.reads_texts else (X, None)
        known = self.known(X)
        positions = torch.arange(X.shape[1], device=X.device)
        size = (positions.where(known, -1).amax(1) + 1).unsqueeze(1)
        turn = torch.where(positions < size, size - 1 - positions, positions)
        if other is None:
            partner = torch.tensor(self.config.complement, device=X.device)
            other = torch.where(known, partner[X.where(known, 0)], X).gather(1, turn)
        return [X, other], turn

    def join(self, states, strands, turn, pooled=False):
        """What the head reads, see `features`, from each strand's states (N, T, K E) and ids."""
        if pooled:
            parts = [self.head.pool(x, self._pooled(ids)) for x, ids in zip(states, strands, strict=True)]
        else:
            parts = [states[0], *(x.gather(1, turn.unsqueeze(-1).expand_as(x)) for x in states[1:])]
            if self.config.head != "conv":
                parts = [x * self._pooled(strands[0]).unsqueeze(-1) for x in parts]
            if self.config.skip == "onehot":
                parts.append(self._one_hot(strands[0]).to(states[0].dtype))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    def forward(self, X):
        """Predictions, see `seqlm.models.base`.

        Parameters
        ----------
        X : integer tensor of token ids, as `encode` gives it
            Or floating: what `features` gave for them, (N, T, D) or pooled (N, D).
        """
        return self.head(*self.read(X))

    def read(self, X):
        """What the head is given, from ids or what `features` gave for them: features, and what belongs to them."""
        X, shown = self.parts(X)
        beside = (X.ne(0).any(-1), *shown) if X.dim() == 3 and self.config.head != "conv" else shown
        return X if self.mix is None else self.mix(X), *beside

    def parts(self, X):
        """Input of the mix or head, and what the skip shows, from ids or what `features` gave for them."""
        if not X.is_floating_point():
            X = self.features(X, pooled=self.pools_first)
        return (X[..., :-BASES], (X[..., -BASES:],)) if self.config.skip == "onehot" else (X, ())

    def known(self, ids):
        """Where `ids` (N, T) hold a token: (N, T) bool."""
        known, padding = self._inside(ids), self.config.padding
        if padding is None:
            padding = self.backbone.config.pad_token_id
        return known if padding is None else known & (ids != padding)

    def _inside(self, ids):
        """Where `ids` are in the vocabulary."""
        ids = ids.long()  # torch cannot compare the 16-bit ids of larger vocabularies
        return (ids >= 0) & (ids < self.backbone.config.vocab_size)

    def _pooled(self, ids):
        """Where `ids` hold a token that counts when tokens are pooled."""
        if not self.config.special_ids:
            return self.known(ids)
        return self.known(ids) & ~torch.isin(ids, torch.tensor(self.config.special_ids, device=ids.device))

    def train(self, mode=True):
        """As usual, but what is frozen stays in evaluation mode: its dropout is off."""
        super().train(mode)
        if mode:
            for module in self.backbone.modules():
                module.training = module in self._trained
        return self

    def chosen(self, hidden):
        """States (N, T, K E) out of those of layers 0 to n; the last as it is when no layers are named."""
        return hidden[-1] if self.layers is None else side_by_side(hidden, self.layers)

    def _encode(self, X, known):
        """States (N, T, K E) of one strand."""
        options = {} if self.layers is None else {"output_hidden_states": True}
        if isinstance(self.backbone, GPTModel):  # treats nothing as nothing itself, and never looks at what follows
            return self._states(self.backbone(X, **options), X)

        def run(ids, known):
            ids = ids.where(known, own_padding(self.backbone.config))
            return self._states(self.backbone(ids, attention_mask=known.long(), **options), ids)

        return in_batch(self.backbone, run, X, known)

    def _states(self, output, ids):
        """States (N, T, K E) of the layers that are read, from what the encoder gives for ids."""
        if self.layers is None:
            return output.last_hidden_state
        left_out = leaves_out_first(self.backbone)
        embedded = embedding_of(self.backbone, ids) if self.config.tokens_alone or left_out else None
        hidden = states_by_layer(output, depth_of(self.backbone), embedded, left_out)
        if hidden is None:
            kind = self.backbone.config.model_type
            raise InputError("layers", f"a {kind} does not give the states of its layers", "use layers: last")
        return self.chosen(hidden)

    def _one_hot(self, X):
        """(N, T, 4), zero where there is no base."""
        known = self.known(X)
        codes = torch.tensor(self.config.token_bases, device=X.device)[X.where(known, 0)].where(known, NO_BASE)
        return nn.functional.one_hot(codes, BASES + 1)[..., :BASES]

    def _freeze(self):
        """Switch gradients off where nothing is trained; the set of encoder modules that are."""
        how, modules = self.config.train, set()
        if how == "all":
            modules = set(self.backbone.modules())
        elif how != "head":
            layers = layers_of(self.backbone)
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
