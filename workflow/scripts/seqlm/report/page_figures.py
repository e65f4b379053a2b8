"""Figures as the report embeds them: at one size of type, each with its caption and a text in its place."""

import base64
import html
import re
import struct
from pathlib import Path

from seqlm.common.errors import InputError
from seqlm.common.files import JOINT

LARGEST_SVG = 400_000  # bytes; above it the PNG is embedded instead
DPI = 200  # of the PNGs, see `seqlm.report.drawing.style`


def rst_to_html(text):
    """Paragraphs, ``literals`` and *emphasis* of a caption: all that captions use."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    out = []
    for paragraph in paragraphs:
        paragraph = html.escape(paragraph, quote=False)
        paragraph = re.sub(r"``(.+?)``", r"<code>\1</code>", paragraph)
        out.append("<p>" + re.sub(r"\*(.+?)\*", r"<em>\1</em>", paragraph) + "</p>")
    return "".join(out)


def embedded(paths, families):
    """Figures in reading order, each as a data URI.

    Parameters
    ----------
    paths : list of path
        PNGs, named ``<family>[-<subject>].png``; a subject is a backbone, a dataset, or ``<dataset>+<model>``.
    families : dict
        workflow/report/figures.yaml.

    Returns
    -------
    list of dict
        name, section, title, caption (HTML), alt (words in place of the picture), uri, inches (the width it was drawn
        at), of (datasets that it may be of).
    """
    order = list(families)
    known = [(Path(path), *Path(path).stem.partition("-")[::2]) for path in paths]
    figures = []
    for path, family, subject in sorted(known, key=lambda f: (order.index(f[1]) if f[1] in order else 99, f[1], f[2])):
        about = {"section": "more", "heading": family.replace("_", " "), "caption": "", "of": ["dataset"]}
        about |= families.get(family, {})
        caption = rst_to_html(about["caption"])
        title = f"{about['heading']}: {subject.replace(JOINT, ', ')}" if subject else about["heading"]
        figures.append({
            "name": path.stem, "section": about["section"], "title": title, "caption": caption, "uri": data_uri(path),
            "alt": f"{title}. " + html.unescape(re.sub(r"<[^>]+>", "", caption)), "inches": _inches(path),
            "of": [subject.partition(JOINT)[0]] if {"dataset", "model"} & set(about["of"]) else [],
        })  # fmt: skip
    return figures


def _inches(path):
    """The width that a PNG was drawn at, from its header; None where there is none to read."""
    header = Path(path).read_bytes()[:24]
    return struct.unpack(">I", header[16:20])[0] / DPI if header[12:16] == b"IHDR" else None


def data_uri(path):
    """An image as a data URI: the SVG beside a PNG when it is there and small enough, else the PNG itself."""
    path = Path(path)
    vector = path.with_suffix(".svg")
    if vector.is_file() and vector.stat().st_size <= LARGEST_SVG:
        path = vector
    if not path.is_file():
        raise InputError(path, "there is no such figure", "run the study's plots target first")
    kind = {".svg": "svg+xml", ".png": "png"}.get(path.suffix)
    if kind is None:
        raise InputError(path, "is no PNG or SVG figure", "give the PNG figures of the study")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
