"""Two-dimensional maps of embeddings: PCA, then UMAP, and a page to look at them with."""

import html
import json
import re
import zipfile

import numpy as np
import pandas as pd

from seqlm.common.errors import InputError
from seqlm.common.files import atomic_path

COMPONENTS = 50
MOST_BUTTONS, OTHERS = 20, "#C8C8C8"  # labels with a button and a colour of their own; the colour of all others


def principal_components(X, n=COMPONENTS):
    """The first `n` principal components (N, n) of features (N, D), or the centred features when there are fewer."""
    from sklearn.decomposition import PCA

    X = np.asarray(X, np.float64)
    X = X - X.mean(0)
    if n >= min(X.shape):
        return X
    return PCA(n, svd_solver="covariance_eigh").fit_transform(X)


def project(X, seed=0, neighbours=15, min_dist=0.1, components=COMPONENTS):
    """A map of embeddings.

    Parameters
    ----------
    X : array (N, D)
    seed : int
        The same seed gives the same map; this keeps UMAP to one thread.
    neighbours : int
        UMAP's balance of local (few) and global (many) structure; fewer where there are fewer points.
    min_dist : float
    components : int
        Principal components that UMAP is given.

    Returns
    -------
    numpy.ndarray (N, 2), float32
    """
    import warnings

    if len(X) < 4:
        raise InputError("embeddings", f"{len(X)} are too few for a map", "embed at least 4 sequences")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread is said above
        import umap

        mapper = umap.UMAP(
            n_neighbors=min(neighbours, len(X) - 1),
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
            init="spectral" if len(X) > 20 else "random",
        )
        return mapper.fit_transform(principal_components(X, components)).astype(np.float32)


def write_embeddings(path, ids, embeddings):
    """Arrays ``id`` (N,) and ``embedding`` float32 (N, D) in an .npz file.

    Of embeddings by base (a list of arrays) ``embedding`` holds all bases, one sequence after the other, and a third
    array their numbers, ``length`` (N,): ``np.split(embedding, length.cumsum()[:-1])`` parts them.
    """
    arrays = {"id": np.asarray(ids, dtype=str)}
    if isinstance(embeddings, list):
        arrays["length"] = np.array([len(own) for own in embeddings])
        embeddings = np.concatenate(embeddings)
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, embedding=np.asarray(embeddings, np.float32), **arrays)


def read_embeddings(path):
    """Ids and embeddings (N, D) that `write_embeddings` wrote; of those by base, each sequence's mean."""
    try:
        with np.load(path) as arrays:
            found = arrays["embedding"]
            if "length" in arrays:
                parts = np.split(found, arrays["length"].cumsum()[:-1])
                found = np.stack([part.mean(0) if len(part) else np.zeros(found.shape[1]) for part in parts])
            return arrays["id"], found
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(path, f"holds no embeddings ({error})", "embed the sequences again") from None


def maps(embeddings, examples, seed=0, **options):
    """One map for each of several embeddings of the same examples.

    Parameters
    ----------
    embeddings : dict of str to (ids, array (N, D))
        Panel name -> embeddings, see `read_embeddings`.
    examples : pandas.DataFrame
        Columns id and target; the examples to be shown.
    seed : int
    options
        See `project`.

    Returns
    -------
    pandas.DataFrame
        Columns id, label, panel, x, y.
    """
    tables = []
    for panel, (ids, X) in embeddings.items():
        place = pd.Series(np.arange(len(ids)), index=ids).reindex(examples["id"])
        if place.isna().any():
            missing = place.index[place.isna()][0]
            raise InputError(f"embeddings {panel}", f"example {missing!r} is not embedded", "embed the dataset again")
        xy = project(X[place.to_numpy(int)], seed, **options)
        own = {"id": examples["id"].to_numpy(), "label": examples["target"].to_numpy()}
        tables.append(pd.DataFrame(own | {"panel": panel, "x": xy[:, 0], "y": xy[:, 1]}))
    return pd.concat(tables, ignore_index=True)


