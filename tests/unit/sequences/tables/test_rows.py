"""Rows of delimited text, by one reader for training and prediction: none lost or shifted in silence."""

import gzip
import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seqlm.common.errors import InputError
from seqlm.datasets.mrna import read_mrna
from seqlm.datasets.tables import read_table
from seqlm.sequences.tables.delimited import read_delimited
from seqlm.sequences.tables.lines import text_lines
from seqlm.sequences.tables.rows import is_missing, read_columns, separator_of
from seqlm.streaming.records import open_records

COLUMNS = ("id", "sequence", "label", "note", "first", "last")
# Quotes, separators, and what `str.splitlines` takes for line ends.
LETTERS = 'ab 5"\t,;é☃\u2028\u2029\x85\x0b\x0c\x1c#'
IDS = st.text(LETTERS, min_size=1, max_size=5).map(str.strip).filter(lambda name: name and not is_missing(name))
NOTES = st.text(LETTERS, max_size=8) | st.sampled_from(["", "two\nlines", 'a "word"', '5"', "x"])
LINE_ENDS = ("\n", "\r\n", "\r")
FILES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw, least=1):
    """A well-formed table in one of many spellings.

    Rows as dicts, text of the header, texts of the rows, separator, whether rows end with one.
    """
    separator, end = draw(st.sampled_from("\t,")), draw(st.sampled_from(LINE_ENDS))
    trailing, order = draw(st.booleans()), draw(st.permutations(COLUMNS))
    ids = draw(st.lists(IDS, min_size=least, max_size=6, unique=True))
    rows, texts = [], []
    for name in ids:
        row = {
            "id": name,
            "sequence": draw(st.lists(st.text("ACGTN", min_size=3, max_size=3), min_size=1, max_size=3).map("".join)),
            "label": draw(st.sampled_from(["", "NA", "1", "-2.5", "1e3"])),
            "note": draw(NOTES),
            "first": "0",
        }
        row["last"] = str(len(row["sequence"]))
        rows.append(row)
        # Quotes within cells may stand as they are, but not in a row in which others hold separators.
        strict = any(separator in cell for cell in row.values())
        cells = [
            spell(row[column].replace("\n", end), separator, draw(st.booleans()) or strict and '"' in row[column])
            for column in order
        ]
        blanks = draw(st.sampled_from(["", "", end, separator * 3 + end, " " + end]))
        texts.append(separator.join(cells) + separator * trailing + end + blanks)
    return rows, separator.join(order) + end, texts, separator, trailing


def spell(cell, separator, quoted):
    """A cell as RFC 4180 writes it; in quotes where it must be, or may be."""
    must = separator in cell or "\n" in cell or "\r" in cell or cell.startswith('"')
    return '"' + cell.replace('"', '""') + '"' if must or quoted else cell


def number(text):
    return repr(math.nan if is_missing(text) else float(text))


def trained(path):
    table = read_delimited(path, id="id")
    return list(zip(table["id"], table["sequence"], map(repr, table["target"].astype(float)), strict=True))


def trained_on_classes(path):
    table = read_delimited(path, id="id", target="class")
    classes = table["target"].astype(object).where(table["target"].notna(), None)
    return list(zip(table["id"], table["sequence"], classes, strict=True))


def trained_on_mrnas(path):
    mrnas = {"source": "x", "cds": ["first", "last"], "id": "id", "label": "label", "problems": "error"}
    table, _, _ = read_mrna(mrnas, {"x": path}, "scalar", "rna")
    sequences = table["sequence"].str.replace(" ", "").str.upper()
    return list(zip(table["id"], sequences, map(repr, table["target"].astype(float)), strict=True))


def predicted(path, **reading):
    return [(record.id, record.sequence) for chunk in open_records(path, **reading).chunks(3) for record in chunk]


def predicted_tokens(path):
    return predicted(path, separator=separator_of(path))


@FILES
@given(
    table=tables(), bom=st.booleans(), ended=st.booleans(), suffix=st.sampled_from([".tsv", ".csv", ".txt", ".csv.gz"])
)
def test_well_formed_tables_read_back_the_same(tmp_path, table, bom, ended, suffix):
    rows, header, texts, _, _ = table
    text = header + "".join(texts)
    data = b"\xef\xbb\xbf" * bom + (text if ended else text.rstrip("\r\n")).encode()
    path = tmp_path / f"table{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    numbers = [(row["id"], row["sequence"], number(row["label"])) for row in rows]
    assert trained(path) == trained_on_mrnas(path) == numbers
    assert predicted(path) == predicted_tokens(path) == [row[:2] for row in numbers]
    try:
        groups = read_delimited(path, id="id", group="note")["group"].astype(object)
    except InputError as error:
        assert "line break" in str(error) and any("\n" in row["note"].strip() for row in rows)
    else:
        notes = [row["note"].strip() for row in rows]
        assert groups.where(groups.notna(), None).tolist() == [None if is_missing(note) else note for note in notes]


