"""The PWM scan against loops and full enumeration written from the definition."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs

from seqlm.common.errors import InputError
from seqlm.sequences.motif_files import read_motif
from seqlm.sequences.motifs import motif_mask, motif_runs, motif_scanner

MATRIX = Path(__file__).parents[3] / "resources" / "motifs" / "MA0446.1.jaspar"
CONSENSUS = "TGTTTGCTTAA"
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def log_odds(pseudocount=0.8):
    counts = np.array([read_motif(MATRIX).counts[base] for base in "ACGT"], float) + pseudocount
    return np.log2(counts / counts.sum(axis=0) / 0.25)


def brute_force_track(sequence, threshold, strands="both"):
    """Every window of both strands scored base by base; the higher score wins."""
    table = log_odds()
    width = table.shape[1]
    track = np.zeros(len(sequence))
    for start in range(len(sequence) - width + 1):
        window = sequence[start : start + width].upper()
        turned = window.translate(COMPLEMENT)[::-1]
        for word in (window, turned) if strands == "both" else (window,):
            if "N" in word:
                continue
            score = sum(table["ACGT".index(base), i] for i, base in enumerate(word))
            if score >= threshold:
                track[start : start + width] = np.maximum(track[start : start + width], score)
    return track


def random_dna(length, seed, alphabet="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(alphabet), length))


@pytest.mark.parametrize("strands", ["both", "forward"])
def test_track_equals_brute_force(strands):
    sequence = random_dna(3000, 1, "ACGTTTTANacgt")
    scanner = motif_scanner(MATRIX, p_value=5e-3, strands=strands)
    expected = brute_force_track(sequence, scanner.threshold, strands)
    assert (expected > 0).sum() > 200
    np.testing.assert_allclose(scanner.track(sequence), expected, rtol=1e-5)


def test_every_base_of_the_consensus_carries_one_score_of_eleven_bases():
    scanner = motif_scanner(MATRIX)
    for word in (CONSENSUS, CONSENSUS.translate(COMPLEMENT)[::-1]):
        track = scanner.track("C" * 30 + word + "C" * 30)
        assert motif_runs(track) == [(30, 41)]
        assert track[30] == pytest.approx(log_odds().max(axis=0).sum(), rel=1e-5)


def test_p_value_is_the_share_of_all_words_above_the_threshold():
    scores = log_odds()[:, 0]
    for column in log_odds()[:, 1:].T:
        scores = (scores[:, None] + column).ravel()
    assert len(scores) == 4**11
    for p_value in (1e-4, 1e-3):
        share = (scores >= motif_scanner(MATRIX, p_value=p_value).threshold).mean()
        assert share == pytest.approx(p_value, rel=0.1)


def test_hits_are_ordered_with_strands_and_scores():
    turned = CONSENSUS.translate(COMPLEMENT)[::-1]
    start, strand, score = motif_scanner(MATRIX).hits("CCCC" + turned + "CCCCC" + CONSENSUS)
    assert start.tolist() == [4, 20] and strand.tolist() == [-1, 1]
    assert score[0] == pytest.approx(score[1], rel=1e-5)


def test_an_n_breaks_a_hit_and_u_counts_as_t():
    scanner = motif_scanner(MATRIX)
    assert not scanner.track("CCC" + CONSENSUS[:5] + "N" + CONSENSUS[6:] + "CCC").any()
    np.testing.assert_array_equal(scanner.track(CONSENSUS.replace("T", "u")), scanner.track(CONSENSUS))


def test_sequences_shorter_than_the_matrix_have_no_hits():
    assert motif_scanner(MATRIX).track("ACGT").tolist() == [0, 0, 0, 0]
    assert len(motif_scanner(MATRIX).track(CONSENSUS)) == 11


def test_overlapping_hits_keep_the_higher_score():
    scanner = motif_scanner(MATRIX, score=2.0)
    sequence = random_dna(2000, 3, "ATTTG")
    np.testing.assert_allclose(scanner.track(sequence), brute_force_track(sequence, 2.0), rtol=1e-5)


def slow_runs(track, minimum):
    runs, position = [], 0
    for score, group in itertools.groupby(track):
        length = len(list(group))
        if score != 0 and length >= minimum:
            runs.append((position, position + length))
        position += length
    return runs


def test_runs_and_mask_equal_a_loop_and_never_join_rows():
    rng = np.random.default_rng(0)
    tracks = np.repeat(rng.choice([0, 0, 1.5, 2.5], (40, 12)), 7, axis=1)
    for minimum in (1, 7, 10, 14):
        mask = motif_mask(tracks, minimum)
        for track, row in zip(tracks, mask, strict=True):
            runs = slow_runs(track, minimum)
            assert motif_runs(track, minimum) == runs
            assert np.flatnonzero(row).tolist() == [i for s, e in runs for i in range(s, e)]
    assert motif_mask(tracks[0]).shape == (84,)


def test_a_cut_hit_is_no_motif():
    track = np.array([5.0] * 9 + [0.0] * 11)
    assert motif_runs(track) == [] and not motif_mask(track).any()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"p_value": 0}, "p_value"),
        ({"p_value": 0.9}, "not positive"),
        ({"score": 99}, "no sequence reaches"),
        ({"pseudocount": 0}, "pseudocount"),
        ({"strands": "reverse"}, "strands"),
    ],
)
def test_impossible_settings_are_one_line_errors(settings, word):
    with pytest.raises(InputError, match=word) as caught:
        motif_scanner(MATRIX, **settings)
    assert "\n" not in str(caught.value)


def test_unusable_motif_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_motif(tmp_path / "missing.jaspar")
    for name, text in {"empty": "", "prose": "hello there\n", "short": ">X y\nA [ 1 2 ]\n"}.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_motif(path)
        assert str(path) in str(caught.value)
    two = tmp_path / "two.jaspar"
    two.write_text(MATRIX.read_text() * 2)
    with pytest.raises(InputError, match="2 matrices"):
        read_motif(two)


NO_COUNTS = {
    "probabilities": ([[0.7, 0.1], [0.1, 0.2], [0.1, 0.3], [0.1, 0.4]], "holds probabilities, not counts"),
    "rounded probabilities": ([[0.33, 1], [0.33, 0], [0.33, 0], [0.0, 0]], "holds probabilities, not counts"),
    "unnormalised probabilities": ([[0.7, 0.2], [0.1, 0.2], [0.1, 0.3], [0.3, 0.4]], "holds probabilities, not counts"),
    "percentages": ([[70.5, 10], [9.5, 20], [10, 30], [10, 40]], "holds percentages, not counts"),
    "positions in rows": (
        [[9, 1, 0, 0], [0, 0, 10, 0], [8, 1, 1, 0], [0, 0, 9, 1]],
        "its rows, not its columns, sum to the same",
    ),
    "log-odds": ([[1.2, -3.0], [0.3, 1.9], [0.1, 0.2], [0.0, 0.0]], "-3 is negative"),
    "not a number": ([[1, "nan"], [3, 1], [1, 2], [0, 0]], "nan is no number of sites"),
    "infinite": ([[1, "inf"], [3, 1], [1, 2], [0, 0]], "inf is no number of sites"),
    "rows of unequal length": ([[1, 2], [3, 4], [5, 6, 7], [8, 9]], "not a matrix in JASPAR format"),
    "words": ([[1, "x"], [3, 4], [5, 6], [8, 9]], "not a matrix in JASPAR format"),
    "no columns": ([[], [], [], []], "has no columns"),
}


@pytest.mark.parametrize("kind", NO_COUNTS)
def test_what_holds_no_counts_is_one_line(tmp_path, kind):
    rows, says = NO_COUNTS[kind]
    path = tmp_path / "m.jaspar"
    lines = [f"{base} [ {' '.join(map(str, row))} ]" for base, row in zip("ACGT", rows, strict=True)]
    path.write_text(">X y\n" + "\n".join(lines) + "\n")
    for read in (read_motif, motif_scanner):
        with pytest.raises(InputError, match=says) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


ROWS = (4, 19, 0, 0), (16, 0, 20, 0), (0, 1, 0, 20), (0, 0, 0, 0)
PROBABILITIES = "\n".join(" ".join(f"{count / 20:.6f}" for count in column) for column in zip(*ROWS, strict=True))
MEME = "MEME version 4\n\nMOTIF X y\nletter-probability matrix: "
LAYOUTS = {
    "JASPAR": ">X y\n" + "\n".join(f"{b} [ {' '.join(map(str, r))} ]" for b, r in zip("ACGT", ROWS, strict=True)),
    "no brackets": ">X y\n" + "\n".join(f"{b}\t{' '.join(map(str, r))}" for b, r in zip("ACGT", ROWS, strict=True)),
    "bars": "\n".join(f"{b} | {' '.join(map(str, r))}" for b, r in zip("TGCA", ROWS[::-1], strict=True)),
    "no letters": ">X\n" + "\n".join("\t".join(map(str, r)) for r in ROWS) + "\n\n",
    "no header": "\n".join(" ".join(map(str, r)) for r in ROWS),
    "RNA, lower case": ">X y\n"
    + "\n".join(f"{b} [{' '.join(map(str, r))}]" for b, r in zip("acgu", ROWS, strict=True)),
    "MEME": MEME.replace("MOTIF", "ALPHABET= ACGT\n\nMOTIF")
    + f"alength= 4 w= 4 nsites= 20 E= 0\n{PROBABILITIES}\nURL x\n",
    "MEME says little": MEME + f"\n{PROBABILITIES}\n\nURL http://x\n",
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_one_matrix(tmp_path, layout, end):
    (tmp_path / "m").write_bytes(b"\xef\xbb\xbf" + LAYOUTS[layout].replace("\n", end).encode())
    counts = read_motif(tmp_path / "m").counts
    np.testing.assert_allclose([counts[base] for base in "ACGT"], ROWS, atol=1e-4)


def test_probabilities_of_a_meme_file_count_as_its_sites(tmp_path):
    (tmp_path / "m").write_text(MEME + f"alength= 4 w= 4 nsites= 500\n{PROBABILITIES}\n")
    np.testing.assert_allclose(read_motif(tmp_path / "m").counts["A"], [100, 475, 0, 0], rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            MEME.replace("MOTIF", "ALPHABET= ACDEFGHIKLMNPQRSTVWY\nMOTIF") + f"\n{PROBABILITIES}\n",
            "line 3: its alphabet",
        ),
        (MEME + f"w= 6\n{PROBABILITIES}\n", "has 4 rows, not 6"),
        (MEME + "w= 4\n0.2 0.2 0.2 0.2\n", "line 5: is no row of four probabilities"),
        (MEME + "w= 4\n0.2 0.2 0.6\n", "line 5: is no row of four probabilities"),
        (MEME + "\n", "has 0 rows"),
        ("MEME version 4\n", "0 matrices"),
        ("MEME version 4\n" + 2 * (MEME.partition("\n")[2] + f"\n{PROBABILITIES}\n"), "2 matrices"),
        (LAYOUTS["no header"] + "\n1 2 3 4\n", "5 rows"),
    ],
)
def test_files_that_hold_less_or_more_than_a_matrix(tmp_path, text, says):
    (tmp_path / "m").write_text(text)
    with pytest.raises(InputError, match=says):
        read_motif(tmp_path / "m")


def test_probabilities_times_sites_label_what_the_counts_label(tmp_path):
    counts = np.array([read_motif(MATRIX).counts[base] for base in "ACGT"], float)
    sites = counts.sum(axis=0)
    text = ">X y\n{}\n{}\n{}\n{}\n"
    path = tmp_path / "m.jaspar"
    rows = [" ".join(map(repr, row.tolist())) for row in counts / sites]
    path.write_text(text.format(*(f"{base} [ {row} ]" for base, row in zip("ACGT", rows, strict=True))))
    with pytest.raises(InputError, match="multiply by the number of sites"):
        motif_scanner(path)
    with pytest.raises(InputError, match="label: holds probabilities"):  # a matrix that is no file
        motif = motifs.Motif(counts=dict(zip("ACGT", (counts / sites).tolist(), strict=True)), alphabet="ACGT")
        motif_scanner(motif, where="label")
    rows = [" ".join(map(repr, row.tolist())) for row in counts / sites * sites]  # counts that are no whole numbers
    path.write_text(text.format(*(f"{base} [ {row} ]" for base, row in zip("ACGT", rows, strict=True))))
    sequence = random_dna(20_000, 5, "ACGTTT")
    assert motif_scanner(MATRIX).track(sequence).any()
    np.testing.assert_allclose(motif_scanner(path).track(sequence), motif_scanner(MATRIX).track(sequence), rtol=1e-5)