def map_page(table, title, colours):
    """An interactive map as one HTML file that needs nothing from elsewhere.

    Hovering over a dot shows its id and label; a click on a label in the legend hides or shows its dots. Of many labels
    the most frequent ones have a colour and a button, and the others one in common.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns id, label, x, y, and optionally panel (one map for each of its values).
    title : str
    colours : list of str
        One per label, in sorted order of labels; used again from the start when there are more labels.

    Returns
    -------
    str
    """
    labels = sorted(table["label"].astype(str).unique())
    often = set(table["label"].astype(str).value_counts().index[:MOST_BUTTONS])
    legend = [i for i, label in enumerate(labels) if label in often]
    number = dict(zip(labels, range(len(labels)), strict=True))
    panels = table["panel"].astype(str) if "panel" in table else [""] * len(table)
    data = {
        "labels": labels,
        "colours": [OTHERS] * len(labels),
        "legend": [{"name": labels[i], "labels": [i]} for i in legend],
        "panels": list(dict.fromkeys(panels)),
        "id": table["id"].astype(str).tolist(),
        "label": [number[label] for label in table["label"].astype(str)],
        "x": [round(float(x), 3) for x in table["x"]],
        "y": [round(float(y), 3) for y in table["y"]],
    }
    data["panel"] = [data["panels"].index(panel) for panel in panels]
    for k, i in enumerate(legend):
        data["colours"][i] = colours[k % len(colours)]
    others = [i for i, label in enumerate(labels) if label not in often]
    if others:
        data["legend"].append({"name": f"{len(others):,} others", "labels": others})
    # "<" inside a script could end it; JSON may spell it by its code.
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"{title}": html.escape(title), "{data}": embedded}
    # In one pass, so that neither is looked for within the other.
    return re.sub(r"\{title\}|\{data\}", lambda found: parts[found[0]], _PAGE)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{font:15px system-ui,sans-serif;color:#222;margin:1em}
h1{font-size:1.2em}
#maps{display:flex;flex-wrap:wrap;gap:1em}
figure{margin:0} figcaption{font-weight:600;padding:.2em 0}
canvas{border:1px solid #ddd}
button{border:0;background:none;font:inherit;cursor:pointer;padding:.3em .7em} button.off{opacity:.3}
button i{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em}
#tip{position:fixed;display:none;pointer-events:none;background:#fff;border:1px solid #888;padding:.2em .5em}
</style></head><body><h1>{title}</h1><div id="legend"></div><div id="maps"></div><div id="tip"></div>
<script id="data" type="application/json">{data}</script>
<script>
const d = JSON.parse(document.getElementById("data").textContent), size = 560, edge = 16;
const shown = d.labels.map(() => true), maps = [], tip = document.getElementById("tip");
const range = (v) => v.reduce(([low, high], a) => [Math.min(low, a), Math.max(high, a)], [Infinity, -Infinity]);
d.panels.forEach((name, p) => {
  const rows = d.panel.flatMap((q, i) => q === p ? [i] : []);
  // A fixed shuffle, so that no label lies on top of all others.
  rows.sort((a, b) => (a * 7919) % 10007 - (b * 7919) % 10007);
  const scale = (key, flip) => {
    const [low, high] = range(rows.map((i) => d[key][i])), unit = (size - 2 * edge) / ((high - low) || 1);
    return (i) => flip ? size - edge - (d[key][i] - low) * unit : edge + (d[key][i] - low) * unit;
  };
  const x = scale("x", false), y = scale("y", true);
  const figure = document.createElement("figure"), canvas = document.createElement("canvas");
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  canvas.width = canvas.height = size;
  figure.append(caption, canvas);
  document.getElementById("maps").append(figure);
  const context = canvas.getContext("2d");
  const draw = () => {
    context.clearRect(0, 0, size, size);
    context.globalAlpha = 0.75;
    for (const i of rows) if (shown[d.label[i]]) {
      context.fillStyle = d.colours[d.label[i]];
      context.beginPath();
      context.arc(x(i), y(i), rows.length < 3000 ? 3 : 2, 0, 7);
      context.fill();
    }
  };
  canvas.onmousemove = (event) => {
    const box = canvas.getBoundingClientRect(), at = [event.clientX - box.left, event.clientY - box.top];
    let best = -1, least = 64;
    for (const i of rows) if (shown[d.label[i]]) {
      const far = (x(i) - at[0]) ** 2 + (y(i) - at[1]) ** 2;
      if (far < least) { least = far; best = i; }
    }
    tip.style.display = best < 0 ? "none" : "block";
    if (best >= 0) tip.textContent = d.id[best] + " \\u2014 " + d.labels[d.label[best]];
    tip.style.left = event.clientX + 14 + "px";
    tip.style.top = event.clientY + 10 + "px";
  };
  canvas.onmouseleave = () => { tip.style.display = "none"; };
  maps.push(draw);
});
d.legend.forEach((entry) => {
  const button = document.createElement("button"), dot = document.createElement("i");
  dot.style.background = d.colours[entry.labels[0]];
  button.append(dot, entry.name);
  button.onclick = () => {
    for (const k of entry.labels) shown[k] = !shown[k];
    button.classList.toggle("off");
    maps.forEach((draw) => draw());
  };
  document.getElementById("legend").append(button);
});
maps.forEach((draw) => draw());
</script></body></html>
"""
