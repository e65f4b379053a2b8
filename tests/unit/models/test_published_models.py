"""Models in the layouts that are published, from a hub on 127.0.0.1: fetched, kept, read again without it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_layouts import FAMILIES, PACKAGE, edit, nt_v2, pickled, unsaid_gena_lm
from local_hub import LocalHub

import seqlm
from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.hub import load_any, load_language_model

SEQUENCES = ["ATGGTAGCTACATCATCTACATCA", "GATTACAGATTA", "CCGGTTAACGATGCATGCATGCTTACTGCAGGAT"]
TWELVES = ["ATGGTAGCTACATCATCTACATCA", "GATTACAGATTA", "CCGGTTAACGATGCATGCATGCTTACTGCAGGATCC"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub, and an empty cache."""
    with LocalHub().serving() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None, raising=False)
        yield hub


def published(hub, tmp_path, name, make=None):
    folder = tmp_path / "published"
    folder.mkdir()
    known = (make or FAMILIES[name])(folder)
    return known, hub.add(f"authors/{name}", folder)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family(hub, tmp_path, monkeypatch, name):
    known, commit = published(hub, tmp_path, name)
    sequences = TWELVES if known.step > 1 else SEQUENCES
    model = load_language_model(f"authors/{name}", revision=commit, **known.needs)
    tokenizer = model.tokenizer

    # What the authors' class gives for what the authors' tokenizer reads, as their documentation says to write it.
    texts = [known.write(sequence) for sequence in sequences]
    rows = [tokenizer(text)["input_ids"] for text in texts]
    assert not any(tokenizer.unk_token_id in row for row in rows if tokenizer.unk_token_id is not None)
    original = known.model
    encoder = original.encoder if name == "codon-t5" else original.base_model
    with torch.no_grad():
        expected = [encoder(torch.tensor([row])).last_hidden_state[0].mean(0) for row in rows]
    found = seqlm.embed(model, [sequence.lower() for sequence in sequences])
    np.testing.assert_allclose(found, torch.stack(expected), atol=1e-5)

    # Kept as a bundle, with a head, and read again: offline, and without the published files.
    classifier = BackboneModel.on(model, tokenizer, head="pooled", target="class", n_outputs=3, layers="all").eval()
    together = classifier(classifier.encode(sequences))
    alone = torch.cat([classifier(classifier.encode([sequence])) for sequence in sequences])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    save_bundle(model, tmp_path / "backbone")
    save_bundle(classifier, tmp_path / "bundle")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    again = load_model(tmp_path / "bundle", **known.needs)
    # Where in memory small weights lie changes the last digit of some products (HyenaDNA's filters of 8 channels).
    digit = 1e-6 if name == "hyenadna" else 0
    torch.testing.assert_close(again(again.encode(sequences)), together, atol=digit, rtol=0)
    kept = seqlm.embed(load_any(tmp_path / "backbone", **known.needs), sequences)
    np.testing.assert_allclose(kept, found, atol=digit, rtol=0)
    cached = load_language_model(f"authors/{name}", revision=commit, **known.needs)
    np.testing.assert_allclose(seqlm.embed(cached, sequences), found, atol=digit, rtol=0)
    assert len(hub.requests) == asked
    for bundle in ("backbone", "bundle"):
        assert f"license: {known.licence}\n" in (tmp_path / bundle / "README.md").read_text()
        assert str(tmp_path) not in (tmp_path / bundle / "config.json").read_text()


def test_the_page_on_models_lists_every_family(root):
    """By the name that it is tried as; what runs code of the authors' says so, and nothing else does."""
    rows = [line.split("|") for line in (root / "docs/models.md").read_text().splitlines() if line.startswith("| ")]
    how = {name: row[3] for row in rows for name in re.findall("`([^`]+)`", row[-2]) if not name.startswith("test_")}
    assert how.pop("gpn-like").strip().startswith("package")
    assert sorted(how) == sorted(FAMILIES)
    for name in FAMILIES:
        code = name in ("own-code", "generator")
        assert how[name].strip().startswith("code" if code else "native"), name


