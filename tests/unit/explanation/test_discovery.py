"""From scores to motifs with names and places."""

import numpy as np
import pandas as pd
import pytest

from seqlm.common.errors import InputError
from seqlm.explanation.dataset_motifs import COLUMNS, dataset_motifs
from seqlm.explanation.discovery import discover
from seqlm.explanation.hits import motif_hits, scanner
from seqlm.explanation.importance import importance
from seqlm.explanation.naming import name_motifs
from seqlm.sequences.codes import reverse_complement
from seqlm.sequences.information import information
from seqlm.sequences.motif_files import jaspar_motifs, read_motif, read_motifs

PUM2 = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0.25] * 4, [1, 0, 0, 0], [0, 0, 0, 1],
                 [1, 0, 0, 0]])  # fmt: skip
MEME = "MEME version 4\n\nALPHABET= ACGU\n\n{}"
MATRIX = "MOTIF {}\nletter-probability matrix: alength= 4 w= {} nsites= 100\n{}\n\n"


def meme(path, **matrices):
    """A file of RNA motifs, by their other names."""
    text = ""
    for i, (name, rows) in enumerate(matrices.items()):
        text += MATRIX.format(f"M{i} {name}", len(rows), "\n".join(" ".join(map(str, row)) for row in rows))
    path.write_text(MEME.format(text))
    return path


def codes_of(*texts):
    return np.array([["ACGTN".index(base) for base in text] for text in texts], np.uint8)


@pytest.fixture(scope="module")
def vertebrates():
    return jaspar_motifs("vertebrates")


def test_a_base_that_supports_has_a_positive_importance():
    scores = np.float32([[-2, 0.5, -1, np.nan]])
    one_hot, hypothetical = importance({"codes": codes_of("ACNG"), "scores": scores})
    assert (one_hot * hypothetical).sum(2).tolist() == [[2, -0.5, 0, 0]]
    assert not one_hot[0, 2].any() and not one_hot[0, 3].any()


def test_bases_put_in_place_of_one_give_what_each_would_contribute():
    """Of a model that adds a weight for each base the contribution is that weight, less the mean of its position."""
    rng = np.random.default_rng(0)
    codes, weights = rng.integers(0, 4, (5, 9)).astype(np.uint8), rng.normal(size=(9, 4))
    order = [2, 0, 3, 1]
    replaced = weights[None] - np.take_along_axis(weights[None].repeat(5, 0), codes[..., None].astype(int), 2)
    replaced = replaced[..., order]
    arrays = {"codes": codes, "scores": replaced.sum(2) / 3, "replaced": replaced,
              "replacements": np.array(["G", "A", "U", "C"])}  # fmt: skip
    one_hot, hypothetical = importance(arrays)
    np.testing.assert_allclose(
        hypothetical, np.repeat((weights - weights.mean(1, keepdims=True))[None], 5, 0), atol=1e-6
    )
    np.testing.assert_allclose((one_hot * hypothetical).sum(2), -0.75 * arrays["scores"], atol=1e-6)
    fewer = arrays | {"replaced": replaced[..., :3], "replacements": arrays["replacements"][:3]}
    np.testing.assert_allclose((importance(fewer)[1] * one_hot).sum(2), -fewer["scores"], atol=1e-6)


