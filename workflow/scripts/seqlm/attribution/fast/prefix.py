"""Leave-one-out for causal backbones: what lies before an edit keeps its keys and values.

A causal transformer's states up to an edit do not depend on it. So the keys and values of every sequence are computed
once, and each edited copy runs from its first changed token on; on average that is half of the work. Copies with
nearby edits are grouped, so that batches stay dense, and start together at the group's first changed token. The first
layer's projections depend on token and position alone and are looked up in a table.

With both strands the reverse complement of a copy changes from the mirrored position on; its common prefix with the
original's reverse complement is kept in the same way. The head runs only where its window can see a change.

Letters: n sequences of T tokens, M copies, H heads, E width, K layers that the model's head reads, V vocabulary, a
first token that is computed.
"""

import torch
import torch.nn.functional as F
from torch import nn

from seqlm.attribution.shift import edited_copies

# Tokens in a batch of copies.
TOKENS_IN_BATCH = {"cpu": 2**11, "cuda": 2**18}


class Prefix:
    """Predictions of a `BackboneModel` on a GPT core and differences of edits; see `loo.Reference` for the call."""

    def __init__(self, run, inputs):
        self.run, self.model, self.inputs = run, run.model, inputs
        self.both = self.model.config.context == "both_strands"
        self.conv = self.model.config.head == "conv"
        # A pooled head with convolutions: those, too, need only what an edit can reach.
        self.convolves = not self.both and getattr(self.model.head, "convolutions", None) is not None

    @staticmethod
    def supports(model):
        """Our GPT core with plain layers (an adapter inside would be passed by) under our head."""
        from seqlm.models.language.backbone import BackboneModel
        from seqlm.models.language.gpt import Block, GPTModel

        if type(model) is not BackboneModel or type(model.backbone) is not GPTModel or model.reads_texts:
            return False
        blocks = model.backbone.blocks
        layers = [layer for block in blocks for layer in (block.attention.qkv, block.attention.projection)]
        return all(type(block) is Block for block in blocks) and all(type(layer) is nn.Linear for layer in layers)

    def __call__(self, X, row, position, choice, weights=None):
        device = self.run.device
        X, blank, columns = (t.to(device).long() for t in (X, self.inputs.blank, self.inputs.columns))
        order = position.argsort(stable=True)
        row, position, choice = (t[order].to(device) for t in (row, position, choice))
        weights = None if weights is None else weights.to(device)
        with self.run.context():
            texts, turn = self.model.strands(X)
            ids = torch.cat([X.flatten(), columns.flatten(), blank.view(1)]).unique()
            strands = [_Strand(self.model, X, ids)]
            if self.both:
                ids = torch.cat([ids, texts[1].flatten(), self._complement(ids)]).unique()
                strands.append(_Strand(self.model, texts[1], ids))
            states = [strand.features for strand in strands]
            prediction = self._read(states, texts, turn)
            self.whole = self._convolved(states, texts) if self.convolves else None
            delta = [prediction.new_zeros(0, *prediction.shape[1:] if weights is None else ()).double()]
            start = 0
            while start < len(row):
                # Sorted by position, the edits of a batch change almost the same stretch of tokens.
                length = X.shape[1] - (0 if self.both else int(position[start]))
                chunk = slice(start, start + max(1, TOKENS_IN_BATCH[device.type] // length))
                column = None if self.inputs.edit == "remove" else columns[choice[chunk]]
                copies = edited_copies(X, row[chunk], position[chunk], column, blank)
                y, first = self._predict(strands, copies, row[chunk])
                original = prediction[row[chunk]]
                difference = y.double() - (original[:, first:] if self.conv else original)
                if weights is not None:
                    difference = (difference * weights[row[chunk], first:]).sum(1)
                elif self.conv:
                    difference = F.pad(difference, (first, 0))
                delta.append(difference)
                start = chunk.stop
        return prediction.double().cpu(), torch.cat(delta)[order.argsort()].cpu()

    def _predict(self, strands, copies, row):
        """Predictions for edited copies and the first position of a track that they cover."""
        texts, turn = self.model.strands(copies)
        found = [strand.copies(ids, row) for strand, ids in zip(strands, texts, strict=True)]
        states = [states for states, _ in found]
        if self.both or not (self.conv or self.convolves):
            return self._read(states, texts, turn), 0
        before, behind = (self.model.head if self.conv else self.model.head.convolutions).sees
        first = max(0, found[0][1] - behind)
        seen = max(0, first - before)
        changed = [states[0][:, seen:]], [copies[:, seen:]]
        if self.conv:
            return self._read(*changed, None)[:, first - seen :], first
        old, new = (tensor[row, :first] for tensor in self.whole), self._convolved(*changed)
        x, known = (torch.cat([a, b[:, first - seen :]], 1) for a, b in zip(old, new, strict=True))
        return self.model.head.read(self.model.head.pool(x, known)), 0

    def _convolved(self, states, texts):
        """What a pooled head pools, (M, T, hidden), and where tokens count, (M, T), from one strand's states."""
        x, known, *shown = self.model.read(self.model.join(states, texts, None))
        return self.model.head.convolved(x, known, *shown), known

    def _read(self, states, texts, turn):
        """Predictions from each strand's states and ids."""
        return self.model(self.model.join(states, texts, turn, pooled=self.model.pools_first))

    def _complement(self, ids):
        partner = torch.tensor(self.model.config.complement, device=ids.device)
        return partner[ids[ids < len(partner)]]


class _Strand:
    """A model's states for sequences, kept so that copies can start in their midst."""

    def __init__(self, model, X, ids):
        self.model, self.core, self.X, self.ids = model, model.backbone, X, ids
        core = self.core
        T = X.shape[1]
        x = core.embed_tokens(ids)[:, None] + core.wpe.weight[:T]  # (ids, T, E): each token at each position
        self.table = core.blocks[0].attention.qkv(core.blocks[0].norm_1(x))
        self.keys = []
        self.features = self._states(X, None, 0)

    def copies(self, X, row):
        """States (M, T, K E) of copies of sequences `row`, and the first token at which any of them differs."""
        T = X.shape[1]
        changed = (self.X[row] != X).int()
        first = torch.where(changed.any(1), changed.argmax(1), T - 1).min()
        a = int(first)
        return torch.cat([self.features[row, :a], self._states(X[:, a:], row, a)], 1), a

    def _states(self, X, row, a):
        """States (M, T - a, K E) of the tokens from `a` on; without `row`, keys and values are kept."""
        core, (M, T) = self.core, X.shape
        position = torch.arange(a, a + T, device=X.device)
        x = core.embed_tokens(X) + core.wpe(position)
        qkv = self.table[torch.searchsorted(self.ids, X.contiguous()), position]
        # Query t sees the a tokens before and those up to itself.
        mask = torch.ones(T, a + T, dtype=torch.bool, device=X.device).tril(a) if a else None
        hidden = []
        for layer, block in enumerate(core.blocks):
            hidden.append(x if layer or not self.model.config.tokens_alone else core.embed_tokens(X))
            if layer:
                qkv = block.attention.qkv(block.norm_1(x))
            q, k, v = qkv.view(M, T, 3, block.attention.n_head, -1).permute(2, 0, 3, 1, 4)
            if row is None:
                self.keys.append((k, v))
            else:
                k, v = (torch.cat([old[row, :, :a], new], 2) for old, new in zip(self.keys[layer], (k, v), strict=True))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and T > 1)
            x = x + block.attention.projection(y.transpose(1, 2).reshape(M, T, -1))
            x = x + block.mlp(block.norm_2(x))
        return self.model.chosen([*hidden, core.norm(x)])
