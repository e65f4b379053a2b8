"""The text of a first config: every line that somebody may want to change has its reason beside it."""

import json

import yaml

from seqlm.models.language.sizes import SIZES


def study_text(name, dataset, seen, made, command=""):
    """The config of a first study, as commented YAML.

    Parameters
    ----------
    name, dataset : str
    seen : Seen
    made : Choices
    command : str
        What the user typed, for the first line.
    """
    lines = [f"# A first study of your files, written by `{command or 'seqlm new'}`. All keys: config/README.md"]
    lines += [f"#   {note}" for note in seen.notes]
    lines += [f"study: {_flow(name)}", f"seeds: {_flow(made.seeds)}  # {made.why['seeds']}"]
    lines += [f"threads: {made.threads}  # of a job; others run beside it", "", "sources:"]
    lines += [f"  {source}: {_flow(about)}" for source, about in seen.sources.items()]
    lines += ["", "datasets:", f"  {dataset}:"]
    words = {"scalar": "a number for each sequence", "class": "a class for each sequence"}
    lines.append(f"    target: {seen.target}  # {words[seen.target]}")
    lines += [f"    {key}: {_flow(value)}" for key, value in seen.entry.items() if key not in ("target", "duplicates")]
    if "duplicates" in seen.entry:
        lines.append("    duplicates: drop  # of the same sequence one example stays")
    lines.append(f"    folds: {_flow(made.folds)}  # {made.why['folds']}")
    lines.append("")
    if made.backbone is None:
        lines += [f"# {made.why['backbone']}."]
        if made.models:
            lines += ["models:", *(f"  {model}: {_flow(entry)}" for model, entry in made.models.items())]
    else:
        why = f"  # {made.why['size']}" if "size" in made.why else "  # or tiny, or dna-llm (hours on two cores)"
        text = {"corpus": made.corpus} if made.corpus else {"corpus_of": dataset}
        own = {"tokenizer": "bases"} | text | made.backbone
        lines += [
            "tokenizers:",
            "  bases: {kind: character, case: upper}  # one token a base, lower case counts too",
            "",
        ]
        lines += ["# " + made.why["backbone"], "backbones:", "  gpt: &gpt", f"    size: {made.size}{why}"]
        lines += [f"    {key}: {_flow(value)}" for key, value in own.items()]
        lines += ["  untrained: {<<: *gpt, steps: 0}", "", "models:"]
        lines += [f"  {model}: {_flow(entry)}" for model, entry in made.models.items()]
        lines += ["  gpt: {backbone: gpt}  # frozen, with a head; train: all would train it whole, which takes longer"]
        lines += ["  untrained: {backbone: untrained}"]
    baselines = "linear and saluki" if seen.kind == "transcripts" else "kmer, cnn and dilated"
    lines += ["", "# All models above, and the baselines among them or added: " + baselines + "."]
    if made.why.get("models"):
        lines[-1] += f" {made.why['models'].capitalize()}."
    lines += ["runs:", f"  {dataset}:", f"    loo: {_flow(made.loo)}  # which bases each model reads"]
    return "\n".join(lines) + "\n"


def _flow(value):
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).strip()
    return text.removesuffix("\n...").removesuffix("...").strip()


def as_config(text):
    """The config that a text is; JSON in and out, so that shared parts are copies."""
    return json.loads(json.dumps(yaml.safe_load(text)))


def size_words(size):
    """A size, for readers."""
    numbers = SIZES[size]
    return f"{size} ({numbers['layers']} layers, {numbers['width']} wide, {numbers['steps']:,} steps)"