def test_jaspars_collections_and_files_of_many_motifs(tmp_path, vertebrates):
    assert len(vertebrates) == len({motif.matrix_id.split(".")[0] for motif in vertebrates}) > 1000
    assert "FOXA2" in {motif.name for motif in vertebrates}
    two = read_motifs(meme(tmp_path / "two.meme", PUM2=PUM2, odd=PUM2[:5]))
    assert [(motif.matrix_id, motif.name) for motif in two] == [("M0", "PUM2"), ("M1", "odd")]
    assert two[0].counts["T"][0] == 100
    for name, text in (("none", ""), ("prose", "not a motif\n"), ("short", ">a\nA [1 2]\nC [1 2]\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError) as error:
            read_motifs(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("sites, counted", [(100, 100), (1, 1), (0, 20)])
def test_meme_says_how_many_sites_there_were(tmp_path, sites, counted):
    """Counts that look like percentages or probabilities are none, where the file says of how many sites."""
    text = meme(tmp_path / "m", PUM2=PUM2 * 0.9 + 0.025).read_text().replace("nsites= 100", f"nsites= {sites}")
    (tmp_path / "m").write_text(text)
    (motif,) = read_motifs(tmp_path / "m")
    assert read_motif(tmp_path / "m").counts["T"][0] == motif.counts["T"][0] == pytest.approx(0.925 * counted)


def test_a_motif_gets_its_own_name_on_either_strand(vertebrates):
    chosen = [i for i, motif in enumerate(vertebrates) if motif.name in ("CTCF", "Nrf1", "TP53")]
    assert len(chosen) == 5  # JASPAR has three of CTCF
    counts = [np.array([vertebrates[i].counts[base] for base in "ACGT"]).T for i in chosen]
    for flipped in (False, True):
        given = [own[::-1, ::-1] for own in counts] if flipped else counts
        for i, (j, p, q, turned) in zip(chosen, name_motifs(given, vertebrates), strict=True):
            assert vertebrates[j].name == vertebrates[i].name and turned == flipped
            assert 0 <= p <= q < 1e-5


def test_few_motifs_of_rna_are_named_on_their_strand_alone(tmp_path, vertebrates):
    own = read_motifs(meme(tmp_path / "rna.meme", PUM2=PUM2))
    for both, flipped, found in ((False, False, True), (False, True, False), (True, True, True)):
        counts = 200 * (PUM2[::-1, ::-1] if flipped else PUM2)
        ((_, _, q, _),) = name_motifs([counts], own, both, background=vertebrates)
        assert (q < 1e-3) == found


def test_hits_lie_where_the_motif_was_put():
    """On both strands, in windows with a place in a genome, on its other strand too, and without one."""
    site, rng = "GATTACAGG", np.random.default_rng(1)
    counts = 50 * (codes_of(site)[0][:, None] == np.arange(4))
    texts = ["".join(rng.choice(list("CT"), 40)) for _ in range(4)]
    texts[0] = texts[0][:5] + site + texts[0][14:]
    texts[1] = texts[1][:7] + reverse_complement(site) + texts[1][16:]
    texts[2] = "N" * 20 + site + "N" * 11
    examples = pd.DataFrame({
        "id": list("abcd"), "sequence": texts, "chrom": ["chr1", "chr1", None, "chr2"],
        "start": [100, 200, None, 0], "end": [140, 240, None, 40], "strand": ["+", "-", None, None],
    })  # fmt: skip
    arrays = {"id": np.array(list("abcd")), "codes": codes_of(*texts), "scores": np.full((4, 40), -0.5, np.float32)}
    hits = motif_hits({"m1": scanner(counts)}, arrays, examples)
    assert hits[["chrom", "start", "end", "strand"]].to_numpy().tolist() == [
        ["c", 20, 29, "+"], ["chr1", 105, 114, "+"], ["chr1", 224, 233, "+"],
    ]  # fmt: skip
    assert hits["importance"].tolist() == [4.5] * 3 and (hits["score"] <= 1000).all()
    forward = motif_hits({"m1": scanner(counts, both_strands=False)}, arrays, examples)
    assert forward["start"].tolist() == [20, 105]


def test_hits_of_a_spliced_mrna_are_places_in_it_and_not_in_its_gene():
    """Its exons lie apart in the genome; and a model that reads its end alone still counts from its first base."""
    site = "GATTACAGG"
    text = "CTCCTTCT" + site + "CTC"
    examples = pd.DataFrame({
        "id": ["t1"], "sequence": [" ".join(base + "#0" for base in text)], "chrom": ["chr1"], "start": [100],
        "end": [900], "strand": ["-"],
    })  # fmt: skip
    scan = scanner(50 * (codes_of(site)[0][:, None] == np.arange(4)))
    for read in (text, text[6:]):
        arrays = {"id": np.array(["t1"]), "codes": codes_of(read), "scores": np.zeros((1, len(read)), np.float32)}
        hits = motif_hits({"m1": scan}, arrays, examples)
        assert hits[["chrom", "start", "end", "strand"]].to_numpy().tolist() == [["t1", 8, 17, "+"]]


def arrays_with(rng, n, motifs, reverse=0.5, noise=0.05, length=90):
    """Scores as of a model that reads these motifs (counts) and nothing else; so many are on the reverse strand."""
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    scores = (noise * rng.laplace(size=codes.shape)).astype(np.float32)
    for i in range(n):
        counts = motifs[i % len(motifs)]
        share = counts / counts.sum(1, keepdims=True)
        bases = np.array([rng.choice(4, p=column) for column in share])
        weight = share[np.arange(len(share)), bases]
        if rng.random() < reverse:
            bases, weight = 3 - bases[::-1], weight[::-1]
        start = rng.integers(0, length - len(bases))
        codes[i, start : start + len(bases)] = bases
        scores[i, start : start + len(bases)] -= weight
    names = np.array([f"s{i}" for i in range(n)])
    return {"id": names, "codes": codes, "scores": scores}


def examples_of(arrays):
    texts = ["".join("ACGT"[code] for code in row) for row in arrays["codes"]]
    return pd.DataFrame({"id": arrays["id"], "sequence": texts})


@pytest.mark.slow
def test_motifs_that_are_read_are_found_named_and_located(vertebrates):
    """Forward strand as the collection has it; where scores are noise there is nothing."""
    rng = np.random.default_rng(2)
    known = {motif.matrix_id[:6]: np.array([motif.counts[base] for base in "ACGT"]).T for motif in vertebrates}
    arrays = arrays_with(rng, 300, [known["MA0139"], known["MA0506"]])
    settings = {"jaspar": "vertebrates", "examples": 1000}
    found, said, logos, hits = dataset_motifs(arrays, examples_of(arrays), "d", "m", settings)
    assert set(found["match"][:2]) == {"CTCF", "Nrf1"} and (found["seqlets"][:2] > 80).all()
    assert (found["effect"] == "supports").all() and "resemble" in said["said"].item()
    for row in found[:2].itertuples():
        own = hits[hits["name"] == f"{row.motif}_{row.match}"]
        assert own["chrom"].nunique() > 80 and own["importance"].median() > 3
        assert logos[f"counts_{row.motif}"].shape == (len(row.consensus), 4)
    noise = arrays | {"scores": (0.05 * rng.laplace(size=arrays["scores"].shape)).astype(np.float32)}
    found, said, _, hits = dataset_motifs(noise, examples_of(noise), "d", "m", settings)
    assert not len(found) and not len(hits)


@pytest.mark.slow
def test_few_examples_of_rna_give_what_they_can_and_it_is_said(tmp_path):
    rng = np.random.default_rng(3)
    arrays = arrays_with(rng, 60, [1000 * PUM2 + 1], reverse=0)
    settings = {"file": meme(tmp_path / "rna.meme", PUM2=PUM2), "examples": 60}
    found, said, _, hits = dataset_motifs(arrays, examples_of(arrays), "d", "m", settings, "rna")
    assert found["match"][0] == "PUM2" and "UGUA" in found["consensus"][0] and "T" not in found["consensus"][0]
    assert set(hits["strand"]) == {"+"}
    assert "few stretches" in said["said"].item()


@pytest.mark.parametrize(
    "scores, words", [(np.zeros((30, 60)), "No base mattered"), (np.full((30, 60), np.nan), "No base mattered"),
                      (np.zeros((3, 12)), "No base mattered")]
)  # fmt: skip
def test_nothing_found_is_an_empty_table_and_a_sentence(scores, words):
    rng = np.random.default_rng(4)
    arrays = {"id": np.array([f"s{i}" for i in range(len(scores))]), "scores": scores.astype(np.float32),
              "codes": rng.integers(0, 4, scores.shape).astype(np.uint8)}  # fmt: skip
    found, said, logos, hits = dataset_motifs(arrays, examples_of(arrays), "d", "m", {"jaspar": "fungi", "examples": 9})
    assert list(found) == COLUMNS and not len(found) and not len(hits) and not len(logos["motif"])
    assert words in said["said"].item()


def test_too_few_stretches_are_told_and_not_compared():
    rng = np.random.default_rng(5)
    arrays = arrays_with(rng, 6, [1000 * PUM2 + 1])
    motifs, said = discover(*importance(arrays))
    assert motifs == [] and "too few" in said


def test_a_base_that_matters_anywhere_is_no_motif():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, (400, 100))
    one_hot = np.eye(4, dtype=np.float32)[codes]
    importance = rng.normal(0, 0.01, codes.shape)
    for row, own in zip(codes, importance, strict=True):
        own[rng.choice(np.flatnonzero(row == 2))] = 1.0  # one G of each
    motifs, said = discover(one_hot, (importance[..., None] * one_hot).astype(np.float32))
    assert all(len(motif.counts) >= 4 for motif in motifs)
    assert "in fewer than 4 bases" in said


def test_columns_without_information_are_known_from_those_that_name_a_base():
    counts = np.array([[25, 25, 25, 25], [100, 0, 0, 0], [50, 50, 0, 0]])
    bits = information(counts, pseudocount=2).sum(1)
    assert bits == pytest.approx([0, 2, 1], abs=0.15)
