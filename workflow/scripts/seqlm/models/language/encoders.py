"""What an encoder of any family is asked for: its blocks, how many it runs, its padding, the longest input it reads."""

from torch import nn


def layers_of(backbone):
    """The encoder's blocks, lowest first."""
    return max((m for m in backbone.modules() if isinstance(m, nn.ModuleList)), key=len, default=nn.ModuleList())


def own_padding(config):
    """The id that an encoder's config calls padding, to stand under the mask: some count positions from it."""
    padding = config.pad_token_id or 0
    return padding if 0 <= padding < config.vocab_size else 0


def depth_of(backbone):
    """How many blocks the encoder runs: more than it has where they share weights (ALBERT)."""
    return max(len(layers_of(backbone)), getattr(backbone.config, "num_hidden_layers", None) or 0)


def longest_input(network, tokenizer):
    """Tokens that tokenizer and network take at most; None when they do not say."""
    config = network.config
    limits = [tokenizer.model_max_length if tokenizer.model_max_length < 10**9 else None]
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "block_size", None)
    if positions and getattr(config, "position_embedding_type", None) not in ("rotary", "alibi"):
        limits.append(positions - _offset(network, positions))
    return min((limit for limit in limits if limit), default=None)


def _offset(network, positions):
    """How many of the positions come before the first token: RoBERTa's way of counting begins after the padding id."""
    for name, module in network.named_modules():
        if (
            name.endswith("position_embeddings")
            and isinstance(module, nn.Embedding)
            and module.num_embeddings == positions
        ):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0
