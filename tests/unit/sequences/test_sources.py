"""Fetching sources from a server that breaks off, lies and changes its mind."""

import gzip
import hashlib
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from Bio import bgzf

from seqlm.common.errors import InputError
from seqlm.sequences import Genome, is_bgzip, is_gzip, read_fasta
from seqlm.sequences.downloads import download as transfers
from seqlm.sequences.downloads.sources import fetch

TEXT = b">one made up\n" + b"\n".join([b"ACGTacgtNN" * 6] * 500) + b"\n>two\nACGT\n"


class Server:
    """A local HTTP server of one file; `answers` holds what it does to the next requests, then it behaves."""

    def __init__(self, body):
        self.body, self.etag, self.answers, self.asked = body, '"1"', [], []
        self.ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.asked.append(self.headers.get("Range"))
                answer = outer.answers.pop(0) if outer.answers else {}
                outer.answer(self, **answer)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.handle_error = lambda *_: None  # a client that gave up waiting
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/x.fa"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, request, status=200, after=None, claimed=None, headers=(), chunked=False, silent=0):
        """Answer with `status`; send `after` bytes only, then hang up; claim a length of `claimed`.

        `chunked`: say no length at all. `silent`: seconds without an answer.
        """
        request.close_connection = True
        if silent:
            time.sleep(silent)
        if chunked:
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            for at in range(0, len(self.body), 5_000):
                piece = self.body[at : at + 5_000]
                request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                if after is not None and at + 5_000 >= after:
                    return
            request.wfile.write(b"0\r\n\r\n")
            return
        if status != 200:
            request.send_response(status)
            for header in headers:
                request.send_header(*header)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        wanted = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
        same = request.headers.get("If-Range", self.etag) == self.etag
        start = int(wanted[1]) if wanted and self.ranges and same else 0
        body = self.body[start:]
        if start and not body:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        if self.etag:
            request.send_header("ETag", self.etag)
        request.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        request.end_headers()
        request.wfile.write(body if after is None else body[:after])

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server():
    server = Server(TEXT)
    yield server
    server.close()


@pytest.fixture
def get(server, tmp_path):
    """Fetch from the server without waiting between attempts."""

    def get(name="x.fa.gz", **options):
        return fetch(server.url, tmp_path / name, **{"backoff": 0.0, "retries": 3, "timeout": 5, **options})

    return get


def digest(data):
    return hashlib.sha256(data).hexdigest()


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_arrives_as_bgzip_with_its_provenance(get, server, tmp_path):
    provenance = get(sha256=digest(TEXT).upper(), licence="CC0")
    path = tmp_path / "x.fa.gz"
    assert is_bgzip(path)
    assert gzip.decompress(path.read_bytes()) == TEXT
    assert left(tmp_path) == ["x.fa.gz", "x.fa.gz.provenance.json"]
    assert json.loads((tmp_path / "x.fa.gz.provenance.json").read_text()) == provenance
    assert provenance == {
        "origin": server.url,
        "sha256": digest(TEXT),
        "bytes": len(TEXT),
        "records": 2,
        "bases": 30_004,
        "licence": "CC0",
    }
    with Genome(path) as genome:
        assert genome.fetch("one", 58, 64) == "NNACGT"


def test_a_broken_connection_is_continued_where_it_broke(get, server, tmp_path):
    server.answers = [{"after": 10_000}, {"after": 5_000}]
    get()
    assert server.asked == [None, "bytes=10000-", "bytes=15000-"]
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_any_number_of_breaks_is_survived_while_something_arrives(get, server, tmp_path):
    server.answers = [{"after": 2_000}] * 12
    get(retries=1)
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_killed_job_is_continued_by_the_next(get, server, tmp_path):
    server.answers = [{"after": 10_000}] + [{"status": 503}] * 4
    with pytest.raises(InputError, match="503 .*4 attempts"):
        get()
    assert left(tmp_path) == ["x.fa.gz.part", "x.fa.gz.part.json"]
    assert (tmp_path / "x.fa.gz.part").read_bytes() == TEXT[:10_000]
    get()
    assert server.asked[-1] == "bytes=10000-"
    assert left(tmp_path) == ["x.fa.gz", "x.fa.gz.provenance.json"]
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_job_killed_after_the_last_byte_downloads_nothing_again(get, server, tmp_path):
    (tmp_path / "x.fa.gz.part").write_bytes(TEXT)
    state = {"url": server.url, "validator": '"1"', "total": len(TEXT)}
    (tmp_path / "x.fa.gz.part.json").write_text(json.dumps(state))
    get()
    assert server.asked == []
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_part_from_another_address_or_without_state_is_not_continued(get, server, tmp_path):
    for state in ('{"url": "http://elsewhere/x.fa"}', "no json"):
        (tmp_path / "x.fa.gz.part").write_bytes(b">wrong")
        (tmp_path / "x.fa.gz.part.json").write_text(state)
        get()
        assert server.asked.pop() is None
        assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_server_that_ignores_ranges_starts_over(get, server, tmp_path):
    server.ranges = False
    server.answers = [{"after": 10_000}]
    get()
    assert server.asked == [None, "bytes=10000-"]
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_anew(get, server, tmp_path, heeds_if_range):
    other = b">new\n" + b"GGCC" * 5000 + b"\n"
    real = server.answer

    def change(request, **answer):
        if len(server.asked) == 2:
            server.body, server.etag = other, '"2"'
            if not heeds_if_range:
                del request.headers["If-Range"]
        real(request, **answer)

    server.answer = change
    server.answers = [{"after": 10_000}]
    get()
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == other


