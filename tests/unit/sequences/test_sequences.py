"""Reading, cleaning and cutting sequences, against Biopython, samtools' index format and brute force."""

import gzip
import io
import itertools

import numpy as np
import pytest
from Bio import Seq, SeqIO, bgzf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlm.common.errors import InputError
from seqlm.sequences import (
    Genome,
    Windows,
    base_codes,
    clean,
    is_bgzip,
    is_gzip,
    open_bytes,
    read_fasta,
    read_genbank,
    reverse_complement,
    uncompressed_size,
)
from seqlm.sequences.reading import segments

TEXT = b">one first record\nACGTNacgtn\nRYSW\n>two\nGGGTTT\n\n>three\tx y\nA\n"


def write(path, text=TEXT):
    """Write text in the compression that the name asks for."""
    if path.suffix == ".bgz":
        with bgzf.BgzfWriter(str(path)) as handle:
            handle.write(text)
    else:
        (gzip.open if path.suffix == ".gz" else open)(path, "wb").write(text)
    return path


def genome_text(rng, lengths, width=60, alphabet="ACGTacgtN"):
    text, truth = "", {}
    for number, length in enumerate(lengths):
        sequence = "".join(rng.choice(list(alphabet), length))
        truth[f"chr{number}"] = sequence
        text += f">chr{number} made up\n" + "".join(sequence[i : i + width] + "\n" for i in range(0, length, width))
    return text.encode(), truth


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("name", ["a.fa", "a.fa.gz", "a.fa.bgz"])
def test_fasta_reads_the_same_as_biopython_in_every_compression(tmp_path, name):
    path = write(tmp_path / name)
    expected = [(r.id, str(r.seq)) for r in SeqIO.parse(io.StringIO(TEXT.decode()), "fasta")]
    records = list(read_fasta(path))
    assert [(r.id, r.sequence) for r in records] == expected
    assert [r.description for r in records] == ["first record", "", "x y"]
    assert uncompressed_size(path) == len(TEXT)
    assert (is_gzip(path), is_bgzip(path)) == (name != "a.fa", name == "a.fa.bgz")


def test_windows_line_ends_and_a_missing_last_one_change_nothing(tmp_path):
    path = write(tmp_path / "a.fa", TEXT.replace(b"\n", b"\r\n").rstrip())
    assert [r.sequence for r in read_fasta(path)] == ["ACGTNacgtnRYSW", "GGGTTT", "A"]
    assert next(read_fasta(path)).description == "first record"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_segments_do_not_depend_on_where_the_text_is_cut(data):
    text = data.draw(st.text("ACG>\n x", max_size=60)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = []  # sequence stretches joined, because only these may be cut
    for is_header, piece, offset in segments(filter(None, chunks)):
        assert text[offset + is_header :].startswith(piece)
        if found and not is_header and not found[-1][0]:
            found[-1][1] += piece
        else:
            found.append([is_header, piece])
    expected = []
    for line in text.splitlines(keepends=True):
        if line.startswith(b">"):
            expected.append([True, line[1:].rstrip(b"\n")])
        elif expected and not expected[-1][0]:
            expected[-1][1] += line
        else:
            expected.append([False, line])
    assert found == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "the file is empty"),
        (b"ACGT\n>a\nACGT\n", "line 1: no FASTA header: begins with 'ACGT'"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\n\n", "holds no sequence"),
        (b">a\nAC\n>b\nAC\n>a\nGG\n", "line 5: the id 'a' is there twice"),
        (b">a\nAC\n>b\n\n>c\nA\n", "line 3, record 'b': has no sequence"),
        (b">a\nAC\n>b\n", "line 3, record 'b': has no sequence"),
        (b">a\rAC\r>b\rGG\r", "its lines end with carriage returns alone"),
        (b">a\nAC\n>\nA\n", "line 3: the record has no name"),
        (b">a\nACGT\nAC7T\n", "record 'a', position 7: '7' is not a nucleotide code"),
        (">a\nACGT\nACéT\n".encode(), "record 'a', position 7"),
        (b">p\nMKLEV\n", "record 'p', position 3: 'L' is not a nucleotide code"),
    ],
)
def test_a_wrong_fasta_file_is_one_clear_line(tmp_path, text, says):
    path = write(tmp_path / "a.fa", text)
    with pytest.raises(InputError) as error:
        list(read_fasta(path))
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_illegal_characters_are_left_alone_when_asked(tmp_path):
    path = write(tmp_path / "a.fa", b">a\nAC7T\n>a\nMKL*\n")
    assert [r.sequence for r in read_fasta(path, check=False)] == ["AC7T", "MKL*"]


