"""Small random models of published families, laid out as their authors have published them.

Weights come from transformers' own classes; configs, tokenizers and other files are edited to what is on the hub: a
config that does not say its type, a vocabulary that is one list of words, weights in pieces, code beside the model,
pickled weights. ``FAMILIES`` makes each: a function of a folder, which returns what the tests know of the model.
"""

import itertools
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from small_models import _TEXT
from stock_models import letters_tokenizer, scaled, stock_model
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from seqlm.models.language.families.bert import VariantConfig, VariantForMaskedLM
from seqlm.models.language.families.caduceus import CaduceusConfig, CaduceusForMaskedLM
from seqlm.models.language.families.esm import GatedEsmForMaskedLM, esm_config
from seqlm.models.language.families.hyena import HyenaConfig, HyenaForCausalLM
from seqlm.tokenization.bpe import bpe_tokenizer
from seqlm.tokenization.kmer import kmer_tokenizer, kmer_vocabulary

FAMILIES = {}
_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ESM_NAMES = {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<cls>"}


@dataclass
class Published:
    """What is known of a published model.

    Attributes
    ----------
    model : PreTrainedModel
        As it was before it was published; None where its class is not one of transformers'.
    write : callable
        A sequence of bases as the family's documentation says to write it.
    licence : str
    needs : dict
        Options of loading it.
    step : int
        The number of bases must be a multiple of this.
    """

    model: object
    write: object = str
    licence: str = "unknown"
    needs: dict = field(default_factory=dict)
    step: int = 1


def family(name):
    def keep(make):
        FAMILIES[name] = make
        return make

    return keep


def edit(folder, file, remove=(), **changes):
    path = Path(folder) / file
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if key not in remove}))


def add_weights(folder, *names):
    """What older versions of transformers have saved besides."""
    from safetensors.torch import load_file, save_file

    path = Path(folder) / "model.safetensors"
    save_file(load_file(path) | {name: torch.zeros(8, 8) for name in names}, path, {"format": "pt"})


def card(folder, licence):
    (Path(folder) / "README.md").write_text(f"---\nlicense: {licence}\ntags: [dna]\n---\n# A model\n")


def word_list(folder, words, tokenizer_class, **settings):
    """A Python tokenizer: a list of words and the name of a class."""
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class, **settings}))


def esm_words(folder, k, longest):
    """The Nucleotide Transformer's tokenizer: no token at the end, and special ones in a file of their own."""
    word_list(folder, kmer_vocabulary(k), "EsmTokenizer", model_max_length=longest, eos_token=None)
    (folder / "special_tokens_map.json").write_text(json.dumps(_ESM_NAMES))


def spaced(k):
    return lambda sequence: " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))