def test_a_file_that_shrank_is_fetched_anew(get, server, tmp_path):
    real = server.answer

    def change(request, **answer):
        if len(server.asked) == 2:
            server.body = b">new\nGGCC\n"
        real(request, **answer)

    server.answer = change
    server.answers = [{"after": 10_000}]
    get()
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == b">new\nGGCC\n"


def test_an_answer_of_unknown_length_is_complete_or_fetched_anew(get, server, tmp_path):
    server.answers = [{"chunked": True, "after": 10_000}, {"chunked": True}]
    get()
    assert len(server.asked) == 2
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_silent_server_is_asked_again(get, server, tmp_path, capsys):
    server.answers = [{"silent": 0.5}]
    get(timeout=0.1)
    assert "does not answer; trying again" in capsys.readouterr().err
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT


def test_a_server_that_claims_too_much_is_found_out(get, server, tmp_path):
    server.answers = [{"claimed": len(TEXT) + 100}] * 10
    server.ranges = False
    with pytest.raises(InputError, match="4 attempts"):
        get()
    assert not (tmp_path / "x.fa.gz").exists()


def test_a_server_that_claims_too_little_is_found_out_by_the_gzip(get, server, tmp_path):
    server.body = gzip.compress(TEXT)
    server.answers = [{"claimed": len(server.body) // 2}]
    with pytest.raises(InputError, match=r"127.0.0.1.*truncated") as error:
        get()
    assert ".part" not in str(error.value)
    assert left(tmp_path) == []


def test_a_wrong_digest_names_both_and_leaves_nothing(get, tmp_path):
    with pytest.raises(InputError) as error:
        get(sha256="0" * 64)
    assert digest(TEXT) in str(error.value)
    assert "0" * 64 in str(error.value)
    assert left(tmp_path) == []


def test_a_wrong_digest_keeps_what_was_there_before(get, tmp_path):
    (tmp_path / "x.fa.gz").write_bytes(b"earlier")
    with pytest.raises(InputError):
        get(sha256="0" * 64)
    assert (tmp_path / "x.fa.gz").read_bytes() == b"earlier"


def test_busy_is_retried_and_missing_is_not(get, server, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfers.time, "sleep", pauses.append)
    server.answers = [
        {"status": 503},
        {"status": 500},
        {"status": 429, "headers": [("Retry-After", "7")]},
        {"status": 503, "headers": [("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")]},
        {"status": 503},
    ]
    get(retries=5, backoff=2.0)
    assert pauses == [2.0, 4.0, 7.0, 0.0, 32.0]
    server.asked.clear()
    server.answers = [{"status": 404}]
    with pytest.raises(InputError, match="404 Not Found; check the address"):
        get()
    assert len(server.asked) == 1


def test_a_server_that_is_not_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=r"cannot be reached \(3 attempts\)"):
        fetch(f"http://127.0.0.1:{port}/x.fa", tmp_path / "x.fa.gz", retries=2, backoff=0)
    with pytest.raises(InputError, match="not supported"):
        fetch("s3://bucket/x.fa", tmp_path / "x.fa.gz")


def test_a_full_disk_is_found_out_before_the_download(get, tmp_path, monkeypatch):
    monkeypatch.setattr(transfers.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"30,\d+ bytes are to come, 1,000 are free"):
        get()
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"", "fasta", "empty"),
        (b"<html><body>Not found</body></html>", "fasta", "is a web page"),
        (b"<!DOCTYPE html>", "table", "is a web page"),
        (b"id\tsequence\n", "fasta", "no FASTA header"),
        (gzip.compress(TEXT)[:-30], "fasta", "truncated"),
        (gzip.compress(b"", mtime=0), "fasta", "holds no sequence"),
        (gzip.compress(b"", mtime=0), "table", "empty"),
        (b">a\nMKLV\n", "fasta", "'L' is not a nucleotide code"),
        (b">a\n>b\nA\n", "fasta", "line 1, record 'a': has no sequence"),
        (b">a\nA\n>a\nA\n", "fasta", "twice"),
        (b"PK\x03\x04...", "fasta", "compressed with zip"),
    ],
)
def test_what_comes_must_be_what_was_asked_for(server, get, tmp_path, body, kind, says):
    server.body = body
    with pytest.raises(InputError, match=says) as error:
        get(kind=kind)
    assert server.url in str(error.value)
    assert "\n" not in str(error.value)
    assert left(tmp_path) == []


