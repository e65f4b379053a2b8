"""The tokenizer of HyenaDNA and Caduceus: a letter is a token, and [SEP] stands at the end.

What is published of it is a class in Python, which code of ours must not run unasked; its ids are all that there is to
it.
"""

import json
from pathlib import Path

_CLASSES = ("HyenaDNATokenizer", "CaduceusTokenizer")
_NAMES = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]")  # ids from 0; the letters follow


def reads_letters(folder):
    """Whether the tokenizer in a folder says that it is this one, and has nothing but its class in Python."""
    folder = Path(folder)
    path = folder / "tokenizer_config.json"
    if not path.is_file() or (folder / "tokenizer.json").is_file():
        return False
    try:
        return json.loads(path.read_text()).get("tokenizer_class") in _CLASSES
    except ValueError:
        return False


def letters_tokenizer(folder):
    """A fast tokenizer with its ids.

    Parameters
    ----------
    folder : path
        Its tokenizer_config.json says how many tokens are read, and which letters there are (A, C, G, T and N).

    Returns
    -------
    PreTrainedTokenizerFast
        Padded on the right, whatever the config says: HyenaDNA looks at padding on the left.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    settings = json.loads((Path(folder) / "tokenizer_config.json").read_text())
    vocabulary = {word: id for id, word in enumerate([*_NAMES, *settings.get("characters", "ACGTN")])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    end = ("[SEP]", vocabulary["[SEP]"])
    core.post_processor = processors.TemplateProcessing(single="$A [SEP]", special_tokens=[end])
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "bos", "mask", "pad", "unk")}
    longest = settings.get("model_max_length")
    options = {"model_max_length": int(longest)} if longest else {}
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="[SEP]", **names, **options)
