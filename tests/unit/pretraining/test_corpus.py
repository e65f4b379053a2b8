"""Corpora: what is tokenized, what is held out, what blocks are cut; against string operations on the whole text."""

import gzip
import hashlib
import json

import numpy as np
import pytest
from Bio import bgzf

from seqlm.common.errors import InputError
from seqlm.pretraining.corpus import Corpus, tokenize_corpus, trained_pieces
from seqlm.tokenization.character import learn_alphabet

READ = "seqlm.sequences.opening._Reader.read.__defaults__"


def made_up_text(seed=0, records=4, longest=700, width=60):
    rng = np.random.default_rng(seed)
    text = ""
    for number in range(records):
        sequence = "".join(rng.choice(list("ACGTacgtN"), rng.integers(1, longest)))
        text += f">NC_{number} Some CAT genome\n"
        text += "".join(sequence[i : i + width] + "\n" for i in range(0, len(sequence), width))
    return text


def save_tokenizer(folder, alphabet, case="keep"):
    """The two files of a character tokenizer, as far as a corpus reads them."""
    folder.mkdir()
    words = {"kind": "character", "alphabet": alphabet, "other": "drop", "case": case}
    (folder / "tokenizer_config.json").write_text(json.dumps({"seqlm": words}))
    vocabulary = {letter: i for i, letter in enumerate(alphabet)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))
    return folder


def spell(ids, alphabet):
    return "".join(alphabet[i] for i in ids)


def parts(text, validation):
    """The text cut in two, at the first line end from the wanted place on."""
    cut = len(text) - round(len(text) * validation)
    if validation and text[cut - 1] != "\n":
        cut = text.index("\n", cut) + 1
    return text[:cut], text[cut:]


def without_headers(text):
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(">"))


@pytest.fixture
def fasta(tmp_path):
    text = made_up_text()
    (tmp_path / "a.fa").write_text(text)
    return tmp_path / "a.fa", text


def test_the_alphabet_is_every_character_of_every_file(tmp_path):
    (tmp_path / "a.fa").write_bytes(b">a\nACGT\r\n")
    (tmp_path / "b.fa.gz").write_bytes(gzip.compress(b">b\xe9\nnnnn\n"))
    assert learn_alphabet([tmp_path / "a.fa", tmp_path / "b.fa.gz"]) == "".join(sorted(">\n\rACGTabné"))
    assert learn_alphabet([tmp_path / "a.fa"], samplesize=4) == "\n>Aa"


@pytest.mark.parametrize("chunk", [3, 61, 1 << 20])
@pytest.mark.parametrize("validation", [0, 0.1, 0.37, 0.9])
def test_full_is_the_raw_text_and_vocab4_the_upper_case_bases(tmp_path, fasta, monkeypatch, chunk, validation):
    monkeypatch.setattr(READ, (chunk,))
    path, text = fasta
    alphabet = learn_alphabet([path])
    full = save_tokenizer(tmp_path / "full", alphabet)
    vocab4 = save_tokenizer(tmp_path / "vocab4", "ACGT")
    expected = parts(text, validation)
    for tokenizer, letters, keep in (
        (full, alphabet, lambda part: part),
        (vocab4, "ACGT", lambda part: "".join(c for c in without_headers(part) if c in "ACGT")),
    ):
        summary = tokenize_corpus([path], tokenizer, tmp_path / "corpus", validation)
        corpus = Corpus(tmp_path / "corpus")
        assert corpus.train.dtype == np.uint8
        for name, ids, part in zip(("train", "validation"), (corpus.train, corpus.validation), expected, strict=True):
            assert spell(ids, letters) == keep(part)
            assert summary["tokens"][name] == len(keep(part)) == summary["sources"][0]["tokens"][name]
            assert summary["sources"][0]["characters"][name] == len(part)
            assert summary["sha256"][name] == hashlib.sha256(ids.tobytes()).hexdigest()
        assert corpus.text.tobytes().decode() == expected[1]
        assert summary == corpus.summary


def test_headers_are_kept_or_left_out_on_request(tmp_path, fasta):
    path, text = fasta
    train = parts(text, 0.1)[0]
    vocab4 = save_tokenizer(tmp_path / "vocab4", "ACGT")
    tokenize_corpus([path], vocab4, tmp_path / "corpus", headers=True)  # as DNA-LLM: CAT in a name counts as bases
    assert spell(Corpus(tmp_path / "corpus").train, "ACGT") == "".join(c for c in train if c in "ACGT")
    alphabet = learn_alphabet([path])
    tokenize_corpus([path], save_tokenizer(tmp_path / "full", alphabet), tmp_path / "corpus", headers=False)
    assert spell(Corpus(tmp_path / "corpus").train, alphabet) == without_headers(train)