def test_a_few_odd_letters_are_left_to_the_cleaning_policy(tmp_path):
    (tmp_path / "a.fa").write_text(">a\n" + "ACGT" * 10 + "X*\n")
    assert fetch(tmp_path / "a.fa", tmp_path / "x.fa.gz")["illegal"] == 2
    (tmp_path / "p.fa").write_text(">a\n" + "ACGT" * 10 + "MLLEEF\n")
    with pytest.raises(InputError, match="'L' is not a nucleotide code, nor are 11% of the file's letters"):
        fetch(tmp_path / "p.fa", tmp_path / "y.fa.gz")
    assert not (tmp_path / "y.fa.gz").exists()


def test_local_files_are_taken_in_every_compression(tmp_path):
    inside, out = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    (inside / "a.fa").write_bytes(TEXT)
    (inside / "a.fa.gz").write_bytes(gzip.compress(TEXT))
    with bgzf.BgzfWriter(str(inside / "b.fa.gz"), compresslevel=1) as handle:
        handle.write(TEXT)
    for origin in ("a.fa", "a.fa.gz", "b.fa.gz"):
        provenance = fetch(inside / origin, out / "x.fa.gz")
        assert gzip.decompress((out / "x.fa.gz").read_bytes()) == TEXT
        assert is_bgzip(out / "x.fa.gz")
        assert provenance["sha256"] == digest((inside / origin).read_bytes())
    assert (out / "x.fa.gz").read_bytes() == (inside / "b.fa.gz").read_bytes()  # bgzip stays as it is
    assert left(inside) == ["a.fa", "a.fa.gz", "b.fa.gz"]
    fetch(f"file://{inside}/a.fa", out / "x.fa.gz")
    with pytest.raises(InputError, match="no such file"):
        fetch(inside / "c.fa", out / "c.fa.gz")
    assert left(out) == ["x.fa.gz", "x.fa.gz.provenance.json"]


def test_the_same_source_gives_the_same_bytes(tmp_path):
    (tmp_path / "a.fa").write_bytes(TEXT)
    (tmp_path / "a.tsv").write_bytes(b"id\tx\n1\t2\n")
    for name, kind in (("a.fa", "fasta"), ("a.tsv", "table")):
        fetch(tmp_path / name, tmp_path / "1.gz", kind=kind)
        fetch(tmp_path / name, tmp_path / "2.gz", kind=kind)
        assert (tmp_path / "1.gz").read_bytes() == (tmp_path / "2.gz").read_bytes()


def test_tables_stay_tables_and_files_stay_as_they_are(tmp_path):
    table = b"id\tsequence\na\tACGT\nb\tGG"
    (tmp_path / "t.tsv").write_bytes(table)
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(table))
    for origin in ("t.tsv", "t.tsv.gz"):
        assert fetch(tmp_path / origin, tmp_path / "out.tsv.gz", kind="table")["records"] == 3
        assert is_gzip(tmp_path / "out.tsv.gz")
        assert gzip.decompress((tmp_path / "out.tsv.gz").read_bytes()) == table
    assert (tmp_path / "out.tsv.gz").read_bytes() == (tmp_path / "t.tsv.gz").read_bytes()
    fetch(tmp_path / "t.tsv", tmp_path / "out.tsv", kind="file")
    assert (tmp_path / "out.tsv").read_bytes() == table


