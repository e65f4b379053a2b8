"""Lines of text files: whatever ends them, and nothing else, tells one from the next.

A line ends at a line feed, a carriage return (old Mac files) or both (Windows). Python's `str.splitlines` also breaks
at U+2028, U+0085 or a form feed, which stand within the text of cells and attributes.
"""

from seqlm.common.errors import InputError
from seqlm.sequences.opening import open_bytes


def byte_lines(path):
    """Lines of a plain, gzip or bgzip file as bytes, without their ends; a last line without an end counts."""
    held, after_return = [], False
    with open_bytes(path) as reader:
        while chunk := reader.read():
            if after_return and chunk.startswith(b"\n"):
                chunk = chunk[1:]  # a line end that the chunks cut in two
            after_return = chunk.endswith(b"\r")
            if b"\r" in chunk:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            first, *others = chunk.split(b"\n")
            held.append(first)
            if others:
                yield b"".join(held)
                yield from others[:-1]
                held = [others[-1]]
    last = b"".join(held)
    if last:
        yield last


def text_lines(path, errors="strict"):
    """(line number from 1, text) of each line of a UTF-8 file.

    Parameters
    ----------
    path : path
    errors : {"strict", "replace"}
        Whether bytes that are no UTF-8 are an error, or become U+FFFD (where free text of any origin does no harm).

    Raises
    ------
    InputError
        As `open_bytes`; and for a line that is not UTF-8.
    """
    for number, line in enumerate(byte_lines(path), start=1):
        try:
            yield number, line.decode("utf-8", errors)
        except UnicodeDecodeError:
            where = f"{path}, line {number}"
            raise InputError(where, "is not text in UTF-8", "save the file as UTF-8 text") from None
