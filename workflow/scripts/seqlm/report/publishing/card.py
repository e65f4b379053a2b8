"""The model card of an exported model: what it was trained on, how good it is, what it is for, how to load it."""

import math
import re
from pathlib import Path

from seqlm.evaluation.words import NAMES
from seqlm.models.origin import origin_of

TASKS = {"class": "sequence-classification", "scalar": "sequence-regression", "track": "base-regression"}
# The hub's names of metrics, where it has one.
HUB_METRICS = {"pearson": "pearsonr", "spearman": "spearmanr", "r2": "r_squared", "auroc": "roc_auc",
               "auprc": "average_precision", "f1_macro": "f1", "mcc": "matthews_correlation"}  # fmt: skip
LANGUAGE = "language modelling"
_PREDICTS = {
    "class": "the class of a sequence ({classes})",
    "scalar": "a number for a sequence",
    "track": "a number for each base of a sequence",
}


def is_hub_name(text):
    """Whether a text can be the name of a repository of a hub: owner/name."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(text)) is not None


def hub_card(bundle, config, evidence, *, license=None, datasets=(), name="model"):
    """Text of README.md, with the head that the hub reads.

    Parameters
    ----------
    bundle : path
    config : dict
        Its config.json.
    evidence : seqlm.report.publishing.evidence.Evidence
    license, datasets, name
        See `seqlm.report.publishing.export.export_model`.
    """
    title, kept = _sections(Path(bundle) / "README.md")
    head = _head(title, config, evidence, license, datasets)
    target, origin = config.get("target"), origin_of(config)
    parts = [f"---\n{head}\n---", f"# {title or name}", *_kept(kept, "", origin), "## Intended use", _use(config)]
    parts += ["## How to load it", _loading(config, origin, name), *_data(kept, evidence, origin)]
    for heading in kept:
        if heading and heading not in ("Data", "Validation"):
            parts += [f"## {heading}", *_kept(kept, heading, origin)]
    parts += _metrics(kept, evidence, target)
    parts += ["## Licence", _licence_words(license, origin, evidence)]
    return "\n\n".join(parts) + "\n"


def _head(title, config, evidence, license, datasets):
    from huggingface_hub import EvalResult, ModelCardData

    origin, target = origin_of(config), config.get("target")
    licence = {"license": license} if license else origin.get("licence") or {"license": "unknown"}
    base = origin.get("source")
    results = [
        EvalResult(
            task_type=TASKS.get(target, LANGUAGE),
            dataset_type=evidence.place["dataset"],
            dataset_name=evidence.place["dataset"],
            dataset_split="test",
            metric_type=HUB_METRICS.get(metric, metric),
            metric_name=NAMES.get(metric, metric.replace("_", " ")),
            metric_value=round(value, 4),
        )
        for metric, value in evidence.tested.items()
        if math.isfinite(value)
    ]
    kind = str(config.get("model_type", "")).removeprefix("seqlm-")
    return ModelCardData(
        **licence,
        library_name="seqlm",
        tags=["seqlm", "biology", "genomics", kind, TASKS.get(target, LANGUAGE.replace(" ", "-"))],
        datasets=list(datasets) or None,
        base_model=base if base and is_hub_name(base) and not Path(base).exists() else None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=title or "model" if results else None,
        eval_results=results or None,
    ).to_yaml()


def _use(config):
    target, bases = config.get("target"), config.get("bases")
    if target is None:
        said = "A language model of nucleotide sequences: it gives each token its probability, and vectors to build on."
    else:
        classes = ", ".join(map(str, config.get("classes") or ()))
        said = f"Predicts {_PREDICTS[target].format(classes=classes)}"
        said += f", which must have {bases:,} bases." if bases else "."
    return (
        f"{said}\n\nFor research, on sequences like those it was trained on: of the same kind, organism, length and "
        "assay. Elsewhere (other species, cell types, conditions, lengths) it has not been tested. It is one training "
        "on one split; its errors on your sequences may be larger than those below. It is not made for clinical or "
        "diagnostic decisions."
    )


def _loading(config, origin, name):
    needs = "".join(f" It also needs the package {package}." for package in origin.get("classes", ()))
    target = config.get("target")
    lines = _loading_predictor(config, origin, name) if target else _loading_language_model(config, origin, name)
    certain = ", which also gives intervals or calibrated probabilities" if target in ("scalar", "class") else ""
    files = f"predict --model folder --input new.fa --output new.csv`{certain}." if target else (
        "embed --model folder --input new.fa --output vectors.parquet`.")  # fmt: skip
    code = "\n".join(lines)
    return (
        f"With seqlm installed (`pip install .` in its checkout).{needs}\n\n```python\n{code}\n```\n\n"
        f"In place of its name on the hub the folder with its files can be given. On files: `seqlm {files}"
    )


def _loading_predictor(config, origin, name):
    layout = config.get("layout")
    atomic = isinstance(layout, dict) and layout.get("separator") == " "
    text = '" ".join("acgt" * 15)' if atomic else _example(config.get("bases"))
    lines = ["import seqlm  # tells transformers of its classes", "from transformers import AutoModel", ""]
    if origin.get("code"):
        lines = ["import seqlm", "", "# Read the .py files first: they run."]
        lines.append('model = seqlm.load_model("folder", trust_remote_code=True)')
    else:
        lines.append(f'model = AutoModel.from_pretrained("{name}")')
    return [*lines, f"predictions = seqlm.predict(model, [{text}])"]


def _loading_language_model(config, origin, name):
    auto, trusted = _auto_class(config), ", trust_remote_code=True" if origin.get("code") else ""
    return [
        "import seqlm  # tells transformers of its classes", f"from transformers import {auto}, AutoTokenizer", "",
        f'model = {auto}.from_pretrained("{name}"{trusted})',
        f'tokenizer = AutoTokenizer.from_pretrained("{name}"{trusted})',
        f"vectors = seqlm.embed(model, [{_example(None)}], tokenizer=tokenizer)",
    ]  # fmt: skip


def _example(bases):
    """A sequence of as many bases, as Python."""
    whole, rest = divmod(bases or 60, 60)
    texts = [f'"{"ACGT" * 15}"' + (f" * {whole}" if whole > 1 else "")] if whole else []
    return " + ".join([*texts, *([f'"{("ACGT" * 15)[:rest]}"'] if rest else [])])


def _auto_class(config):
    names = " ".join(config.get("architectures") or ())
    if "MaskedLM" in names:
        return "AutoModelForMaskedLM"
    return "AutoModelForCausalLM" if "CausalLM" in names or "LMHead" in names else "AutoModel"


def _data(kept, evidence, origin):
    yield "## Data"
    yield from _kept(kept, "Data", origin)
    summary = evidence.summary
    if summary:
        length = summary["length"]
        span = f"{length['min']:,}" if length["min"] == length["max"] else f"{length['min']:,} to {length['max']:,}"
        groups = f", {summary['groups']:,} groups that are never split" if summary.get("groups") else ""
        yield f"The whole dataset has {summary['examples']:,} examples of {span} bases or tokens{groups}."
    if evidence.sources:
        rows = ["| source | from | bases | sha256 |", "| --- | --- | --- | --- |"]
        for source in evidence.sources:
            place = str(source.get("origin", ""))
            place = place if "://" in place else Path(place).name
            bases = source.get("bases")
            digest = str(source.get("sha256") or "")[:16]
            rows.append(f"| {source['name']} | {place} | {f'{bases:,}' if bases else ''} | {digest} |")
        yield "The study's sources:\n\n" + "\n".join(rows)


def _metrics(kept, evidence, target):
    if evidence.tested:
        rows = [f"| {NAMES.get(name, name.replace('_', ' '))} | {value:.4f} |"
                for name, value in evidence.tested.items() if math.isfinite(value)]  # fmt: skip
        yield "## Evaluation"
        yield "On the test part of its fold, held out from training and from the choice of when to stop:"
        yield "\n".join(["| metric | value |", "| --- | --- |", *rows])
    if evidence.means:
        rows = [
            f"| {NAMES.get(row['metric'], row['metric'])} | {row['value']:.4f} | {row['low']:.4f} to "
            f"{row['high']:.4f} | {row['folds']:.0f} | {row['seeds']:.0f} |"
            for row in evidence.means
        ]
        yield "All trainings of this model in its study: mean, and 95% interval by bootstrap over groups."
        head = ["| metric | mean | interval | folds | seeds |", "| --- | --- | --- | --- | --- |"]
        yield "\n".join([*head, *rows])
    if "Validation" in kept:
        yield "## Validation"
        yield "On the part by which training was stopped:"
        yield from _kept(kept, "Validation", {})
    if target and not evidence.tested:
        yield "Metrics of a test part are not known: the model was exported outside of the results of its study."


def _licence_words(license, origin, evidence):
    said = []
    if origin:
        own = ", ".join(origin.get("licence", {}).values()) or "unknown"
        said.append(f"The published model that it stands on, {_shown(origin)}, is under this licence: {own}.")
    named = {source["name"]: source["licence"] for source in evidence.sources if source.get("licence")}
    if named:
        said.append("Of its data: " + "; ".join(f"{name}: {what}" for name, what in named.items()) + ".")
    said.append(f"Given by who exported it: {license}." if license else "")
    if not any(said):
        said = [
            "Unknown: nobody has said under which licence this model, or the data that it was trained on, may be used."
        ]
    return " ".join(part for part in said if part)


def _shown(origin):
    source = str(origin.get("source", ""))
    commit = f" at {origin['commit']}" if origin.get("commit") else ""
    return (source if is_hub_name(source) else Path(source).name) + commit


def _sections(path):
    """Title and parts (heading -> text; "" before the first) of a bundle's own card."""
    text = path.read_text() if path.is_file() else ""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = re.sub(r"\n+Load it with `seqlm\.load_model\(folder\)`\.\s*\Z", "", text)
    title = re.search(r"^# (.+)$", text, re.M)
    pieces = re.split(r"^## (.+)$", text[title.end() :] if title else text, flags=re.M)
    parts = {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}
    return title[1] if title else None, {heading: part.strip() for heading, part in parts.items()}


def _kept(kept, heading, origin):
    """A part of the bundle's own card, folders of the machine that wrote it by their last name."""
    text = kept.get(heading)
    source = str(origin.get("source", ""))
    if text and source.startswith("/"):
        text = text.replace(source, Path(source).name)
    return [text] if text else []