@pytest.mark.parametrize("name", ["a.fa.gz", "a.fa.bgz"])
@pytest.mark.parametrize("lost", [1, 20, 3000])
def test_a_truncated_compressed_file_is_an_error(tmp_path, name, lost):
    text, _ = genome_text(np.random.default_rng(0), [20_000])
    path = write(tmp_path / name, text)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match="truncated"):
        list(read_fasta(path))


def test_a_bgzip_file_cut_between_blocks_is_an_error(tmp_path):
    path = write(tmp_path / "a.fa.bgz")
    path.write_bytes(path.read_bytes()[:-28])  # still valid gzip
    assert gzip.decompress(path.read_bytes()) == TEXT
    for read in (lambda: list(read_fasta(path)), lambda: uncompressed_size(path)):
        with pytest.raises(InputError, match="end block is missing"):
            read()


def test_a_damaged_bgzip_block_is_an_error(tmp_path):
    text, _ = genome_text(np.random.default_rng(0), [300_000])
    path = write(tmp_path / "a.fa.bgz", text)
    whole = path.read_bytes()
    second = int.from_bytes(whole[16:18], "little") + 1
    for place in (second - 100, second, second + 12):  # in the data of a block, in the header of the next
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(InputError, match="damaged"):
            list(read_fasta(path))
    path.write_bytes(whole[:second] + gzip.compress(b"ACGT\n") + whole[second:])
    with pytest.raises(InputError, match="damaged"):
        list(read_fasta(path))


@pytest.mark.parametrize("size", [1, 70_000, 1 << 20, 10**7])
def test_bgzip_is_read_in_pieces_of_any_size(tmp_path, size):
    text, _ = genome_text(np.random.default_rng(0), [1_500_000])
    path = write(tmp_path / "a.fa.bgz", text[: 2_000 if size == 1 else None])
    with open_bytes(path) as reader:
        pieces = list(iter(lambda: reader.read(size), b""))
    assert b"".join(pieces) == gzip.decompress(path.read_bytes())
    assert {len(piece) for piece in pieces[:-1]} <= {size}


def test_damaged_missing_and_foreign_files_are_errors(tmp_path):
    text, _ = genome_text(np.random.default_rng(0), [20_000])
    path = write(tmp_path / "a.fa.gz", text)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        list(read_fasta(path))
    with pytest.raises(InputError, match="no such file"):
        list(read_fasta(tmp_path / "none.fa"))
    with pytest.raises(InputError, match="is a folder"):
        list(read_fasta(tmp_path))
    (tmp_path / "a.fa.bz2").write_bytes(b"BZh91AY")
    with pytest.raises(InputError, match="compressed with bzip2"):
        open_bytes(tmp_path / "a.fa.bz2")


GENBANK = """LOCUS       {name:<16}          12 bp    DNA     linear   BCT 01-JAN-2000
DEFINITION  a made-up record.
ACCESSION   {name}
VERSION     {name}.1
FEATURES             Location/Qualifiers
     source          1..12
{origin}//
"""
ORIGIN = "ORIGIN\n        1 acgtacgtac gt\n"


def test_genbank(tmp_path):
    path = tmp_path / "a.gb"
    path.write_text(GENBANK.format(name="AB000001", origin=ORIGIN) + GENBANK.format(name="AB000002", origin=ORIGIN))
    records = list(read_genbank(path))
    assert [r.id for r in records] == ["AB000001.1", "AB000002.1"]
    assert records[0].sequence.upper() == "ACGTACGTACGT"
    assert records[0].description == "a made-up record"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (">a\nACGT\n", "is not GenBank"),
        (GENBANK.format(name="AB1", origin="CONTIG      join(X1.1:1..12)\n"), "has no sequence"),
        (GENBANK.format(name="AB1", origin=ORIGIN) * 2, "is there twice"),
    ],
)
def test_a_wrong_genbank_file_is_one_clear_line(tmp_path, text, says):
    path = tmp_path / "a.gb"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        list(read_genbank(path))


# ---------------------------------------------------------------- cleaning and codes


def test_clean_counts_and_spells():
    cleaned, counts = clean("acGTUuNR-.*X\n1")
    assert cleaned == "ACGTTTNNNNNNN"
    assert counts == {
        "lower_case": 3,
        "converted": 2,
        "unknown": 1,
        "ambiguous": 1,
        "gap": 2,
        "illegal": 3,
        "dropped": 0,
    }
    assert clean("ACGT") == ("ACGT", dict.fromkeys(counts, 0))
    cleaned, counts = clean("ACGUT", molecule="rna")
    assert (cleaned, counts["converted"]) == ("ACGUU", 1)