@family("nucleotide-transformer-v2")
def nt_v2(folder, k=6):
    """Its config has auto_map and no model_type; weights hold positions and a contact head that nobody reads."""
    torch.manual_seed(0)
    model = GatedEsmForMaskedLM(esm_config(kmer_tokenizer(k), 2, 4, 32, gated=True)).eval()
    model.save_pretrained(folder)
    old = ("embeddings.position_embeddings.weight", "embeddings.position_ids", "pooler.dense.weight",
           "encoder.layer.0.attention.self.rotary_embeddings.inv_freq")  # fmt: skip
    add_weights(folder, *(f"esm.{name}" for name in old), "lm_head.extra.weight")
    code = {"AutoConfig": "esm_config.EsmConfig", "AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}
    edit(folder, "config.json", remove=["model_type"], architectures=["EsmForMaskedLM"], auto_map=code,
         rescaling_factor=None, esmfold_config=None, is_folding_model=False, vocab_list=None)  # fmt: skip
    (folder / "modeling_esm.py").write_text("raise SystemExit('remote code ran')")
    esm_words(folder, k, 2048)
    card(folder, "cc-by-nc-sa-4.0")
    return Published(model, licence="cc-by-nc-sa-4.0")


@family("nucleotide-transformer-v1")
def nt_v1(folder):
    """Weights in pieces with an index, absolute positions."""
    model = stock_model("esm", 4107, position_embedding_type="absolute", max_position_embeddings=66, mask_token_id=2)
    model.save_pretrained(folder, max_shard_size="100KB")
    assert (folder / "model.safetensors.index.json").is_file()
    esm_words(folder, 6, 64)
    card(folder, "cc-by-nc-sa-4.0")
    return Published(model, licence="cc-by-nc-sa-4.0")


@family("agro-nt")
def agro_nt(folder):
    model = stock_model("esm", 4107, mask_token_id=2)
    model.save_pretrained(folder)
    esm_words(folder, 6, 1024)
    return Published(model)


@family("dnabert-1")
def dnabert_1(folder, k=6):
    """Overlapping words with spaces between them, found in a list."""
    words = [*_BERT, *map("".join, itertools.product("ATCG", repeat=k))]
    model = stock_model("bert", len(words), pad_token_id=0)
    model.save_pretrained(folder)
    word_list(folder, words, "BertTokenizer", do_lower_case=False, model_max_length=512)
    return Published(model, spaced(k))


@family("splicebert")
def splicebert(folder):
    """Letters with spaces between them."""
    model = stock_model("bert", 10, pad_token_id=0, max_position_embeddings=1026)
    model.save_pretrained(folder)
    word_list(folder, [*_BERT, *"NACGT"], "BertTokenizer", do_lower_case=False, model_max_length=1024)
    card(folder, "bsd-3-clause")
    return Published(model, spaced(1), "bsd-3-clause")


@family("rna-letters")
def rna_letters(folder):
    """An RNA vocabulary, in which T is unknown; the model's config calls another id padding."""
    model = stock_model("roberta", pad_token_id=1)
    model.save_pretrained(folder)
    letters_tokenizer("ACGUN").save_pretrained(folder)
    card(folder, "mit")
    return Published(model, lambda sequence: sequence.replace("T", "U"), "mit")


@family("lower-case")
def lower_case(folder):
    model = stock_model("electra")
    model.save_pretrained(folder)
    letters_tokenizer("acgtn").save_pretrained(folder)
    return Published(model, str.lower)


def byte_pairs(folder, stock, size=40, **settings):
    tokenizer = bpe_tokenizer(_TEXT, size)
    model = stock_model(stock, len(tokenizer), **settings)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edit(folder, "tokenizer_config.json", remove=["seqlm"])
    return Published(model)


def variant_of_bert(folder, said, **how):
    """A BERT that is not transformers', whose config says that it is and has code beside it."""
    tokenizer = bpe_tokenizer(_TEXT, 40)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = scaled(VariantForMaskedLM(VariantConfig(vocab_size=len(tokenizer), **size, **how)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    code = {"AutoConfig": "configuration_bert.BertConfig", "AutoModelForMaskedLM": "bert_layers.BertForMaskedLM"}
    edit(folder, "config.json", remove=[*how, "last_norm", "gated", "position_embedding_type"],
         architectures=["BertForMaskedLM"], auto_map=code, model_type="bert", **said)  # fmt: skip
    edit(folder, "tokenizer_config.json", remove=["seqlm"])
    (folder / "bert_layers.py").write_text("raise SystemExit('remote code ran')")
    return model


@family("dnabert-2")
def dnabert_2(folder):
    """Distances instead of positions, gated layers."""
    model = variant_of_bert(folder, {"alibi_starting_size": 512}, alibi=True, gated=True)
    card(folder, "apache-2.0")
    return Published(model, licence="apache-2.0")


@family("gena-lm")
def gena_lm(folder):
    """Norms before the layers."""
    return Published(variant_of_bert(folder, {"pre_layer_norm": True}, pre_norm=True))


@family("hyenadna")
def hyenadna(folder):
    """A config of other names than everywhere, a tokenizer that is a class in Python and nothing else."""
    torch.manual_seed(0)
    model = HyenaForCausalLM(HyenaConfig(d_model=16, d_inner=32, max_seq_len=130, filter_order=8, activation_freq=2))
    scaled(model).save_pretrained(folder)
    code = {"AutoConfig": "configuration_hyena.HyenaConfig", "AutoModel": "modeling_hyena.HyenaDNAModel",
            "AutoModelForCausalLM": "modeling_hyena.HyenaDNAForCausalLM"}  # fmt: skip
    edit(folder, "config.json", architectures=["HyenaDNAForCausalLM"], auto_map=code, model_type="hyenadna",
         train_freq=True, use_bias=True, bidirectional=False, hyena_filter_dropout=0.0)  # fmt: skip
    own = {"auto_map": {"AutoTokenizer": ["tokenization_hyena.HyenaDNATokenizer", None]}}
    settings = {"tokenizer_class": "HyenaDNATokenizer", "model_max_length": 128, "padding_side": "left", **own}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"characters": list("ACGTN")}))
    for name in ("modeling", "tokenization"):
        (folder / f"{name}_hyena.py").write_text("raise SystemExit('remote code ran')")
    card(folder, "bsd-3-clause")
    return Published(model, licence="bsd-3-clause")