def test_case_is_folded_when_the_tokenizer_says_so(tmp_path, fasta):
    path, text = fasta
    tokenize_corpus([path], save_tokenizer(tmp_path / "t", "ACGT", case="upper"), tmp_path / "corpus")
    expected = "".join(c for c in without_headers(parts(text, 0.1)[0]).upper() if c in "ACGT")
    assert spell(Corpus(tmp_path / "corpus").train, "ACGT") == expected


def test_every_source_gives_its_tail_and_compression_changes_nothing(tmp_path):
    texts = [made_up_text(1), made_up_text(2).rstrip("\n"), made_up_text(3)]
    (tmp_path / "0.fa").write_text(texts[0])
    (tmp_path / "1.fa.gz").write_bytes(gzip.compress(texts[1].encode()))
    with bgzf.BgzfWriter(str(tmp_path / "2.fa.gz")) as handle:
        handle.write(texts[2].encode())
    paths = [tmp_path / name for name in ("0.fa", "1.fa.gz", "2.fa.gz")]
    alphabet = learn_alphabet(paths)
    tokenize_corpus(paths, save_tokenizer(tmp_path / "t", alphabet), tmp_path / "corpus", 0.2)
    corpus = Corpus(tmp_path / "corpus")
    texts[1] += "\n"  # so that the next file's header begins a line
    assert spell(corpus.train, alphabet) == "".join(parts(text, 0.2)[0] for text in texts)
    assert spell(corpus.validation, alphabet) == "".join(parts(text, 0.2)[1] for text in texts)


def test_a_chromosome_in_one_line_is_cut_within_it(tmp_path):
    sequence = "ACGT" * 50_000
    (tmp_path / "a.fa").write_text(f">a\n{sequence}\n")
    tokenize_corpus([tmp_path / "a.fa"], save_tokenizer(tmp_path / "t", "ACGT"), tmp_path / "corpus", 0.5)
    corpus = Corpus(tmp_path / "corpus")
    assert abs(len(corpus.train) - len(corpus.validation)) < 10
    assert spell(np.concatenate([corpus.train, corpus.validation]), "ACGT") == sequence