def test_clean_policies():
    assert clean("ACRT", policy="drop") == (None, clean("ACRT", policy="N")[1] | {"dropped": 1})
    assert clean("acNu", policy="error")[0] == "ACNT"
    for letter, what in (("R", "an ambiguity code"), ("-", "a gap"), ("é", "not a nucleotide code")):
        with pytest.raises(InputError, match=f"record x, position 3: '{letter}' is {what}"):
            clean(f"AC{letter}T", policy="error", where="record x")
    with pytest.raises(InputError, match="no cleaning policy"):
        clean("A", policy="delete")
    with pytest.raises(InputError, match="no molecule"):
        clean("A", molecule="protein")


def test_base_codes_fold_case_read_u_as_t_and_pad():
    codes = base_codes(["ACGTU", "acgtu", "NR-", "é"])
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[0, 1, 2, 3, 3], [0, 1, 2, 3, 3], [4, 4, 4, 4, 4], [4, 4, 4, 4, 4]]
    assert base_codes(["AC", "ACGTA"], length=4).tolist() == [[0, 1, 4, 4], [0, 1, 2, 3]]
    assert base_codes([]).shape == (0, 0)


@given(st.text("ACGTRYSWKMBDHVNacgtrywskmbdhvn-"))
def test_reverse_complement_as_biopython(sequence):
    assert reverse_complement(sequence) == Seq.reverse_complement(sequence)
    assert reverse_complement(reverse_complement(sequence)) == sequence


def test_reverse_complement_of_rna_is_rna():
    assert reverse_complement("AACGU") == Seq.reverse_complement_rna("AACGU") == "ACGUU"


# ---------------------------------------------------------------- windows


def brute_force_windows(truth, length, step, max_unknown):
    for chrom, sequence in truth.items():
        sequence = sequence.upper()
        for start in range(0, len(sequence) - length + 1, step):
            window = sequence[start : start + length]
            if window.count("N") <= max_unknown * length:
                yield (f"{chrom}_{start}_{start + length}", chrom, start, start + length, window)


@pytest.mark.parametrize("length", [1, 7, 30])
@pytest.mark.parametrize("step", [1, 7, 50])
@pytest.mark.parametrize("max_unknown", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("chunk", [5, 64, 1 << 20])
def test_windows_against_brute_force(tmp_path, monkeypatch, length, step, max_unknown, chunk):
    monkeypatch.setattr("seqlm.sequences.opening._Reader.read.__defaults__", (chunk,))
    text, truth = genome_text(np.random.default_rng(1), [500, 3, 333, 29])
    windows = Windows(write(tmp_path / "a.fa.gz", text), length, step, max_unknown)
    expected = list(brute_force_windows(truth, length, step, max_unknown))
    assert [tuple(window) for window in windows] == expected
    everything = list(brute_force_windows(truth, length, step, 1))
    assert windows.counts == {
        "records": 4,
        "bases": 865,
        "windows": len(expected),
        "unknown": len(everything) - len(expected),
        "short": sum(len(sequence) < length for sequence in truth.values()),
        "invalid": 0,
        "dropped": 0,
    }


def test_windows_spell_u_as_t_and_other_codes_as_n(tmp_path):
    path = write(tmp_path / "a.fa", b">a\nacgurACGU\n")
    assert [w.sequence for w in Windows(path, 9, max_unknown=0.2)] == ["ACGTNACGT"]


def test_short_records_can_be_an_error(tmp_path):
    path = write(tmp_path / "a.fa", b">a\nACGTACGT\n>b\nACG\n")
    with pytest.raises(InputError, match="record 'b': has 3 bases, fewer than a window of 4"):
        list(Windows(path, 4, short="error"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"length": 0}, "length is 0"),
        ({"step": 0}, "step is 0"),
        ({"max_unknown": 2}, "max_unknown"),
        ({"short": "x"}, "short"),
    ],
)
def test_windows_that_make_no_sense_are_errors(options, says):
    with pytest.raises(InputError, match=says):
        Windows("a.fa", **{"length": 10, **options})