def caduceus(folder, **variant):
    """Two Mambas in each block; no word of padding that a direction would begin with."""
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=16, n_layer=2, ssm_cfg={"d_state": 4, "d_conv": 4, "expand": 2}, **variant)
    model = scaled(CaduceusForMaskedLM(config))
    model.save_pretrained(folder)
    code = {"AutoConfig": "configuration_caduceus.CaduceusConfig", "AutoModel": "modeling_caduceus.Caduceus",
            "AutoModelForMaskedLM": "modeling_caduceus.CaduceusForMaskedLM"}  # fmt: skip
    if config.complement_map:
        variant["complement_map"] = {str(id): other for id, other in enumerate(config.complement_map)}
    edit(folder, "config.json", remove=["hidden_size", "tie_word_embeddings"], auto_map=code, model_type="caduceus",
         residual_in_fp32=True, initializer_cfg={"initializer_range": 0.02}, **variant)  # fmt: skip
    own = {"auto_map": {"AutoTokenizer": ["tokenization_caduceus.CaduceusTokenizer", None]}}
    settings = {"tokenizer_class": "CaduceusTokenizer", "model_max_length": 1024, "padding_side": "left", **own}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"characters": list("ACGTN")}))
    (folder / "modeling_caduceus.py").write_text("raise SystemExit('remote code ran')")
    card(folder, "apache-2.0")
    return Published(model, licence="apache-2.0")


@family("caduceus-ph")
def caduceus_ph(folder):
    return caduceus(folder)


@family("caduceus-ps")
def caduceus_ps(folder):
    """Both strands in one state."""
    return caduceus(folder, rcps=True, complement_map=[*range(7), 10, 9, 8, 7, *range(11, 16)])


@family("grover")
def grover(folder):
    return byte_pairs(folder, "bert")


@family("moderngena")
def moderngena(folder):
    return byte_pairs(folder, "modernbert", pad_token_id=1)


@family("genomeocean")
def genomeocean(folder):
    return byte_pairs(folder, "mistral")


@family("mistral-dna")
def mistral_dna(folder):
    return byte_pairs(folder, "mixtral")


@family("plant-dnamamba")
def plant_dnamamba(folder):
    """No padding token; the config calls A padding."""
    model = stock_model("mamba", 300, pad_token_id=5)
    model.save_pretrained(folder)
    tokenizer = letters_tokenizer(special=False)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    return Published(model)


@family("plant-dnagpt-6mer")
def plant_dnagpt(folder, k=6):
    """6-mers without single letters: a rest becomes <oov>."""
    words = ["<pad>", "<oov>", *map("".join, itertools.product("ACGT", repeat=k))]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<oov>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(f".{{{k}}}|.+"), "removed", invert=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>")
    model = stock_model("gpt2", len(words))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Published(model, step=k)


@family("codon-t5")
def codon_t5(folder):
    """A decoder that nobody needs, and a tokenizer that ends sequences."""
    model = stock_model("t5")
    model.save_pretrained(folder)
    tokenizer = letters_tokenizer(special=False)
    core = tokenizer.backend_tokenizer
    core.post_processor = processors.TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", eos_token="[SEP]"
    ).save_pretrained(folder)
    return Published(model)


