"""Bundles: what is saved is what is loaded, and a spoilt bundle is one clear line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.tokenization import learn_tokenizer

SEQUENCES = ["ACGTTGCATTGACCAGTNAC", "TTGACNNA"]


def language(**options):
    torch.manual_seed(0)
    return GPTForCausalLM(GPTConfig(vocab_size=4, block_size=32, n_layer=2, n_head=2, n_embd=16, **options)).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer("character", alphabet="ACGT")


@pytest.fixture
def bundle(tmp_path):
    save_bundle(CNN(CNNConfig(filters=8, hidden=8)), tmp_path / "bundle")
    return tmp_path / "bundle"


def run(code, *arguments):
    folder = str(Path(seqlm.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("first", ["language.gpt", "language.backbone_config", "networks.cnn"])
def test_every_class_is_known_whichever_file_is_imported_first(tmp_path, first):
    core = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=20, n_layer=1, n_head=2, n_embd=8))
    model = BackboneModel.on(core, learn_tokenizer("character", alphabet="ACGT"), hidden=4, kernel=3)
    save_bundle(model, tmp_path / "b")
    code = f"""import sys, seqlm.models.{first}
from transformers import AutoModel
print(type(AutoModel.from_pretrained(sys.argv[1])).__name__)"""
    assert run(code, tmp_path / "b") == "BackboneModel"


@pytest.mark.parametrize("target", ["track", "class"])
def test_cnn_predicts_the_same_after_reload(tmp_path, target):
    model = CNN(CNNConfig(filters=8, hidden=8, target=target, n_outputs=2, classes=["no", "yes"])).eval()
    save_bundle(model, tmp_path / "b", card={"title": "A test", "Data": "made up", "Metrics": {"pearson": 0.5}})
    loaded = load_model(tmp_path / "b")
    X = model.encode(SEQUENCES)
    assert not loaded.training
    assert loaded.config.classes == ["no", "yes"]
    assert loaded.config.seqlm_version == seqlm.__version__
    assert torch.equal(loaded(X), model(X))
    card = (tmp_path / "b" / "README.md").read_text()
    assert "license: unknown" in card and "made up" in card and "| pearson | 0.5 |" in card


@pytest.mark.parametrize(
    "options",
    [{}, {"context": "both_strands"}, {"head": "pooled", "target": "scalar", "train": 1},
     {"layers": "all", "skip": "onehot"}, {"layers": [0, 2], "head": "linear", "target": "scalar"}],
)  # fmt: skip
def test_backbone_predicts_the_same_after_reload(tmp_path, tokenizer, options):
    model = BackboneModel.on(language(), tokenizer, hidden=8, **options).eval()
    save_bundle(model, tmp_path / "b")
    loaded = load_model(tmp_path / "b")
    assert torch.equal(loaded(loaded.encode(SEQUENCES)), model(model.encode(SEQUENCES)))
    assert loaded.tokenizer.init_kwargs["seqlm"] == tokenizer.init_kwargs["seqlm"]
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert [n for n, p in loaded.named_parameters() if not p.requires_grad] == frozen


def test_language_model_is_the_same_after_reload(tmp_path, tokenizer):
    model = language()
    save_bundle(model, tmp_path / "b", tokenizer)
    loaded, ids = load_model(tmp_path / "b"), torch.randint(0, 4, (2, 9))
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert loaded.lm_head.weight is loaded.network.wte.weight


@pytest.mark.parametrize(
    "order", ["import seqlm, transformers", "import transformers; transformers.AutoModel; import seqlm"]
)
def test_auto_classes_load_a_bundle_in_either_import_order(tmp_path, tokenizer, order):
    model = language()
    save_bundle(model, tmp_path / "b", tokenizer)
    code = f"""if True:
        import sys
        {order}
        from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
        model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
        core = AutoModel.from_pretrained(sys.argv[1])
        ids = AutoTokenizer.from_pretrained(sys.argv[1])("ACGTTGCA", return_tensors="pt")["input_ids"]
        assert (core(ids).last_hidden_state == model.network(ids).last_hidden_state).all()
        print(type(model).__name__, model(ids).logits.sum().item())
    """
    name, total = run(code, tmp_path / "b").split()[-2:]
    assert name == "GPTForCausalLM"
    expected = model(torch.tensor([[0, 1, 2, 3, 3, 2, 1, 0]])).logits.sum().item()
    assert float(total) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["nucleotide-transformer", "dnabert-2"])
def test_auto_classes_load_our_reading_of_published_models(tmp_path, kind):
    from seqlm.models.language.families.bert import VariantConfig, VariantForMaskedLM
    from seqlm.models.language.families.esm import GatedEsmForMaskedLM, esm_config

    torch.manual_seed(0)
    words = learn_tokenizer("kmer", k=3)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = {
        "nucleotide-transformer": lambda: GatedEsmForMaskedLM(esm_config(words, 1, 2, 16, gated=True)),
        "dnabert-2": lambda: VariantForMaskedLM(VariantConfig(vocab_size=len(words), alibi=True, gated=True, **size)),
    }[kind]().eval()
    save_bundle(model, tmp_path / "b", words)
    code = """if True:
        import sys
        import seqlm
        from transformers import AutoModelForMaskedLM, AutoTokenizer
        ids = AutoTokenizer.from_pretrained(sys.argv[1])("ACGTTGCA", return_tensors="pt")["input_ids"]
        print(AutoModelForMaskedLM.from_pretrained(sys.argv[1])(ids).logits.sum().item())
    """
    expected = model(words("ACGTTGCA", return_tensors="pt")["input_ids"]).logits.sum().item()
    assert float(run(code, tmp_path / "b").split()[-1]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "first", ["BertConfig", *(pytest.param(name, marks=pytest.mark.slow) for name in ("PreTrainedModel", "EsmModel"))]
)
def test_auto_classes_know_ours_whatever_is_imported_first(first):
    """transformers imports its Auto classes in the midst of the first class that anybody asks for."""
    code = f"""if True:
        import seqlm, torch
        from transformers import {first}
        import transformers
        print(*sorted(kind.model_type for kind in transformers.MODEL_MAPPING._extra_content))
    """
    known = run(code).split()
    assert {"seqlm-gpt", "seqlm-esm", "seqlm-bert", "seqlm-caduceus", "seqlm-hyena", "seqlm-backbone"} <= set(known)


def test_import_is_light():
    code = (
        "import sys, seqlm; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules], dir(seqlm)[-2:])"
    )
    assert run(code) == "[] ['predict', 'predict_cross']"
    assert seqlm.load_model is load_model
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        seqlm.nonsense  # noqa: B018


def test_saving_again_replaces_the_model_and_leaves_other_files(bundle):
    (bundle / "history.tsv").write_text("epoch\n")
    torch.manual_seed(9)
    other = CNN(CNNConfig(filters=4, hidden=4)).eval()
    save_bundle(other, bundle)
    X = other.encode(SEQUENCES)
    assert torch.equal(load_model(bundle)(X), other(X))
    assert (bundle / "history.tsv").read_text() == "epoch\n"
    assert not [p for p in bundle.iterdir() if p.name.startswith(".")]


def test_interrupted_saving_leaves_nothing_that_loads(bundle, monkeypatch):
    replace = os.replace

    def stop(source, target):
        if str(target).endswith("config.json"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(CNN(CNNConfig(filters=4, hidden=4)), bundle)
    with pytest.raises(InputError, match=r"config\.json"):
        load_model(bundle)


def edit_config(bundle, **changes):
    config = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: (b / "config.json").unlink(), "no model bundle"),
        (lambda b: (b / "config.json").write_text("{"), "not readable as JSON"),
        (lambda b: (b / "config.json").write_text("[]"), "holds no settings"),
        (lambda b: edit_config(b, model_type="bert"), "unknown model_type 'bert'"),
        (lambda b: edit_config(b, filters=16), "do not fit"),
        (lambda b: edit_config(b, target="scalar", pooling="mean"), "missing or surplus"),
        (lambda b: (b / "model.safetensors").unlink(), "weights are missing"),
        (lambda b: (b / "model.safetensors").write_bytes((b / "model.safetensors").read_bytes()[:-100]), "damaged"),
        (lambda b: (b / "model.safetensors").write_bytes(b""), "damaged"),
        (lambda b: (b / "tokenizer.json").write_text("{"), "tokenizer cannot be read"),
    ],
)
def test_a_spoilt_bundle_is_one_line(bundle, spoil, message):
    spoil(bundle)
    with pytest.raises(InputError, match=message) as error:
        load_model(bundle)
    assert "\n" not in str(error.value)
    assert str(bundle) in str(error.value)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(InputError, match="no model bundle"):
        load_model(tmp_path / "nowhere")
