"""Prepared examples of a task: a table of sequences with targets, its folds, and a summary of how it was made.

storage   the files of a dataset folder
examples  what every table of examples must satisfy; cleaning and its counts
windows   windows of a genome labelled by a motif scan; windows of several sources, one a class
tables    rows of a delimited file; DNA-LLM's pair of files; FASTA records with a table of labels
mrna      transcripts of annotated genomes or of a table, as atomic tokens
build     from a study's `datasets` entry to examples and summary
"""

from seqlm.datasets.build import build_dataset
from seqlm.datasets.storage import Dataset, load_dataset, write_dataset, write_folds

__all__ = ["Dataset", "build_dataset", "load_dataset", "write_dataset", "write_folds"]