HYENA_CONFIG = """
from transformers import PretrainedConfig
class HyenaConfig(PretrainedConfig):
    model_type = "hyena-of-authors"
    def __init__(self, vocab_size=12, d_model=24, n_layer=2, **kwargs):
        self.vocab_size, self.d_model, self.n_layer = vocab_size, d_model, n_layer
        super().__init__(**kwargs)
"""
HYENA_MODEL = """
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput
from .configuration_hyena import HyenaConfig
class HyenaBase(PreTrainedModel):
    config_class, base_model_prefix = HyenaConfig, "hyena"
    def _init_weights(self, module):
        pass
class HyenaModel(HyenaBase):
    def __init__(self, config):
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(nn.Linear(config.d_model, config.d_model) for _ in range(config.n_layer))
        self.post_init()
    def get_input_embeddings(self):
        return self.wte
    def forward(self, input_ids=None, attention_mask=None, output_hidden_states=False, **_):
        x, hidden = self.wte(input_ids), []
        for layer in self.layers:
            hidden.append(x)
            x = x + torch.tanh(layer(x.cumsum(1)))
        return BaseModelOutput(last_hidden_state=x, hidden_states=(*hidden, x) if output_hidden_states else None)
class HyenaForCausalLM(HyenaBase):
    def __init__(self, config):
        super().__init__(config)
        self.hyena, self.lm_head = HyenaModel(config), nn.Linear(config.d_model, config.vocab_size)
        self.post_init()
    def get_output_embeddings(self):
        return self.lm_head
    def forward(self, input_ids=None, attention_mask=None, **options):
        return CausalLMOutput(logits=self.lm_head(self.hyena(input_ids).last_hidden_state))
"""
HYENA_TOKENIZER = """
from transformers import PreTrainedTokenizer
class HyenaTokenizer(PreTrainedTokenizer):
    model_input_names = ["input_ids"]
    def __init__(self, characters="ACGTN", model_max_length=1024, **kwargs):
        self.characters = characters
        names = ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]"]
        self._ids = {name: i for i, name in enumerate([*names, *characters])}
        kwargs = {"sep_token": "[SEP]", "cls_token": "[CLS]", "pad_token": "[PAD]", "unk_token": "[UNK]"} | kwargs
        super().__init__(characters=characters, model_max_length=model_max_length, **kwargs)
    @property
    def vocab_size(self):
        return len(self._ids)
    def get_vocab(self):
        return dict(self._ids)
    def _tokenize(self, text, **_):
        return list(text)
    def _convert_token_to_id(self, token):
        return self._ids.get(token, self._ids["[UNK]"])
    def _convert_id_to_token(self, index):
        return {i: name for name, i in self._ids.items()}[index]
    def build_inputs_with_special_tokens(self, first, second=None):
        return [*first, self._ids["[SEP]"]]
    def save_vocabulary(self, save_directory, filename_prefix=None):
        return ()
"""

# A package that brings a class: `mine`, a BERT.
PACKAGE = """
from transformers import AutoConfig, AutoModel, BertConfig, BertModel
class MineConfig(BertConfig):
    model_type = "mine"
class MineModel(BertModel):
    config_class = MineConfig
AutoConfig.register("mine", MineConfig, exist_ok=True)
AutoModel.register(MineConfig, MineModel, exist_ok=True)
"""


@family("own-code")
def own_code(folder):
    """Code of its own, model and tokenizer; a config that says d_model."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    for name, text in (("configuration", HYENA_CONFIG), ("modeling", HYENA_MODEL), ("tokenization", HYENA_TOKENIZER)):
        (folder / f"{name}_hyena.py").write_text(text)
    torch.manual_seed(0)
    cls = get_class_from_dynamic_module("modeling_hyena.HyenaForCausalLM", str(folder))
    model = cls(cls.config_class()).eval()
    model.save_pretrained(folder)
    auto = {"AutoConfig": "configuration_hyena.HyenaConfig", "AutoModel": "modeling_hyena.HyenaModel",
            "AutoModelForCausalLM": "modeling_hyena.HyenaForCausalLM"}  # fmt: skip
    edit(folder, "config.json", architectures=["HyenaForCausalLM"], auto_map=auto)
    own = {"auto_map": {"AutoTokenizer": ["tokenization_hyena.HyenaTokenizer", None]}}
    settings = {"tokenizer_class": "HyenaTokenizer", "model_max_length": 1024, **own}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    card(folder, "bsd-3-clause")
    return Published(model, licence="bsd-3-clause", needs={"trust_remote_code": True})


@family("generator")
def generator(folder):
    """A stock Llama, whose tokenizer has code of its own."""
    model = stock_model("llama")
    model.save_pretrained(folder)
    (folder / "tokenization_hyena.py").write_text(HYENA_TOKENIZER)
    own = {"auto_map": {"AutoTokenizer": ["tokenization_hyena.HyenaTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "HyenaTokenizer", **own}))
    return Published(model, needs={"trust_remote_code": True})


def unsaid_gena_lm(folder):
    """A BERT that normalises before its layers, and does not say so: not the weights of the class that it names."""
    from safetensors.torch import load_file, save_file

    byte_pairs(folder, "bert")
    path = folder / "model.safetensors"
    state, pre = load_file(path), ("attention.output.LayerNorm", "pre_attention_ln")
    state = {name.replace(*pre).replace("output.LayerNorm", "post_attention_ln"): x for name, x in state.items()}
    save_file(state, path, {"format": "pt"})
    code = {"AutoModel": "modeling_bert.BertModel", "AutoModelForMaskedLM": "modeling_bert.BertForMaskedLM"}
    edit(folder, "config.json", auto_map=code)


def pickled(folder):
    """Weights as of old: readable only by running whatever they hold."""
    model = byte_pairs(folder, "bert").model
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