def refused(match, *arguments, **options):
    with pytest.raises(InputError, match=match) as error:
        load_language_model(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_rest_of_bases_that_the_tokenizer_does_not_know_is_refused(hub, tmp_path):
    published(hub, tmp_path, "plant-dnagpt-6mer")
    model = load_language_model("authors/plant-dnagpt-6mer")
    with pytest.raises(InputError, match="14 bases.*reads 6 at a time.*multiple of 6"):
        seqlm.embed(model, ["GATTACAGATTACA"])


def test_weights_of_another_architecture_under_a_stock_name(hub, tmp_path):
    """GENA-LM: a stock BERT would lose its norms before the layers and make up others."""
    published(hub, tmp_path, "gena-lm", unsaid_gena_lm)
    refused("not those of the class.*BertForMaskedLM.*missing.*not known.*trust_remote_code", "authors/gena-lm")


def test_an_output_layer_without_weights_is_not_made_up(hub, tmp_path):
    """ELECTRA's discriminator is published with a config that says it predicts masked tokens."""
    known, _ = published(hub, tmp_path, "rna-letters")
    known.model.base_model.save_pretrained(tmp_path / "published")
    config = json.loads((tmp_path / "published/config.json").read_text())
    (tmp_path / "published/config.json").write_text(json.dumps(config | {"architectures": ["RobertaForMaskedLM"]}))
    model = load_language_model("authors/rna-letters")
    assert model.get_output_embeddings() is None
    assert type(model).__name__ == "RobertaModel"


@pytest.mark.parametrize("more", [{"rescaling_factor": 2.0}, {"architectures": ["SegmentNT"], "num_layers_head": 2}])
def test_what_grew_out_of_the_nucleotide_transformer_is_not_taken_for_it(tmp_path, more):
    nt_v2(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | more))
    refused("no plain Nucleotide Transformer", tmp_path)


def test_pickled_weights_are_refused_with_the_reason(hub, tmp_path):
    published(hub, tmp_path, "pickled", pickled)
    refused(r"pickled \(pytorch_model.bin\), which can run any code.*safetensors", "authors/pickled")
    assert not any("pytorch_model.bin" in path for _, path, _ in hub.requests)


def test_what_the_hub_refuses(hub, tmp_path, monkeypatch):
    _, commit = published(hub, tmp_path, "grover")
    hub.add("authors/gated", tmp_path / "published", gated=True)
    refused("access only to those who ask.*HF_TOKEN", "authors/gated")
    monkeypatch.setenv("HF_TOKEN", "hf_someone")
    refused("access only to those who ask.*HF_TOKEN", "authors/gated")
    refused("no such model", "authors/nothing")
    refused("no such revision", "authors/grover", revision="0" * 40)
    refused("no such revision", "authors/grover", revision="v9")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text((tmp_path / "published/config.json").read_text())
    hub.add("authors/empty", empty)
    refused("has no weights", "authors/empty")
    (empty / "config.json").rename(empty / "other.json")
    hub.add("authors/no-config", empty)
    refused("has no config.json", "authors/no-config")
    assert load_language_model("authors/grover").config.seqlm_origin["commit"] == commit  # a branch is told as commit


def test_a_piece_of_the_weights_is_missing(hub, tmp_path):
    published(hub, tmp_path, "nucleotide-transformer-v1")
    next((tmp_path / "published").glob("model-00001*")).unlink()
    refused("authors/nucleotide-transformer-v1: .*(model-00001|read|missing)", "authors/nucleotide-transformer-v1")


