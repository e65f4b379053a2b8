"""From somebody's files to a first config, and what was seen, chosen and expected."""

import copy
import os
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path
from seqlm.planning.choosing import cheaper, choose
from seqlm.planning.estimating import STAGES, Estimate
from seqlm.planning.inspection import inspect
from seqlm.planning.jobs import find_workflow, study_jobs
from seqlm.planning.measuring import usable_cores
from seqlm.planning.plan import dataset_figures, duration, estimate, source_bases
from seqlm.planning.writing import as_config, size_words, study_text
from seqlm.study import Study, load_schema
from seqlm.study.names import check_name

PATIENCE = 600  # seconds that a first study is to take at most, if it can be had


def new_study(sequences, labels=None, genome=None, *, label=None, id=None, output="my_study.yaml", cores=None,
              workflow=None, command="", measured=True):  # fmt: skip
    """Write a first study of somebody's files, and print what was seen, what was chosen and why, and how long it takes.

    Parameters
    ----------
    sequences, labels, genome : path
        See `seqlm.planning.inspection.inspect`.
    label, id : str, optional
    output : path
        The config; its stem becomes the study's name. Never overwritten.
    cores : int, optional
    workflow : path, optional
    command : str
        What the user typed.
    measured : bool
        Whether this machine is measured and the study made small enough for it.

    Raises
    ------
    InputError
        For files that cannot be used, and an output that is there already.
    """
    output = Path(output)
    if output.exists():
        raise InputError(output, "is there already", "name another file with --output (make new ... OUT=other.yaml)")
    name = output.stem
    check_name(name, output)
    schema = load_schema(find_workflow(workflow) / "schemas" / "config.schema.yaml")
    seen = inspect(sequences, labels, genome, label=label, id=id)
    dataset = seen.label if seen.label.isidentifier() else "regions" if seen.kind == "regions" else "labels"
    print("What was seen:\n" + "\n".join(f"  {note}" for note in seen.notes))
    made = choose(seen, cores or usable_cores())

    def study():
        return Study(as_config(study_text(name, dataset, seen, made)), schema)

    expected = None
    if measured:
        print("Measuring this machine (some ten seconds) ...", flush=True)
        expected = estimate(study(), cores)
        while expected.total(study_jobs(study())) > PATIENCE and cheaper(made):
            expected = _again(expected, study(), dataset, cores, made)
    text = study_text(name, dataset, seen, made, command)
    study()  # what is written can be read
    with atomic_path(output) as path:
        path.write_text(text)
    print("\n".join(_told(output, made, study(), expected)))


def _again(before, study, dataset, cores, made):
    """An estimate of a cheaper study: measured anew only where its networks changed."""
    if "size" in made.why and before.study["backbones"] != study["backbones"]:
        return estimate(study, cores)
    return Estimate(study, {dataset: dataset_figures(study, dataset)}, source_bases(study), copy.copy(before.machine))


def _told(output, made, study, expected):
    yield "What was chosen, and why:"
    yield f"  folds: {made.folds['scheme']}" + (f" by {made.folds['group']}" if "group" in made.folds else "") + (
        f"; {made.why['folds']}")  # fmt: skip
    run = next(iter(study["runs"].values()))
    yield f"  models: {', '.join(run['models'])}"
    if made.backbone is not None:
        yield f"  language model: {size_words(made.size)}; {made.why['backbone']}"
    else:
        yield f"  {made.why['backbone']}"
    yield f"  seeds: {', '.join(map(str, made.seeds))}; {made.why['seeds']}"
    if expected:
        jobs = study_jobs(study)
        whole = expected.total(jobs)
        yield f"How long it will take here, on {expected.machine.cores} cores: about {duration(whole)}"
        for stage, (_, seconds, *_) in expected.by_stage(jobs).items():
            yield f"  {STAGES[stage]:<30} {duration(seconds):>8}"
    shown = os.fspath(output)
    yield f"Written: {shown}. Change what you like in it, then"
    yield f"  make plan CONFIG={shown}     # jobs, time, memory and disk in detail"
    yield f"  make study CONFIG={shown}    # run it; ends with {study.results}/report.html"