@pytest.mark.parametrize("length", [500, 5_000, 60_000])
@pytest.mark.parametrize("validation", [0.1, 0.5])
def test_a_short_sequence_in_one_line_has_a_held_out_part(tmp_path, length, validation):
    sequence = "ACGT" * (length // 4)
    (tmp_path / "a.fa").write_text(f">a\n{sequence}\n")
    tokenize_corpus([tmp_path / "a.fa"], save_tokenizer(tmp_path / "t", "ACGT"), tmp_path / "corpus", validation)
    corpus = Corpus(tmp_path / "corpus")
    assert abs(len(corpus.validation) / length - validation) < 0.02


def test_a_header_is_never_cut(tmp_path):
    records = "".join(f">ACGTACGTACGT{i}\nNN\n" for i in range(40))
    (tmp_path / "a.fa").write_text(records)
    tokenizer = save_tokenizer(tmp_path / "t", "ACGTN")
    for validation in np.linspace(0.1, 0.9, 30):
        folder = tmp_path / f"corpus{validation}"
        tokenize_corpus([tmp_path / "a.fa"], tokenizer, folder, float(validation))
        corpus = Corpus(folder)
        assert set(spell(np.concatenate([corpus.train, corpus.validation]), "ACGTN")) == {"N"}


def test_the_table_says_what_the_tokenizer_itself_says(tmp_path, fasta):
    from seqlm.tokenization import learn_tokenizer, save_tokenizer

    path, text = fasta
    train = parts(text, 0.1)[0]
    for options in ({"alphabet": "text"}, {"alphabet": "ACGT"}, {"alphabet": "ACGTN", "case": "upper"}):
        tokenizer = learn_tokenizer("character", paths=[path], **options)
        save_tokenizer(tokenizer, tmp_path / "t")
        visible = train if options["alphabet"] == "text" else without_headers(train)
        expected = tokenizer(visible, add_special_tokens=False)["input_ids"]
        for given in (tokenizer, tmp_path / "t"):
            tokenize_corpus([path], given, tmp_path / "corpus")
            assert Corpus(tmp_path / "corpus").train.tolist() == expected


@pytest.mark.parametrize("chunk", [17, 1 << 20])
def test_other_tokenizers_get_upper_case_sequences_record_by_record(tmp_path, monkeypatch, chunk):
    from seqlm.tokenization import learn_tokenizer, save_tokenizer

    monkeypatch.setattr(READ, (chunk,))
    rng = np.random.default_rng(0)
    records = ["".join(rng.choice(list("ACGTacgtN"), n, p=[0.12] * 8 + [0.04])) for n in (20_001, 7, 9_000)]
    wrapped = ("\n".join(s[i : i + 70] for i in range(0, len(s), 70)) for s in records)
    (tmp_path / "a.fa").write_text("".join(f">r{i}\n{s}\n" for i, s in enumerate(wrapped)))
    tokenizer = learn_tokenizer("kmer", k=6)
    save_tokenizer(tokenizer, tmp_path / "t")
    summary = tokenize_corpus([tmp_path / "a.fa"], tmp_path / "t", tmp_path / "corpus", 0)
    corpus = Corpus(tmp_path / "corpus")
    pieces = [s.upper()[i : i + 6720] for s in records for i in range(0, len(s), 6720)]
    expected = [i for piece in pieces for i in tokenizer(piece, add_special_tokens=False)["input_ids"]]
    assert corpus.train.dtype == np.uint16
    assert corpus.train.tolist() == expected
    assert summary["vocabulary"] == len(tokenizer)
    assert len(corpus.validation) == 0


def test_what_cannot_be_a_corpus_is_one_clear_line_and_leaves_nothing(tmp_path, fasta):
    path, _ = fasta
    vocab4 = save_tokenizer(tmp_path / "vocab4", "ACGT")
    (tmp_path / "table.tsv").write_text("id\tsequence\n")
    (tmp_path / "small.fa").write_text(">a\nacgt\n")
    (tmp_path / "cut.fa.gz").write_bytes(gzip.compress(made_up_text().encode())[:-20])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer_config.json").write_text("{")
    for paths, tokenizer, validation, says in (
        ([tmp_path / "none.fa"], vocab4, 0.1, "no such file"),
        ([path, tmp_path / "table.tsv"], vocab4, 0.1, "no FASTA header"),
        ([tmp_path / "cut.fa.gz"], vocab4, 0.1, "truncated"),
        ([tmp_path / "small.fa"], vocab4, 0.1, "nothing in it is in the tokenizer's alphabet"),
        ([], vocab4, 0.1, "has no source"),
        ([path], vocab4, 1, "give a fraction"),
        ([path], tmp_path / "nowhere", 0.1, "no tokenizer_config.json there"),
        ([path], tmp_path / "broken", 0.1, "tokenizer cannot be read"),
    ):
        with pytest.raises(InputError, match=says):
            tokenize_corpus(paths, tokenizer, tmp_path / "corpus", validation)
        assert not (tmp_path / "corpus").exists()
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_corpus_folder_that_is_not_whole_is_one_clear_line(tmp_path, fasta):
    path, _ = fasta
    with pytest.raises(InputError, match="is no corpus"):
        Corpus(tmp_path)
    tokenize_corpus([path], save_tokenizer(tmp_path / "t", "ACGT"), tmp_path / "corpus")
    train = tmp_path / "corpus" / "train.bin"
    train.write_bytes(train.read_bytes()[:-1])
    with pytest.raises(InputError, match="another size"):
        Corpus(tmp_path / "corpus")
    train.unlink()
    with pytest.raises(InputError, match="train.bin: is missing"):
        Corpus(tmp_path / "corpus")


@pytest.mark.parametrize("chunk", [17, 1 << 20])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_deleted_letters_are_counted_and_told(tmp_path, monkeypatch, capsys, chunk, ending):
    monkeypatch.setattr(READ, (chunk,))
    text = made_up_text(4)
    (tmp_path / "a.fa").write_text(text.replace("\n", ending), newline="")
    (tmp_path / "b.fa").write_text(">b acgt\nACGT\n")
    sequence = without_headers(text).replace("\n", "")
    lower = sum(sequence.count(base) for base in "acgt")
    for name, options, deleted in (
        ("vocab4", ("ACGT", "keep"), {"lower_case": lower, "other": sequence.count("N")}),
        ("folded", ("ACGT", "upper"), {"lower_case": 0, "other": sequence.count("N")}),
        ("full", (learn_alphabet([tmp_path / "a.fa", tmp_path / "b.fa"]), "keep"), {"lower_case": 0, "other": 0}),
    ):
        tokenizer = save_tokenizer(tmp_path / name, *options)
        tokenize_corpus([tmp_path / "a.fa", tmp_path / "b.fa"], tokenizer, tmp_path / "corpus")
        first, second = Corpus(tmp_path / "corpus").summary["sources"]
        assert first["deleted"] == deleted
        assert second["deleted"] == {"lower_case": 0, "other": 0}
        if name != "full":  # whose text has headers
            assert (first["letters"], second["letters"]) == (len(sequence), 4)
        said = capsys.readouterr().err
        assert (f"{lower:,} of {len(sequence):,} bases" in said and "case: upper" in said) == (name == "vocab4")


LONG_LINES = {
    "one line": [100_000],
    "one line of two, the cut in the first": [100_000, 500],
    "many records of one line": [3000] * 30,
    "a few records of one line": [30_000, 20_000, 40_000],
    "wrapped": [100_000],
}


@pytest.mark.parametrize("chunk", [977, 1 << 20])
@pytest.mark.parametrize("validation", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("kind", LONG_LINES)
@pytest.mark.parametrize("end", ["\n", ""])
def test_long_lines_are_held_out_too(tmp_path, monkeypatch, kind, validation, chunk, end):
    monkeypatch.setattr(READ, (chunk,))
    rng = np.random.default_rng(0)
    records = ["".join(rng.choice(list("ACGT"), length)) for length in LONG_LINES[kind]]
    width = 60 if kind == "wrapped" else 10**6
    lines = [[record[at : at + width] for at in range(0, len(record), width)] for record in records]
    text = "\n".join(f">r{i} CAT\n" + "\n".join(own) for i, own in enumerate(lines)) + end
    (tmp_path / "a.fa").write_text(text)
    alphabet = "".join(sorted(set(text) | {"\n"}))
    tokenize_corpus([tmp_path / "a.fa"], save_tokenizer(tmp_path / "t", alphabet), tmp_path / "corpus", validation)
    corpus = Corpus(tmp_path / "corpus")
    train, held_out = spell(corpus.train, alphabet), spell(corpus.validation, alphabet)
    assert train + held_out == text + ("" if end else "\n")
    wanted = round(len(text) * validation)
    assert wanted / 2 <= len(held_out) <= wanted + 1
    if kind == "wrapped":
        assert train.endswith("\n")
    assert not train.rsplit("\n", 1)[-1].startswith(">")  # no header is cut in two
    assert corpus.text.tobytes().decode() == held_out
    bases = save_tokenizer(tmp_path / "vocab4", "ACGT")
    tokenize_corpus([tmp_path / "a.fa"], bases, tmp_path / "corpus", validation)
    corpus = Corpus(tmp_path / "corpus")
    assert spell(np.concatenate([corpus.train, corpus.validation]), "ACGT") == "".join(records)


@pytest.mark.parametrize("chunk", [13, 64, 1 << 20])
def test_a_cut_never_parts_a_header(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(READ, (chunk,))
    text = ">first\n" + "ACGT" * 10 + "\n>second " + "CAT " * 20 + "\n" + "GATTACA" * 12 + "\n"
    (tmp_path / "a.fa").write_text(text)
    tokenizer = save_tokenizer(tmp_path / "t", "ACGT")
    for percent in range(1, 96):
        tokenize_corpus([tmp_path / "a.fa"], tokenizer, tmp_path / "corpus", percent / 100)
        corpus = Corpus(tmp_path / "corpus")
        assert spell(np.concatenate([corpus.train, corpus.validation]), "ACGT") == "ACGT" * 10 + "GATTACA" * 12
        assert len(corpus.validation) > 0


def test_trained_pieces_hold_every_stretch_of_the_training_part_and_none_held_out(tmp_path):
    rng = np.random.default_rng(0)
    records = ["".join(rng.choice(list("ACGT"), n)) for n in (1000, 35, 600)]
    lines = [record[i : i + 60] for record in records for i in range(0, len(record), 60)]
    path = tmp_path / "a.fa"
    text = "".join(f">r{i}\n" + "".join(f"{record[j : j + 60]}\n" for j in range(0, len(record), 60))
                   for i, record in enumerate(records))  # fmt: skip
    path.write_text(text)
    pieces = list(trained_pieces([path], 0.2, 50))
    trained = ["".join(block.split("\n")[1:]) for block in text[: int(len(text) * 0.8)].split(">")[1:]]
    for record in trained:
        for start in range(max(len(record) - 50, 0) + 1):
            assert any(record[start : start + 50] in piece for piece in pieces)
    assert max(map(len, pieces)) <= 100
    assert not any(lines[-1] in piece for piece in pieces)
