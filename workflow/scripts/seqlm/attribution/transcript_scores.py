"""Leave-one-out scores of mRNAs by region, and along one transcript.

The tokens in a table of scores carry reading frame and junctions, so the table alone says where a score lies.
"""

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.sequences import base_codes
from seqlm.sequences.transcripts.transcript import parse_tokens

REGIONS = ("5'UTR", "CDS", "3'UTR", "near junctions", "away from junctions")
NEAR = 10  # bases on either side of a junction


def region_means(scores, dataset, near=NEAR, resamples=1000, seed=0):
    """Mean absolute score per token by region, with an interval from a bootstrap over sequences.

    Regions overlap: a token is in the 5'UTR, CDS or 3'UTR, and near a junction or not.

    Parameters
    ----------
    scores : dict of str to DataFrame
        Model to its table of leave-one-out scores (columns sequence, token, start_offset, loo).
    dataset : str
    near : int
        Tokens at most this far from the bond between two exons are near a junction.
    resamples, seed : int

    Returns
    -------
    DataFrame
        dataset, model, region, mean, low, high (95 %), tokens.
    """
    rows = []
    for model, table in scores.items():
        sums, counts = [], []
        for _, own in transcripts_of(table):
            masks = region_masks(own["token"].tolist(), near)
            size = np.abs(own["loo"].to_numpy(float))
            masks = [mask & ~np.isnan(size) for mask in masks]
            sums.append([size[mask].sum() for mask in masks])
            counts.append([mask.sum() for mask in masks])
        if not sums:
            continue
        sums, counts = np.array(sums), np.array(counts)
        drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
        with np.errstate(invalid="ignore"):
            mean = sums.sum(0) / counts.sum(0)
            spread = sums[drawn].sum(1) / counts[drawn].sum(1)
        for i, region in enumerate(REGIONS):
            if counts[:, i].any():
                low, high = np.nanpercentile(spread[:, i], [2.5, 97.5])
                rows.append([dataset, model, region, mean[i], low, high, int(counts[:, i].sum())])
    return pd.DataFrame(rows, columns=["dataset", "model", "region", "mean", "low", "high", "tokens"])


def region_masks(tokens, near=NEAR):
    """Which tokens lie in each of `REGIONS`: a list of boolean arrays."""
    _, (start, end), junctions = parse_tokens(" ".join(tokens))
    position = np.arange(len(tokens))
    close = np.zeros(len(tokens), bool)
    for junction in junctions:
        close[max(0, junction - near) : junction + near] = True
    coding = (position >= start) & (position < end)
    return [(position < start) & (end > 0), coding, position >= end, close, ~close]


def transcripts_of(table):
    """(id, rows) of each sequence in a table of scores: one row a token, by position.

    Replacements are averaged; of scores of all classes those of the predicted one are taken.
    """
    if "class" in table:
        table = table[table["class"] == table["pred"]]
    for name, own in table.groupby("sequence", sort=False):
        means = own.groupby("start_offset", sort=True).agg(token=("token", "first"), loo=("loo", "mean"))
        yield name, means.reset_index()


def _tokens_along(tables):
    """Tokens from the first to the last that any model read; "n" where none did."""
    known = {at: token for rows in tables for at, token in zip(rows["start_offset"], rows["token"], strict=True)}
    return [known.get(at, "n") for at in range(max(known) + 1)]


def transcript_arrays(scores, name=None):
    """Scores of several models along one transcript, as `seqlm.report.figures.transcript` draws them.

    Parameters
    ----------
    scores : dict of str to DataFrame
        As for `region_means`.
    name : str, optional
        Which sequence; the first one with a CDS and a junction that all models scored when not given.

    Returns
    -------
    dict of arrays
        id, codes (L,), models (m,), scores (m, L), cds (2,), junctions (j,): the last base before each. Without models
        where no sequence was scored by all of them.
    """
    tables = {model: dict(transcripts_of(table)) for model, table in scores.items()}
    shared = [n for n in next(iter(tables.values()), {}) if all(n in own for own in tables.values())]
    if name is not None and name not in shared:
        raise InputError("transcript", f"{name!r} was not scored by every model", f"there are {', '.join(shared[:5])}")
    texts = {n: _tokens_along([own[n] for own in tables.values()]) for n in shared}
    parsed = {n: parse_tokens(" ".join(tokens)) for n, tokens in texts.items()}
    if name is None:
        full = [n for n in shared if parsed[n][1][1] and parsed[n][2]]
        if not shared:
            nothing = {"models": np.zeros(0, str), "scores": np.zeros((0, 0), np.float32), "cds": np.zeros(2, int)}
            return {"id": np.array(""), "codes": np.zeros(0, np.uint8), **nothing, "junctions": np.zeros(0, int)}
        name = (full or shared)[0]
    sequence, cds, junctions = parsed[name]
    # Models may read different parts of a long transcript: what one does not read has no score.
    along = [own[name].set_index("start_offset")["loo"].reindex(range(len(sequence))) for own in tables.values()]
    return {
        "id": np.array(str(name)),
        "codes": base_codes([sequence])[0],
        "models": np.array(list(tables)),
        "scores": np.stack([line.to_numpy(np.float32) for line in along]),
        "cds": np.array(cds),
        "junctions": np.array(junctions, dtype=int) - 1,
    }
