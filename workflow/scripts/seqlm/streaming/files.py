"""What is made of the records of a file: predictions, leave-one-out scores, scores of variants, embeddings.

Each function reads a file of any size chunk by chunk and writes a table (of predictions also tracks), or a shard of it.
The command lines in `seqlm.streaming.command` say what is made, and how.
"""

import sys
from collections import Counter
from functools import partial
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.streaming.records import open_records
from seqlm.streaming.writing import CHUNK, TABLES, check_output, digest, stream


def predict_file(
    models, input, output, *, genome=None, length=None, reverse_complement=False, level=0.9, cleaning="N",
    chunk_size=CHUNK, shard=(1, 1), device="auto", batch_size=None, format=None, reading=None,
):  # fmt: skip
    """Predictions of the records of a file: what ``seqlm predict`` does.

    Parameters
    ----------
    models : list of path, or dict of str to list of path
        Bundles that are averaged. A dict averages the bundles of each name, gives each record a row per name, and the
        table a column `model`.
    input, output : path
    genome : path, optional
    length : int, optional
        Of windows around variants; the model's input length when left out.
    reverse_complement : bool
    level : float
        Of the intervals of scalar targets.
    cleaning : {"error", "N", "drop"}
        What happens to letters that are neither bases nor N; how many there were is told on stderr.
    chunk_size, shard
        As for `seqlm.streaming.writing.stream`.
    device : str
    batch_size : int, optional
    format : str, optional
        Of the input.
    reading : dict, optional
        How tables, tokens and mRNAs are read, see `seqlm.streaming.records.open_records`.
    """
    check_output(output, shard[1])
    from seqlm.streaming.predicting import Ensemble, join_tables, record_check

    names = models if isinstance(models, dict) else {None: models}
    ensembles = {name: Ensemble(own, reverse_complement, device, batch_size, level) for name, own in names.items()}
    length = length or next(iter(ensembles.values())).config.length
    source = open_records(input, genome, length, format, **(reading or {}))
    settings = {
        "models": [[name, *map(digest, own)] for name, own in names.items()],
        "reverse_complement": reverse_complement, "level": level, "cleaning": cleaning,
    }  # fmt: skip
    counts = Counter()
    stream(
        source, lambda records: join_tables(source, ensembles, records, cleaning), output, settings, chunk_size, shard,
        check=record_check(source, ensembles, cleaning, counts),
    )  # fmt: skip
    tell_cleaning(counts, input)


def tell_cleaning(counts, path):
    """One line on stderr on letters that were neither bases nor N, when there were any."""
    names = {"ambiguous": "ambiguity codes", "gap": "gaps", "illegal": "characters that are no nucleotide codes"}
    found = [f"{counts[key]:,} {name}" for key, name in names.items() if counts[key]]
    if found:
        what = f"{counts['dropped']:,} records left out for them" if counts["dropped"] else "read as N"
        print(f"{path}: {', '.join(found)}; {what}", file=sys.stderr)


def score_file(
    model, input, output, edit="mask", *, replacements=None, class_index="predicted", genome=None, length=None,
    chunk_size=64, shard=(1, 1), device="auto", batch_size=None, format=None, reading=None,
):  # fmt: skip
    """Leave-one-out scores of the records of a file: what ``seqlm score`` does; see `predict_file`."""
    check_table(output, shard[1])
    source = open_records(input, genome, length or 2, format, **(reading or {}))
    if source.kind == "variants":
        raise InputError(input, "leave-one-out scores are of sequences, not variants", "give FASTA, BED or a table")
    import pyarrow as pa

    from seqlm.attribution import leave_one_out
    from seqlm.streaming.predicting import Ensemble

    ensemble = Ensemble([model], device=device)

    def make_table(records):
        sequences = ensemble.readable(0, [(r.id, r.sequence) for r in records])
        scored = leave_one_out(
            ensemble.models[0], sequences, edit, replacements, class_index=class_index, device=ensemble.device,
            batch_size=batch_size,
        )  # fmt: skip
        table = scored.to_table([r.id for r in records])
        return pa.Table.from_pandas(table.astype({"label": "float64"}), preserve_index=False)

    def check(record):
        ensemble.readable(0, [(record.id, record.sequence)])

    settings = {
        "model": digest(model), "edit": edit, "replacements": replacements, "class_index": class_index,
    }  # fmt: skip
    stream(source, make_table, output, settings, chunk_size, shard, "leave one out", check)


def score_variant_file(
    model, input, output, *, both_strands=None, genome=None, length=None, chunk_size=256, shard=(1, 1), device="auto",
    batch_size=None, format=None, reading=None,
):  # fmt: skip
    """Scores of the variants of a VCF file: ``seqlm variants``; see `seqlm.streaming.variants`, `predict_file`."""
    check_table(output, shard[1])
    import pyarrow as pa

    from seqlm.common.runtime import pick_device
    from seqlm.models.language.hub import load_any
    from seqlm.streaming.variants import check_variant, open_variants, own_length, scored_table

    network, device = load_any(model), pick_device(device)
    length = length or own_length(network)
    source = open_variants(input, genome, length, format, **(reading or {}))

    def make_table(variants):
        table = scored_table(network, variants, both_strands, batch_size, device)
        return pa.Table.from_pandas(table, preserve_index=False)

    settings = {"model": [str(model), digest(model)], "both_strands": both_strands}
    check = partial(check_variant, network)
    stream(source, make_table, output, settings, chunk_size, shard, "variants", check)


def embed_file(
    model, input, output, *, pooling="mean", layer=-1, genome=None, length=None, chunk_size=1024, shard=(1, 1),
    device="auto", batch_size=None, format=None, reading=None,
):  # fmt: skip
    """Embeddings of the records of a file: ``seqlm embed``; see `predict_file`. `batch_size` is in sequences.

    By bases, there are no more than 64 records in a chunk: a vector each is much more to hold.
    """
    chunk_size = min(chunk_size, 64) if pooling == "bases" else chunk_size
    check_table(output, shard[1])
    source = open_records(input, genome, length or 2, format, **(reading or {}))
    if source.kind == "variants":
        raise InputError(input, "embeddings are of sequences, not variants", "give FASTA, BED or a table")
    import numpy as np
    import pyarrow as pa

    from seqlm.inference.embedding import embed
    from seqlm.inference.reading import encoded, written
    from seqlm.models.language.hub import load_any

    network = load_any(model)

    def make_table(records):
        records = list(records)
        sequences = [record.sequence for record in records]
        vectors = embed(network, sequences, pooling, layer, device=device)
        names = {"id": [record.id for record in records]}
        if pooling == "bases":
            vectors = np.concatenate(vectors)
            names = {"id": [record.id for record in records for _ in record.sequence],
                     "position": [i for sequence in sequences for i in range(len(sequence))],
                     "base": [base for sequence in sequences for base in sequence]}  # fmt: skip
        columns = {f"e{i}": pa.array(column, pa.float32()) for i, column in enumerate(vectors.T)}
        return pa.table(names | columns)

    def check(record):
        encoded(partial(written, network), [record.sequence], [f"record {record.id!r}"])

    settings = {"model": [str(model), digest(model)], "pooling": pooling, "layer": layer}
    stream(source, make_table, output, settings, chunk_size, shard, "embed", check)


def check_table(output, shards=1):
    """Refuse an output that is no table, before anything is computed."""
    check_output(output, shards)
    if Path(output).suffix.lower() not in TABLES:
        raise InputError(output, "scores are a table", f"write one of {', '.join(TABLES)}")