def test_an_interrupted_download_goes_on_where_it_stopped(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    known, _ = published(hub, tmp_path, "agro-nt")
    hub.breaks["model.safetensors"] = 2
    model = load_language_model("authors/agro-nt")
    assert all(x.equal(y) for x, y in zip(model.parameters(), known.model.parameters(), strict=True))
    size = (tmp_path / "published/model.safetensors").stat().st_size
    starts = [start for name, start in hub.ranges if name == "model.safetensors"]
    assert len(starts) == 2 and size // 2 - 1000 < starts[0] < starts[1]


def test_a_download_that_keeps_breaking_is_one_line(hub, tmp_path, monkeypatch):
    published(hub, tmp_path, "agro-nt")
    hub.folders["authors/agro-nt"].joinpath("model.safetensors").write_bytes(b"x" * 64)
    monkeypatch.setattr("local_hub._Handler._content", lambda self, path, headers: self.connection.shutdown(2))
    refused("interrupted.*try again|cannot be reached", "authors/agro-nt")


def test_code_of_the_tokenizer_alone_is_not_run_unasked(hub, tmp_path):
    published(hub, tmp_path, "generator")
    refused("its tokenizer brings its own code.*trust_remote_code", "authors/generator")


def test_code_of_its_own_runs_in_a_bundle_only_when_trusted(hub, tmp_path, monkeypatch):
    known, commit = published(hub, tmp_path, "own-code")
    refused("brings its own code", "authors/own-code", revision=commit)
    model = load_language_model("authors/own-code", revision=commit, trust_remote_code=True)
    head = BackboneModel.on(model, model.tokenizer, head="pooled", target="scalar").eval()
    expected = head(head.encode(SEQUENCES))
    save_bundle(head, tmp_path / "bundle")
    with pytest.raises(InputError, match=f"own code, from authors/own-code@{commit}.*SEQLM_TRUST_REMOTE_CODE"):
        load_model(tmp_path / "bundle")
    monkeypatch.setenv("SEQLM_TRUST_REMOTE_CODE", f"someone/else@{'0' * 40},authors/own-code@{commit}")
    again = load_model(tmp_path / "bundle")  # as every job of a study that trusts it does
    assert torch.equal(again(again.encode(SEQUENCES)), expected)
    with (tmp_path / "bundle/modeling_hyena.py").open("a") as file:
        file.write("raise SystemExit('changed code ran')\n")
    with pytest.raises(InputError, match="not what was fetched"):
        load_model(tmp_path / "bundle", trust_remote_code=True)


def test_classes_of_another_package(hub, tmp_path, monkeypatch):
    """They are imported before loading, and a bundle remembers which, and says what to install."""
    published(hub, tmp_path, "grover")
    config = json.loads((tmp_path / "published/config.json").read_text())
    (tmp_path / "published/config.json").write_text(json.dumps(config | {"model_type": "mine"}))
    (tmp_path / "site").mkdir()
    (tmp_path / "site/package_of_mine.py").write_text(PACKAGE)
    refused("knows no class.*classes:", "authors/grover")
    refused("package_of_mine.*not installed.*pip install package_of_mine", "authors/grover", classes="package_of_mine")
    monkeypatch.syspath_prepend(tmp_path / "site")
    model = load_language_model("authors/grover", classes="package_of_mine")
    head = BackboneModel.on(model, model.tokenizer, head="pooled", target="scalar").eval()
    expected = head(head.encode(SEQUENCES))
    save_bundle(head, tmp_path / "bundle")
    save_bundle(model, tmp_path / "backbone")
    again = load_model(tmp_path / "bundle")
    assert torch.equal(again(again.encode(SEQUENCES)), expected)
    assert type(load_any(tmp_path / "backbone")).__name__ == "MineModel"
    (tmp_path / "site/package_of_mine.py").unlink()
    sys.modules.pop("package_of_mine")
    for load, folder in ((load_model, "bundle"), (load_any, "backbone")):
        with pytest.raises(InputError, match="package_of_mine.*not installed"):
            load(tmp_path / folder)


def test_a_pipeline_imports_the_classes_first(tmp_path):
    """In a fresh process, where nobody has."""
    for name in ("published", "site"):
        (tmp_path / name).mkdir()
    FAMILIES["grover"](tmp_path / "published")
    edit(tmp_path / "published", "config.json", model_type="mine")
    (tmp_path / "site/package_of_mine.py").write_text(PACKAGE)
    code = """if True:
        import sys
        import seqlm
        from transformers import pipeline
        from seqlm.models.language.hub import fetch_bundle
        fetch_bundle(sys.argv[2], "mine", sys.argv[1], classes="package_of_mine")
        sys.modules.pop("package_of_mine")
        print(pipeline("sequence-embedding", model=sys.argv[2])("ACGTACGT").shape, "package_of_mine" in sys.modules)
    """
    paths = [str(Path(seqlm.__file__).parents[1]), str(tmp_path / "site")]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "published", tmp_path / "bundle"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[-2:-1] == ["(32,) True"], done.stderr[-2000:]
