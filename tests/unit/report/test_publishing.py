"""Exported models: others load them by name from a hub, by what the card says, and get the bundle's own predictions."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from local_hub import LocalHub

import seqlm
from seqlm.common.errors import InputError
from seqlm.evaluation.validation import write_validation
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.gpt import GPTConfig, GPTForCausalLM
from seqlm.models.networks.cnn import CNN, CNNConfig
from seqlm.models.networks.saluki import Saluki, SalukiConfig
from seqlm.models.solved.kmer import KmerConfig, KmerModel
from seqlm.report.publishing.export import export_model
from seqlm.tokenization import learn_tokenizer
from seqlm.tokenization.atomic import AtomicLayout

ORIGIN = {"source": "authors/published", "revision": "1" * 40, "commit": "1" * 40, "classes": [],
          "licence": {"license": "cc-by-nc-sa-4.0"}}  # fmt: skip


def trained(kind):
    """A model with random weights, and sequences that it reads."""
    torch.manual_seed(0)
    tokenizer = learn_tokenizer("character", alphabet="ACGT")
    language = GPTForCausalLM(GPTConfig(vocab_size=4, block_size=64, n_layer=2, n_head=2, n_embd=16)).eval()
    language.tokenizer = tokenizer
    classes = {"target": "class", "n_outputs": 3, "classes": ["gut", "brain", "skin"]}
    made = {
        "cnn": lambda: CNN(CNNConfig(filters=8, hidden=8, pooling="positions", length=130, bases=130, **classes)),
        "gpt": lambda: BackboneModel.on(language, tokenizer, head="pooled", hidden=8, layers="all",
                                        context="both_strands", target="scalar"),
        "saluki": lambda: Saluki(SalukiConfig(target="scalar", length=64, blocks=2,
                                 layout=AtomicLayout("mrna", separator=" ").to_dict())),
        "kmer": lambda: KmerModel(KmerConfig(kmers=[1, 2, 3], **classes)),
        "language": lambda: language,
    }[kind]()  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def study(folder, kind, model):
    """The bundle of a model, where a study would have it, with tables."""
    results = folder / "results/mine"
    bundle = results / (f"backbones/{kind}" if kind == "language" else f"models/tissue/{kind}/fold1/seed2")
    card = {"title": f"{kind} on tissue", "Data": {"training examples": 70}, "Training": {"epochs": 3}}
    bundle.mkdir(parents=True)
    save_bundle(model, bundle, card=card)
    if kind != "language":
        write_validation(bundle, ["e1", "e2"], [0.5, 1.5], [0.4, 1.2])
    (bundle / "history.tsv").write_text("epoch\n")
    (results / "tables").mkdir(exist_ok=True)
    cell = {"dataset": "tissue", "model": kind, "fold": 1, "seed": 2, "part": "test", "metric": "auroc", "value": 0.875}
    others = [cell | {"fold": 0, "value": 0.1}, cell | {"part": "validation", "value": 0.2}, cell | {"model": "other"}]
    pd.DataFrame([*others, cell]).to_csv(results / "tables/metrics.tsv", sep="\t", index=False)
    mean = {"dataset": "tissue", "metric": "auroc", "model": kind, "value": 0.5, "low": 0.4, "high": 0.625}
    pd.DataFrame([mean | {"folds": 2, "seeds": 2}]).to_csv(results / "tables/intervals.tsv", sep="\t", index=False)
    (results / "datasets/tissue").mkdir(parents=True, exist_ok=True)
    summary = {"examples": 1234, "length": {"min": 130, "max": 130}, "groups": 5}
    (results / "datasets/tissue/summary.json").write_text(json.dumps(summary))
    (results / "sources").mkdir(exist_ok=True)
    source = {"origin": "/home/me/secret/regions.fa", "sha256": "ab" * 32, "bases": 99, "licence": "CC0"}
    (results / "sources/regions.fa.gz.provenance.json").write_text(json.dumps(source))
    return bundle


KINDS = ("cnn", "gpt", "saluki", "kmer", "language")


def test_others_load_it_by_name_as_its_card_says(tmp_path):
    hub, script, expected = LocalHub(), "import numpy as np\nfound = {}\n", {}
    for kind in KINDS:
        bundle = study(tmp_path / kind, kind, trained(kind))
        names = export_model(bundle, tmp_path / "out" / kind, name=f"me/{kind}")
        assert {"README.md", "config.json", "model.safetensors"} <= set(names) and "history.tsv" not in names
        hub.add(f"me/{kind}", tmp_path / "out" / kind)
        code = re.search(r"```python\n(.*?)```", (tmp_path / "out" / kind / "README.md").read_text(), re.S)[1]
        result = "vectors" if kind == "language" else "predictions"
        script += f"{code}\nfound['{kind}'] = np.asarray({result})\n"
        text = re.search(r"\[(.*)\]", code)[1]
        use = seqlm.embed if kind == "language" else seqlm.predict
        expected[kind] = np.asarray(use(load_model(bundle), [eval(text)]))
    script += "np.savez('found.npz', **found)\n"
    with hub.serving():
        environment = os.environ | {
            "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(seqlm.__file__).parents[1]),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(tmp_path / "found.npz")
    for kind in KINDS:
        np.testing.assert_array_equal(found[kind], expected[kind], err_msg=kind)
        again = load_model(tmp_path / "out" / kind)
        assert type(again) is type(trained(kind)) and not again.training


def test_its_card_says_what_the_study_found(tmp_path):
    bundle = study(tmp_path, "cnn", trained("cnn"))
    export_model(bundle, tmp_path / "out", license="cc-by-4.0", datasets=["me/tissue"])
    card = ModelCard.load(tmp_path / "out/README.md")
    assert (card.data.license, card.data.datasets, card.data.library_name) == ("cc-by-4.0", ["me/tissue"], "seqlm")
    (result,) = card.data.eval_results
    said = result.dataset_name, result.dataset_split, result.metric_type, result.metric_value
    assert said == ("tissue", "test", "roc_auc", 0.875)
    for words in ("gut, brain, skin", "must have 130 bases", "not made for clinical", "| training examples | 70 |",
                  "1,234 examples of 130 bases", "| AUROC | 0.5000 | 0.4000 to 0.6250 | 2 | 2 |", "regions: CC0",
                  "| regions | regions.fa | 99 |"):  # fmt: skip
        assert words in card.text, words
    assert "secret" not in card.content
    with pytest.raises(InputError, match="is there already and holds something"):
        export_model(bundle, tmp_path / "out")


def test_a_bundle_outside_of_its_study_says_that_nothing_is_known(tmp_path):
    save_bundle(trained("cnn"), tmp_path / "bundle")
    export_model(tmp_path / "bundle", tmp_path / "out")
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.license == "unknown" and card.data.eval_results is None
    assert "Metrics of a test part are not known" in card.text and "Unknown: nobody has said" in card.text


def test_what_stands_on_a_published_model_names_it_and_its_licence(tmp_path):
    model = trained("gpt")
    model.config.backbone_config["seqlm_origin"] = ORIGIN
    save_bundle(model, tmp_path / "bundle")
    export_model(tmp_path / "bundle", tmp_path / "out")
    card = ModelCard.load(tmp_path / "out/README.md")
    assert (card.data.license, card.data.base_model) == ("cc-by-nc-sa-4.0", "authors/published")
    model.config.backbone_config["seqlm_origin"] = ORIGIN | {"source": "/home/me/secret/published"}
    save_bundle(model, tmp_path / "local", card={"title": "x", "Origin": {"source": "/home/me/secret/published"}})
    export_model(tmp_path / "local", tmp_path / "out2")
    assert not [path.name for path in (tmp_path / "out2").glob("*.*") if b"secret" in path.read_bytes()]


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (lambda b: (b / "config.json").unlink(), {}, "no model bundle there"),
        (lambda b: (b / "model.safetensors").write_bytes(b"x"), {}, "weights are damaged"),
        (lambda b: None, {"name": "no name"}, "is no name on a hub"),
        (lambda b: None, {"datasets": ["tissue"]}, "is no name on a hub"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_nothing_is_written(tmp_path, spoil, options, said):
    save_bundle(trained("cnn"), tmp_path / "bundle")
    spoil(tmp_path / "bundle")
    with pytest.raises(InputError, match=said):
        export_model(tmp_path / "bundle", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_labels_of_the_validation_part_can_be_kept_back(tmp_path):
    bundle = study(tmp_path, "cnn", trained("cnn"))
    assert "validation.parquet" in export_model(bundle, tmp_path / "with")
    assert "validation.parquet" not in export_model(bundle, tmp_path / "without", validation=False)
