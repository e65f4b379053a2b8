"""Reading, cleaning and cutting nucleotide sequences, in memory that does not grow with the file.

opening   bytes out of plain, gzip and bgzip files alike, with one clear line for a damaged file
reading   FASTA and GenBank records
cleaning  one spelling (upper case ACGTN) and a count of everything that was not
codes     strings to base codes; reverse complements
windows   tiling and subsampling a genome in one pass
genome    random access by coordinates
"""

from seqlm.sequences.cleaning import clean
from seqlm.sequences.codes import base_codes, reverse_complement
from seqlm.sequences.genome import Genome
from seqlm.sequences.opening import is_bgzip, is_gzip, open_bytes, uncompressed_size
from seqlm.sequences.reading import Record, read_fasta, read_genbank
from seqlm.sequences.windows import Window, Windows

__all__ = [
    "Genome",
    "Record",
    "Window",
    "Windows",
    "base_codes",
    "clean",
    "is_bgzip",
    "is_gzip",
    "open_bytes",
    "read_fasta",
    "read_genbank",
    "reverse_complement",
    "uncompressed_size",
]
