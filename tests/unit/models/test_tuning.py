"""What of a backbone is trained, and that LoRA leaves an ordinary model behind."""

import copy

import pytest
import torch
from small_models import small_model

from seqlm.common.errors import InputError
from seqlm.models.bundle import load_model, save_bundle
from seqlm.models.language.tuning import finish, tuned

SEQUENCES = ["ATGGTAGCTACATCATCT", "GATTACAGATTACAGATT", "CCGGTTAACGATGCATGC"]


def classifier(kind="esm", train="head"):
    model = small_model(kind)
    return tuned(model, model.tokenizer, train, head="pooled", target="class", n_outputs=3)


def step(model):
    """A few steps of training; which weights of the backbone they changed."""
    before = copy.deepcopy(dict(model.backbone.named_parameters()))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(model.encode(SEQUENCES)), torch.tensor([0, 1, 2])).backward()
        optimizer.step()
    model.eval()
    return {name for name, p in model.backbone.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize(
    ("train", "layers"),
    [("head", set()), ("all", {0, 1, 2}), (1, {2}), ({"freeze": 1}, {1, 2}), ({"freeze": 0.67}, {2}),
     ({"freeze": 0}, {0, 1, 2}), ({"freeze": 3}, set())],
)  # fmt: skip
def test_only_the_layers_asked_for_are_trained(train, layers):
    changed = step(classifier(train=train))
    assert {int(name.split(".")[2]) for name in changed if name.startswith("encoder.layer.")} == layers
    assert any("word_embeddings" in name for name in changed) == (train == "all")


@pytest.mark.parametrize("kind", ["esm", "gpt2", "llama", "seqlm-gpt"])
def test_lora_trains_little_and_leaves_an_ordinary_model(kind, tmp_path):
    model, plain = classifier(kind, "lora"), classifier(kind)
    plain.head.load_state_dict(model.head.state_dict())
    X = model.encode(SEQUENCES)
    torch.testing.assert_close(model.eval()(X), plain.eval()(X))
    changed = step(model)
    assert changed and all("lora_" in name for name in changed)
    trained = model(X)
    finish(model)
    torch.testing.assert_close(model(X), trained, atol=1e-5, rtol=1e-5)
    assert set(model.state_dict()) == set(plain.state_dict())
    save_bundle(model, tmp_path)
    torch.testing.assert_close(load_model(tmp_path)(X), trained, atol=1e-5, rtol=1e-5)


def test_finish_changes_nothing_else():
    model = classifier(train={"freeze": 1})
    expected = model.eval()(model.encode(SEQUENCES))
    assert torch.equal(finish(model)(model.encode(SEQUENCES)), expected)


@pytest.mark.parametrize("train", [{"freeze": 4}, {"freeze": -1}, {"freeze": 1.5}, {"melt": 1}])
def test_layers_that_are_not_there(train):
    with pytest.raises(InputError, match="0 to 3"):
        classifier(train=train)


def test_lora_where_it_does_not_fit_is_one_line():
    """Layers without a linear map; a Mamba has some (test_stock_models)."""
    model = small_model("seqlm-gpt")
    for block in model.base_model.blocks:
        for name, _ in list(block.named_children()):
            setattr(block, name, torch.nn.Identity())
    with pytest.raises(InputError, match="LoRA does not fit a backbone of type seqlm-gpt") as caught:
        tuned(model, model.tokenizer, "lora", head="pooled", target="scalar")
    assert "\n" not in str(caught.value)