BREAKS = ["insert quote", "insert separator", "insert line end", "insert return", "insert space", "delete"]


@FILES
@given(table=tables(least=2), kind=st.sampled_from(BREAKS), data=st.data())
def test_a_table_broken_in_one_place_loses_no_row_in_silence(tmp_path, table, kind, data):
    """Not in its header either."""
    rows, header, texts, separator, trailing = table
    text = header + "".join(texts)
    marks = [at for at, letter in enumerate(text) if letter in '"\r\n' + separator]
    if kind == "delete":
        at = data.draw(st.sampled_from(marks))
        # One name less, and an empty cell at the end of every row: a sound table with other names, too.
        assume(not (at < len(header) and all(row.rstrip("\r\n").endswith(separator) for row in texts)))
        text = text[:at] + text[at + 1 :]
    else:
        cells = [0, *(at + 1 for at in marks)]  # where cells begin, and quotes do most harm
        at = data.draw(st.sampled_from(cells) | st.integers(0, len(text)))
        # One more name in the header, and an empty cell at the end of every row: a sound table with other names.
        assume(not (trailing and kind == "insert separator" and at < len(header)))
        put = {"quote": '"', "separator": separator, "line end": "\n", "return": "\r", "space": " "}
        text = text[:at] + put[kind.removeprefix("insert ")] + text[at:]
    path = tmp_path / "broken.txt"
    path.write_bytes(text.encode())
    classes = [(row["id"], row["sequence"], None if is_missing(row["label"]) else row["label"]) for row in rows]
    numbers = [(row["id"], row["sequence"], number(row["label"])) for row in rows]
    for read, expected in (
        (trained, numbers),
        (trained_on_mrnas, numbers),
        (trained_on_classes, classes),
        (predicted, [row[:2] for row in classes]),
        (predicted_tokens, [row[:2] for row in classes]),
    ):
        try:
            found = read(path)
        except InputError as error:
            assert "\n" not in str(error)
            continue
        # The cell that was broken may have another value; all others are as they were, in their places.
        assert len(found) == len(expected)
        if read in (predicted, predicted_tokens) and [row[0] for row in found] == [
            str(number) for number in range(1, len(rows) + 1)
        ]:  # the name of the column id was broken: rows are numbered where there is none
            found = [(row[0], *own[1:]) for row, own in zip(expected, found, strict=True)]
        assert sum(a != b for own, row in zip(found, expected, strict=True) for a, b in zip(own, row, strict=True)) <= 1


def write_thousand(path, odd):
    """1,000 rows of which some have an odd note."""
    notes = [odd.get(i, "fine") for i in range(1000)]
    rows = [f"s{i}\t{'ACGT' * 3}\t{i}\t{note}\n" for i, note in enumerate(notes)]
    path.write_text("id\tsequence\tlabel\tnote\n" + "".join(rows))
    return path


def test_a_stray_quote_that_shifts_cells_of_its_row_is_one_line(tmp_path):
    """Its row has as many cells as the others."""
    path = tmp_path / "x.csv"
    path.write_text('sequence,id,label,note\nAC,a,1,\n"AC,",5",2,\n')
    for read in (trained, predicted):
        with pytest.raises(InputError, match="line 3: .*not closed"):
            read(path)
    path.write_text('id,sequence,label,note\na,AC,1,5" end\nb,GT,2,"x, y"\n"c, ""d""",GG,3,\n')
    assert [row[0] for row in trained(path)] == ["a", "b", 'c, "d"']


@pytest.mark.parametrize("odd", [{99: '"half'}, {99: '"half', 499: 'other half"'}, {0: '"a', 1: '"b'}, {999: '"last'}])
def test_a_lone_quote_is_one_line_that_names_where_it_stands(tmp_path, odd):
    path = write_thousand(tmp_path / "lone.tsv", odd)
    for read in (trained, predicted):
        with pytest.raises(InputError, match=f"line {min(odd) + 2}: .*double quote that is not closed"):
            read(path)


def test_quotes_within_cells_are_letters(tmp_path):
    path = write_thousand(tmp_path / "primes.tsv", {3: '5" end', 4: 'the "best" one', 5: '"quoted, all of it"'})
    assert [row[0] for row in trained(path)] == [f"s{i}" for i in range(1000)]
    assert len(predicted(path)) == 1000


def test_a_swallowed_row_is_found_though_the_number_of_cells_fits(tmp_path):
    path = tmp_path / "notes.tsv"
    path.write_text('note\tid\tsequence\tlabel\n"one\ta\tAC\t1\ntwo"\tb\tGT\t2\n')
    for read in (trained, predicted):
        with pytest.raises(InputError, match="line 2: .*not closed"):
            read(path)


