"""Sizes of language models that are pretrained here, by name. Light: the workflow reads them at every start.

``dna-llm`` is that of DNA-LLM, with its hyperparameters: an hour or two on two cores. The smaller ones learn at higher
rates and drop less, because they see little text; ``small`` takes minutes, ``tiny`` seconds, and shows that all fits.
"""

import copy

DEFAULT = "small"

SIZES = {
    "tiny": {
        "layers": 2,
        "heads": 2,
        "width": 64,
        "block": 200,
        "dropout": 0.0,
        "steps": 200,
        "batch_size": 32,
        "learning_rate": 3e-3,
        "final_learning_rate": 3e-4,
        "warmup": 20,
        "weight_decay": 0.1,
        "evaluate_every": 100,
        "evaluate_batches": 10,
    },
    "small": {
        "layers": 4,
        "heads": 4,
        "width": 128,
        "block": 300,
        "dropout": 0.1,
        "steps": 1000,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "final_learning_rate": 2e-4,
        "warmup": 50,
        "weight_decay": 0.1,
        "evaluate_every": 250,
        "evaluate_batches": 20,
    },
    "dna-llm": {
        "layers": 4,
        "heads": 4,
        "width": 384,
        "block": 300,
        "dropout": 0.2,
        "steps": 4000,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "warmup": 100,
        "weight_decay": 0.1,
        "evaluate_every": 1000,
        "evaluate_batches": 100,
    },
}


def with_numbers(backbone):
    """A backbone's entry in numbers alone: those of its size, and in their place those it gives itself.

    Parameters
    ----------
    backbone : dict
        An entry under ``backbones``, or part of one.

    Returns
    -------
    dict
        Without the key ``size``; so a study means the same whether it names a size or its numbers.
    """
    own = {key: value for key, value in backbone.items() if key != "size"}
    return SIZES[backbone.get("size", DEFAULT)] | own


def with_sizes(schema):
    """A config schema (dict) with the sizes' names filled in where backbones are described, and each key's numbers."""
    schema = copy.deepcopy(schema)
    properties = schema["properties"]["backbones"]["additionalProperties"]["properties"]
    properties["size"]["enum"] = list(SIZES)
    for key in SIZES[DEFAULT]:
        numbers = ", ".join(f"{name} {numbers[key]:g}" for name, numbers in SIZES.items())
        properties[key]["description"] = f"{properties[key]['description']} By size: {numbers}."
    return schema
