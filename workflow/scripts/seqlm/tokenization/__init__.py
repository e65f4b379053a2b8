"""From sequences to ids and back: one module per kind of tokenizer. No network enters here."""

from seqlm.tokenization.tokenizer import (
    KINDS,
    complement_ids,
    encode_batch,
    id_type,
    kind_of,
    learn_tokenizer,
    load_tokenizer,
    nothing_id,
    save_tokenizer,
    spelled,
    token_rows,
)

__all__ = [
    "KINDS",
    "complement_ids",
    "encode_batch",
    "id_type",
    "kind_of",
    "learn_tokenizer",
    "load_tokenizer",
    "nothing_id",
    "save_tokenizer",
    "spelled",
    "token_rows",
]