def test_rows_without_ids_are_numbered_alike_by_every_reader(tmp_path):
    path = tmp_path / "x.csv"
    rows = [
        "sequence,label,note,first,last",
        "",
        'AATG,5,"two\nlines",1,4',
        ",,,,",
        "  ",
        "CATG,6,,1,4",
        "",
        "GATG,7,,1,4",
    ]
    path.write_text("\n".join(rows) + "\n")
    found = {"training": read_delimited(path), "both parts": read_table({"a": path, "b": path}, {}, "scalar")[3:]}
    mrnas = {"source": "x", "cds": ["first", "last"], "label": "label"}
    found["training on mRNAs"] = read_mrna(mrnas, {"x": path}, "scalar", "rna")[0]
    for how in ({}, {"separator": ","}, {"cds": ["first", "last"]}):
        found[f"prediction {how}"] = pd.DataFrame(next(open_records(path, **how).chunks(9)))
    for how, table in found.items():
        assert [name.removeprefix("b:") for name in table["id"]] == ["1", "2", "3"], how
        assert table["sequence"].str[0].str.upper().tolist() == ["A", "C", "G"], how
        assert "target" not in table or table["target"].tolist() == [5, 6, 7], how


def test_notes_of_several_lines_are_read(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text('id,sequence,label,note\na,AC,1,"see\nbelow"\n\nb,GT,2,"x, y"\n')
    assert trained(path) == [("a", "AC", "1.0"), ("b", "GT", "2.0")]
    path.write_text('id,sequence,label\na,"AC\nGT",1\n')
    with pytest.raises(InputError, match="line 2: its sequence holds a line break"):
        trained(path)


@pytest.mark.parametrize("end", LINE_ENDS)
def test_lines_end_where_lines_end(tmp_path, end):
    lines = ["one\u2028two", "", "three\x0b\x0c\x85four", "five"]
    (tmp_path / "x.txt").write_bytes(end.join(lines).encode())
    assert list(text_lines(tmp_path / "x.txt")) == list(enumerate(lines, start=1))


def test_line_ends_between_pieces_of_reading(tmp_path):
    piece = 1 << 20
    (tmp_path / "x.txt").write_bytes(b"a" * (piece - 1) + b"\r\n" + b"b" * (piece - 2) + b"\r" + b"c\n\r\n")
    assert [len(text) for _, text in text_lines(tmp_path / "x.txt")] == [piece - 1, piece - 2, 1, 0]


ROWS = {
    "a field less": ("id,sequence,label\na,AC,1\nb,GT\n", "line 3: has 2 fields"),
    "a field more": ("id,sequence,label\na,AC,1\nb,G,T,2\n", "line 3: has 4 fields"),
    "row names of R": ("id,sequence,label\n1,a,AC,1\n2,b,GT,2\n", "line 2: has 4 fields, the header names 3"),
    "a separator in a note of the first row": (
        "id,sequence,label,note,more\na,AC,1,one, two,\nb,GT,2,,\n",
        "line 3: has 5 fields, the first row has 6",
    ),
    "a separator too many in the header": (
        "id,,sequence,label\na,AC,1,\nb,GT,2,\n",
        "column 2 has no name, and the last column is empty in every row",
    ),
    "one column twice": ("id,sequence,label,label\na,AC,1,2\n", "two columns 'label'"),
    "no id": ("id,sequence,label\na,AC,1\n,GT,2\n", "line 3: the id is empty"),
    "text behind a quote": ('id,sequence,label\n"a"b,AC,1\n', "line 2: is no row of a table"),
    "Latin-1": ("id,sequence,label\na,AC,1\né,GT,2\n".encode("latin-1"), "line 3: is not text in UTF-8"),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows_that_do_not_fit_name_their_line(tmp_path, case):
    text, message = ROWS[case]
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        trained(path)
    if "label" not in message:
        with pytest.raises(InputError, match=message):
            predicted(path)


def test_row_names_of_pandas_are_no_column_that_is_asked_for(tmp_path):
    (tmp_path / "x.csv").write_text(",id,sequence,label,note\n0,a,AC,1,\n1,b,GT,2,x\n")
    assert trained(tmp_path / "x.csv") == [("a", "AC", "1.0"), ("b", "GT", "2.0")]


def test_separators_are_found_alike_for_training_and_prediction(tmp_path):
    for name, text in (
        ("commas.txt", "id,sequence,label\na,AC,1\n"),
        ("tabs.csv", "id\tsequence\tlabel\na\tAC\t1\n"),
        ("old_mac.tsv", "id\tsequence\tlabel\ra\tAC\t1\r"),
        ("quoted.csv", 'id,sequence,label,"a\tb"\na,AC,1,\n'),
    ):
        (tmp_path / name).write_text(text)
        assert trained(tmp_path / name) == [("a", "AC", "1.0")]
        assert predicted(tmp_path / name) == [("a", "AC")]
    (tmp_path / "one.csv").write_text("sequence\nAC\n")
    assert separator_of(tmp_path / "one.csv") == ","
    assert list(read_columns(tmp_path / "one.csv", {"letters": "sequence"})) == [(2, {"letters": "AC"})]