def test_genbank_is_kept_or_becomes_fasta_by_the_destination(tmp_path):
    from Bio.Seq import Seq
    from Bio.SeqIO import SeqRecord, write

    record = SeqRecord(Seq("ACGT" * 40), "AB1.1", "AB1", "made up", annotations={"molecule_type": "DNA"})
    write([record], tmp_path / "a.gb", "genbank")
    counts = fetch(tmp_path / "a.gb", tmp_path / "a.fa.gz", kind="genbank")
    assert (counts["records"], counts["bases"]) == (1, 160)
    assert [tuple(r) for r in read_fasta(tmp_path / "a.fa.gz")] == [("AB1.1", "made up", "ACGT" * 40)]
    counts = fetch(tmp_path / "a.gb", tmp_path / "a.gb.gz", kind="genbank")
    assert (counts["records"], counts["bases"]) == (1, 160)
    assert gzip.decompress((tmp_path / "a.gb.gz").read_bytes()) == (tmp_path / "a.gb").read_bytes()


def test_options_that_make_no_sense(tmp_path):
    with pytest.raises(InputError, match="no kind of source 'fastq'; the kinds are: fasta"):
        fetch("a.fa", tmp_path / "a.fa.gz", kind="fastq")
    with pytest.raises(InputError, match="is no sha256 digest"):
        fetch("a.fa", tmp_path / "a.fa.gz", sha256="d41d8cd98f00b204e9800998ecf8427e")


def test_a_password_does_not_reach_the_provenance(server, tmp_path):
    url = server.url.replace("http://", "http://me:secret@")
    fetch(url, tmp_path / "x.fa.gz")
    assert "secret" not in (tmp_path / "x.fa.gz.provenance.json").read_text()


class FtpServer:
    """The few FTP commands a download needs, in passive mode; `breaks` holds after how many bytes to hang up."""

    def __init__(self, body, breaks=()):
        self.body, self.breaks, self.rests = body, list(breaks), []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ftp://127.0.0.1:{self._listener.getsockname()[1]}/pub/x.fa"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rw", newline="\r\n") as control:
                self._talk(control)

    def _talk(self, control):
        def say(text):
            control.write(text + "\n")
            control.flush()

        say("220 ready")
        start, passive = 0, None
        for line in control:
            command, _, argument = line.strip().partition(" ")
            if command in ("SIZE", "MDTM", "RETR") and argument != "/pub/x.fa":
                say("550 no such file")
            elif command == "SIZE":
                say(f"213 {len(self.body)}")
            elif command == "MDTM":
                say("213 20240101000000")
            elif command in ("EPSV", "PASV"):
                passive = socket.create_server(("127.0.0.1", 0))
                port = passive.getsockname()[1]
                say(f"227 ok (127,0,0,1,{port >> 8},{port & 255})" if command == "PASV" else f"229 ok (|||{port}|)")
            elif command == "REST":
                start = int(argument)
                say("350 ok")
            elif command == "RETR":
                self.rests.append(start)
                say("150 here it comes")
                with passive, passive.accept()[0] as data:
                    data.sendall(self.body[start : start + self.breaks.pop(0)] if self.breaks else self.body[start:])
                say("226 done")
                start = 0
            elif command == "QUIT":
                say("221 bye")
                return
            else:
                say("331 password" if command == "USER" else "230 ok" if command == "PASS" else "200 ok")

    def close(self):
        self._listener.close()


def test_ftp_continues_where_it_broke(tmp_path):
    server = FtpServer(TEXT, breaks=[10_000, 5_000])
    provenance = fetch(server.url, tmp_path / "x.fa.gz", backoff=0, timeout=5)
    assert server.rests == [0, 10_000, 15_000]
    assert gzip.decompress((tmp_path / "x.fa.gz").read_bytes()) == TEXT
    assert provenance["sha256"] == digest(TEXT)
    with pytest.raises(InputError, match="550 no such file"):
        fetch(server.url + "x", tmp_path / "y.fa.gz", backoff=0, timeout=5)
    server.close()


def test_ftp_from_a_server_that_is_not_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ftp://127.0.0.1:{free.getsockname()[1]}/x.fa"
    with pytest.raises(InputError, match="cannot be reached"):
        fetch(url, tmp_path / "x.fa.gz", backoff=0, retries=1, timeout=5)


def test_a_copy_that_something_else_brought_is_told_by_its_origin(tmp_path):
    brought, origin = tmp_path / "brought.fa", "s3://sources/genomes/x.fa"
    brought.write_bytes(TEXT)
    told = fetch(origin, tmp_path / "x.fa.gz", copy=brought, sha256=hashlib.sha256(TEXT).hexdigest())
    assert told["origin"] == origin and told["records"] == 2 and read_fasta(tmp_path / "x.fa.gz")
    brought.write_bytes(b"no FASTA\n")
    with pytest.raises(InputError, match=origin) as error:
        fetch(origin, tmp_path / "y.fa.gz", copy=brought)
    assert "brought" not in str(error.value) and brought.exists()
