"""Pipelines of transformers for bundles: ``pipeline("sequence-embedding", model=folder)(sequences)``.

Importing this module registers two tasks:

=========================  ==========================================================================================
sequence-embedding         one vector per sequence (`seqlm.embed`), from a bundle, a folder or the hub
sequence-classification    predicted class, its probabilities and confidence, from a bundle with a class target
=========================  ==========================================================================================
"""

import json
import os
from pathlib import Path

import torch
from transformers import Pipeline
from transformers.pipelines import PIPELINE_REGISTRY
from wrapt import wrap_function_wrapper

from seqlm.common.errors import InputError
from seqlm.evaluation.confidence import confidence
from seqlm.inference.embedding import embed
from seqlm.inference.prediction import predict
from seqlm.inference.reading import texts
from seqlm.models.language.hub import load_any
from seqlm.models.origin import import_classes, origin_of
from seqlm.sequences import clean


class AnyModel:
    """Loads whatever ``model=`` names, for `transformers.pipeline`."""

    @classmethod
    def from_pretrained(cls, source, revision=None, trust_remote_code=False, **_):
        return load_any(source, revision=revision, trust_remote_code=bool(trust_remote_code))


class SequencePipeline(Pipeline):
    """Sequences in, one result each, batches chosen by length rather than by order.

    Parameters of a call
    --------------------
    sequences : str or list of str
    cleaning : {"error", "N", "drop"}
        What happens to letters that are no bases, see `seqlm.sequences.clean`; "drop" gives None for that sequence.
    **options
        Those of `seqlm.embed`; for classification `batch_size`.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False  # it comes with the model, where the model reads tokens

    def __call__(self, sequences, cleaning="N", **options):
        single = isinstance(sequences, str)
        cleaned = [
            clean(sequence, policy=cleaning, where=f"sequence {i}")[0]
            for i, sequence in enumerate(texts([sequences] if single else sequences), 1)
        ]
        kept = [sequence for sequence in cleaned if sequence is not None]
        found = iter(self._results(kept, **options) if kept else [])
        results = [None if sequence is None else next(found) for sequence in cleaned]
        return results[0] if single else results

    def _results(self, sequences, **options):
        raise NotImplementedError

    # What transformers' own way of running a pipeline would use: `__call__` does without.
    def _sanitize_parameters(self, **options):
        return {}, {}, {}

    def preprocess(self, sequence):
        return {"sequence": sequence}

    def _forward(self, inputs):
        return self._results([inputs["sequence"]])

    def postprocess(self, outputs):
        return outputs[0]


class EmbeddingPipeline(SequencePipeline):
    """Vectors (numpy, float32); options of a call are those of `seqlm.embed`."""

    def _results(self, sequences, **options):
        return list(embed(self.model, sequences, tokenizer=self.tokenizer, device=str(self.device), **options))


class ClassificationPipeline(SequencePipeline):
    """Dicts with label, score, entropy, margin, probabilities (class -> value) and logits (in order of the classes)."""

    def _results(self, sequences, batch_size=None):
        config = self.model.config
        if getattr(config, "target", None) != "class":
            raise InputError("pipeline", "the model predicts no class", "use a bundle with a class target")
        logits = predict(self.model, sequences, batch_size=batch_size, device=str(self.device))
        probabilities = torch.softmax(logits.double(), dim=1).numpy()
        classes = config.classes or [str(i) for i in range(config.n_outputs)]
        return [
            {
                "label": row.predicted,
                "score": row.max_probability,
                "entropy": row.entropy,
                "margin": row.margin,
                "probabilities": dict(zip(classes, p.tolist(), strict=True)),
                "logits": values.tolist(),
            }
            for row, p, values in zip(
                confidence(probabilities, classes).itertuples(), probabilities, logits, strict=True
            )
        ]


def _with_classes(pipeline, _, args, kwargs):
    """Before a pipeline reads the config of a bundle: import the packages that know it."""
    model = kwargs.get("model", args[1] if len(args) > 1 else None)
    path = Path(model) / "config.json" if isinstance(model, (str, os.PathLike)) else None
    if path is not None and path.is_file():
        try:
            import_classes(origin_of(json.loads(path.read_text())).get("classes", ()), str(model))
        except (ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise  # and whatever else is wrong with the file is told when it is loaded
    return pipeline(*args, **kwargs)


def register():
    """Announce our tasks to transformers."""
    for task, pipeline in (
        ("sequence-embedding", EmbeddingPipeline), ("sequence-classification", ClassificationPipeline)
    ):  # fmt: skip
        PIPELINE_REGISTRY.register_pipeline(task, pipeline_class=pipeline, pt_model=AnyModel)


wrap_function_wrapper("transformers.pipelines", "pipeline", _with_classes)
register()
