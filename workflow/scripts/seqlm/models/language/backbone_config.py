"""The settings of a model on a backbone, as its bundle keeps them."""

from seqlm.models.base import SequenceConfig
from seqlm.models.language.gpt import GPTConfig


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
    complement : list of int or "text", optional
        For "both_strands": the id of each token's reverse complement (`seqlm.tokenization.complement_ids`), or that
        the text is reverse-complemented.
    layers : "last", "all" or list of int
        The last layer as it is, or these layers (0 is the embedding) normalised and mixed by learned weights; a linear
        head gets them side by side, since it weighs each feature itself.
    skip : {"none", "onehot"}
        "onehot" shows the head's first convolution the base itself, beside the features.
    token_bases : list of int, optional
        Base code of each token (4: not a base), for the skip.
    depth : int
        Convolutions of a conv head.
    before_pooling : int
        Convolutions of a pooled head, over the tokens' features before they are pooled.
    tokens_alone : bool
        Layer 0 is the embedding of each token alone. When missing (older bundles), with its place where the encoder
        adds one.
    padding : int, optional
        Id that stands for no token: the tokenizer's padding, or one that it never gives. What the encoder's config
        calls padding may be another, even one of a base. When missing (older bundles), the encoder's.
    by_base : bool
        The tokens are not the bases, one by one: a track's value is predicted from the tokens over its base.
    special_tokens : {"pooled", "left_out"}
        Whether those around a sequence count where tokens are pooled.
    special_ids : list of int, optional
        Their ids, where they are left out.
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
        layers="last",
        skip="none",
        token_bases=None,
        depth=1,
        padding=None,
        by_base=False,
        special_tokens="pooled",
        special_ids=None,
        before_pooling=0,
        tokens_alone=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.backbone_config = backbone_config or GPTConfig().to_dict()
        self.head = head
        self.hidden = hidden
        self.kernel = kernel
        self.dropout = dropout
        self.pooling = pooling
        self.context = context
        self.train = train
        self.complement = complement
        self.layers = layers
        self.skip = skip
        self.token_bases = token_bases
        self.depth = depth
        self.padding = padding
        self.by_base = by_base
        self.special_tokens = special_tokens
        self.special_ids = special_ids
        self.before_pooling = before_pooling
        self.tokens_alone = tokens_alone
