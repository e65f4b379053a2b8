"""The networks that a study can name, and the class of every kind of bundle. Light: no network is imported for it.

A network is one file and one line here. The file says the rest in a literal ``NETWORK``, which is read without
importing the file (as setuptools reads a version), because the workflow looks at it at every start:

==========  ===============================================================================================
class       name of the model's class in the file; its config's ``model_type`` is ``seqlm-<name>``
fit         name of a function of sequences and labels that returns the model, where it is solved for directly
words       what a reader is told it is
about       one line for the config's documentation
family      "network" (trained from scratch) or "linear"
targets     what it can predict; all three when missing
training    settings of training that differ from those all networks start from (`seqlm.training.defaults`)
pooled      pooling -> settings of training that differ further where positions are gathered so
shared      whether several processes can train it, each on a part of every batch; true when missing
options     key -> JSON schema, with a description, of what a study may set: fields of the config class
==========  ===============================================================================================
"""

import ast
import copy
import importlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

NETWORKS = {
    "cnn": "networks.cnn",
    "dilated": "networks.dilated",
    "codon": "networks.codon",
    "saluki": "networks.saluki",
    "kmer": "solved.kmer",
    "onehot": "solved.onehot",
    "linear": "solved.linear",
}

# The class of every kind of bundle by its model_type.
MODELS = {
    "seqlm-gpt": "seqlm.models.language.gpt:GPTForCausalLM",
    "seqlm-backbone": "seqlm.models.language.backbone:BackboneModel",
}
# Our own reading of published families, which transformers' Auto classes load.
READINGS = tuple(
    f"seqlm.models.language.{name}" for name in ("families.esm", "families.bert", "families.caduceus", "families.hyena")
)


@dataclass(frozen=True)
class Network:
    """What a network's file says of it."""

    name: str
    module: str
    cls: str
    words: str
    about: str
    family: str
    fit: str | None = None
    targets: list = field(default_factory=lambda: ["track", "scalar", "class"])
    training: dict = field(default_factory=dict)
    pooled: dict = field(default_factory=dict)
    shared: bool = True
    options: dict = field(default_factory=dict)

    def load(self, attribute=None):
        """Import the file and return its class (or another of its names)."""
        return getattr(importlib.import_module(self.module), attribute or self.cls)


@cache
def network(name):
    """The `Network` of a name in `NETWORKS`."""
    module = NETWORKS[name]
    tree = ast.parse((Path(__file__).parent / (module.replace(".", "/") + ".py")).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["NETWORK"]:
            said = ast.literal_eval(node.value)
            said["shared"] = said.get("shared", True) and "fit" not in said
            return Network(name, f"seqlm.models.{module}", said.pop("class"), **said)
    raise LookupError(f"{module}: says nothing of its network; give it a literal NETWORK")


def with_networks(schema):
    """A config schema (dict) with the networks' names and options filled in where models are described."""
    schema = copy.deepcopy(schema)
    properties = schema["properties"]["models"]["additionalProperties"]["properties"]
    every = [network(name) for name in NETWORKS]
    about = "; ".join(f"{one.name}: {one.about}" for one in every)
    properties["network"] = {"enum": list(NETWORKS), "description": f"{about}."}
    said = {}
    for one in every:
        for key, option in one.options.items():
            # A network's own limits are checked with `option_schema`; what is common to all stays here.
            properties.setdefault(key, {k: v for k, v in option.items() if k in ("type", "items")})
            said.setdefault(key, []).append(f"{one.name}: {option['description']}")
    for key, words in said.items():
        own = properties[key].get("description")
        properties[key]["description"] = " ".join([*([own] if own else []), *words])
    return schema


def chooses_pooling(model):
    """Whether a model entry of a study leaves to the data how positions are gathered."""
    if "network" not in model:
        return model.get("head") != "linear" and model.get("pooling", "auto") == "auto"
    choices = network(model["network"]).options.get("pooling", {}).get("enum", ())
    return "auto" in choices and model.get("pooling", "auto") == "auto"


def option_schema(name):
    """JSON schema of what a study may set of a network."""
    return {"type": "object", "properties": network(name).options}


def model_class(model_type):
    """The class for a ``model_type``, or None when it is not one of ours."""
    name = str(model_type).removeprefix("seqlm-")
    if model_type == f"seqlm-{name}" and name in NETWORKS:
        return network(name).load()
    if model_type not in MODELS:
        return None
    module, cls = MODELS[model_type].split(":")
    return getattr(importlib.import_module(module), cls)


def model_types():
    """Every ``model_type`` of ours."""
    return [*MODELS, *(f"seqlm-{name}" for name in NETWORKS)]


def modules():
    """Modules of all classes that transformers is to know by their ``model_type``."""
    of_models = [place.split(":")[0] for place in MODELS.values()]
    return [*READINGS, *of_models, *(f"seqlm.models.{module}" for module in NETWORKS.values())]