def test_a_subsample_is_part_of_the_windows_in_order_and_follows_the_seed(tmp_path, monkeypatch):
    text, _ = genome_text(np.random.default_rng(2), [4000, 200, 3000])
    windows = Windows(write(tmp_path / "a.fa", text), 10, 5, max_unknown=0.2)
    everything = list(windows)
    drawn = windows.subsample(50, seed=3)
    places = [everything.index(window) for window in drawn]
    assert places == sorted(set(places))
    assert len(places) == 50
    assert windows.subsample(50, seed=3) == drawn
    assert windows.subsample(50, seed=4) != drawn
    monkeypatch.setattr("seqlm.sequences.opening._Reader.read.__defaults__", (77,))
    assert windows.subsample(50, seed=3) == drawn
    assert windows.subsample(10**6, seed=3) == everything
    with pytest.raises(InputError, match="at least 1"):
        windows.subsample(0, seed=1)


def test_every_window_is_drawn_equally_often(tmp_path):
    windows = Windows(write(tmp_path / "a.fa", b">a\n" + b"ACGT" * 10 + b"\n>b\n" + b"ACGT" * 10 + b"\n"), 4)
    times, n, repeats = dict.fromkeys((window.id for window in windows), 0), 5, 1200
    for seed in range(repeats):
        for window in windows.subsample(n, seed):
            times[window.id] += 1
    expected = repeats * n / len(times)
    chi_squared = sum((count - expected) ** 2 / expected for count in times.values())
    assert chi_squared < 43.8  # 19 degrees of freedom, p = 0.001; draws without replacement vary less still


# ---------------------------------------------------------------- genome


@pytest.mark.parametrize("name", ["g.fa", "g.fa.bgz"])
def test_genome_fetches_what_is_there(tmp_path, name):
    rng = np.random.default_rng(5)
    text, truth = genome_text(rng, [70_000, 61, 60, 1])
    with Genome(write(tmp_path / name, text)) as genome:
        assert genome.lengths == {chrom: len(sequence) for chrom, sequence in truth.items()}
        for chrom, sequence in truth.items():
            for _ in range(50):
                start, end = sorted(rng.integers(0, len(sequence) + 1, 2).tolist())
                assert genome.fetch(chrom, start, end) == sequence[start:end]
            assert genome.fetch(chrom, 0, len(sequence)) == sequence


def test_genome_index_is_made_anew_when_the_file_changes(tmp_path):
    import os

    path = write(tmp_path / "g.fa", b">a\nACGT\n")
    Genome(path).close()
    index = tmp_path / "g.fa.fai"
    assert index.read_text() == "a\t4\t3\t4\t5\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.fa", "g.fa.fai"]
    write(path, b">b\nACGTACGT\n")
    os.utime(index, (0, 0))
    with Genome(path) as genome:
        assert genome.fetch("b", 2, 8) == "GTACGT"


REPLACEMENTS = {
    "longer": b">a\nACGTACGT\nACGTTTTT\nAA\n>b\nGGGGCCCC\nAT\n",
    "shorter": b">a\nTTTTACGT\nAC\n",
    "as long, other records": b">a\nTTTTACGT\nACG\n>b\nGGGGCCCC\nA\n",
    "as long, other names": b">b\nTTTTACGT\nAC\n>a\nGGGGCCCC\nAT\n",
    "as long, other lines": b">a\nTTTTACG\nTAC\n>b\nGGGGCCC\nCAT\n",
    "another record at the end": b">a\nTTTTACGT\nAC\n>b\nGGGGCCCC\nAT\n>c\nGATTACA\n",
    "longer last record": b">a\nTTTTACGT\nAC\n>b\nGGGGCCCC\nATTTTTTT\nAC\n",
    "the same layout": b">a\nTTTTACGT\nAC\n>b\nGGGGCCCC\nAA\n",
    "blank lines at the end": b">a\nTTTTACGT\nAC\n>b\nGGGGCCCC\nAA\n\n\n",
}


@pytest.mark.parametrize("name", ["g.fa", "g.fa.bgz"])
@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_a_genome_replaced_by_an_older_file_is_indexed_anew(tmp_path, name, kind, capsys):
    import os

    path = write(tmp_path / name, b">a\nTTTTACGT\nAC\n>b\nGGGGCCCC\nAT\n")
    Genome(path).close()
    Genome(path).close()
    assert capsys.readouterr().err == ""  # its own index fits
    write(path, REPLACEMENTS[kind])
    os.utime(path, (0, 0))
    truth = {record.id: record.sequence for record in read_fasta(path)}
    with Genome(path) as genome:
        assert genome.lengths == {chrom: len(sequence) for chrom, sequence in truth.items()}
        for chrom, sequence in truth.items():
            for start, end in itertools.combinations(range(len(sequence) + 1), 2):
                assert genome.fetch(chrom, start, end) == sequence[start:end]
    said = capsys.readouterr().err
    # An index of a bgzip file knows its blocks too, so there the same layout may still be indexed anew.
    layout = kind in ("the same layout", "blank lines at the end")
    assert "its index is of another file" in said or layout


@pytest.mark.parametrize("index", ["", "a\t4\n", "a\tx\t3\t4\t5\n", "a\t4\t-3\t4\t5\n", "a\t4\t300000000\t4\t5\n"])
def test_an_index_that_is_none_is_made_anew(tmp_path, index):
    path = write(tmp_path / "g.fa", b">a\nACGT\n")
    (tmp_path / "g.fa.fai").write_text(index)
    with Genome(path) as genome:
        assert genome.fetch("a", 1, 3) == "CG"


@pytest.mark.parametrize("name", ["g.fa", "g.fa.bgz"])
@pytest.mark.parametrize(
    "text", [b">a\r\nACGT\r\nAC\r\n>b x y\r\nACGT", b">a\nACGT\n\n>b\nAC\nGT", b">a\nACGT\n>b\tx\nA"]
)
def test_unusual_line_ends_keep_their_index(tmp_path, name, text, capsys):
    path = write(tmp_path / name, text)
    for _ in range(2):
        with Genome(path) as genome:
            for record in read_fasta(path):
                assert genome.fetch(record.id, 0, len(record.sequence)) == record.sequence
    assert capsys.readouterr().err == ""


def test_a_genome_of_many_records_keeps_its_index(tmp_path, capsys):
    text, truth = genome_text(np.random.default_rng(6), [5000] * 300)
    for name in ("g.fa", "g.fa.bgz"):
        path = write(tmp_path / name, text)
        for _ in range(2):
            with Genome(path) as genome:
                chrom = list(truth)[-1]
                assert genome.fetch(chrom, 4000, 5000) == truth[chrom][4000:]
    assert capsys.readouterr().err == ""


def test_bgzip_blocks_that_moved_are_indexed_anew(tmp_path):
    import os

    path, lengths = tmp_path / "g.fa.bgz", [150_000, 150_000, 70]
    for seed, alphabet in ((1, "ACGT"), (2, "ACGTacgtN"), (3, "AC")):  # the same layout, other blocks
        text, truth = genome_text(np.random.default_rng(seed), lengths, alphabet=alphabet)
        os.utime(write(path, text), (0, 0))
        with Genome(path) as genome:
            for chrom, sequence in truth.items():
                for start in range(0, len(sequence), 9973):
                    assert (
                        genome.fetch(chrom, start, start + 70 if len(sequence) > start + 70 else len(sequence))
                        == (sequence[start : start + 70])
                    )


def test_a_genome_that_changes_while_it_is_read_is_one_clear_line(tmp_path):
    path = write(tmp_path / "g.fa", b">a\nACGTACGT\nACGTACGT\n>b\nGGGG\n")
    with Genome(path) as genome:
        path.write_bytes(b">a\nACGT\nAC\n>b\nGG\n")
        for chrom, end in (("a", 16), ("b", 4)):
            with pytest.raises(InputError, match="is not where its index says"):
                genome.fetch(chrom, 0, end)


def test_genome_beside_which_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with Genome(write(tmp_path / "g.fa.bgz", b">a\nACGT\n")) as genome:
        assert genome.fetch("a", 1, 3) == "CG"
    assert [p.name for p in tmp_path.iterdir()] == ["g.fa.bgz"]


def test_genome_errors(tmp_path):
    genome = Genome(write(tmp_path / "g.fa", b"".join(b">chr%d\nACGT\n" % i for i in range(10))))
    with pytest.raises(InputError, match="no record '1'; the records are: chr0, chr1, .*chr7 and 2 more"):
        genome.fetch("1", 0, 2)
    for start, end in ((-1, 2), (0, 5), (3, 2)):
        with pytest.raises(InputError, match="outside of the record's 0-4"):
            genome.fetch("chr1", start, end)
    with pytest.raises(InputError, match="plain gzip"):
        Genome(write(tmp_path / "g.fa.gz"))
    with pytest.raises(InputError, match="disagree"):
        (tmp_path / "b.fa").write_bytes(write(tmp_path / "b.fa.bgz").read_bytes())
        Genome(tmp_path / "b.fa")
    for text in (b">a\nACGT\nAC\nACGT\n", b">a\nACGT\n>a\nACGT\n"):
        with pytest.raises(InputError, match="cannot be indexed"):
            Genome(write(tmp_path / "ragged.fa", text))
    assert not list(tmp_path.glob(".index-*"))
