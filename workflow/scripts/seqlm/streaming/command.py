"""The command lines that work on files outside of the workflow: predict, score, variants, embed.

Each command has a parser of its own, which `seqlm.console` puts together and completes words by.
"""

import argparse
import json

from seqlm.common.errors import one_line_errors
from seqlm.sequences.cleaning import POLICIES
from seqlm.streaming.files import embed_file, predict_file, score_file, score_variant_file
from seqlm.streaming.reading import READING
from seqlm.streaming.records import FORMATS
from seqlm.streaming.writing import CHUNK, gather

KEYS = tuple(dict.fromkeys(key for keys in READING.values() for key in keys))  # all that can be said about reading
_INPUTS = (
    "FASTA, TSV or CSV, GenBank; BED, VCF, GFF or GTF with --genome (each plain, gzip or bgzip); or parquet with a "
    "column of sequences"
)


def predict_command(arguments=None, prog="predict_targets.py"):
    """Predict with bundles on the records of a file."""
    _run(predict_parser(prog), arguments, predict_file, "reverse_complement", "level", "cleaning")


def predict_parser(prog=None, **options):
    """The parser of `predict_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Predict with one or several trained models on the records of a file, chunk by chunk. An "
        "interrupted run continues when it is started again.",
        epilog="Several models (folds, seeds) are averaged; the column sd is their standard deviation. For numbers low "
        "and high are the ends of a conformal interval; class probabilities are calibrated: both by the models' "
        "validation parts. A VCF gives the predictions for the windows of both alleles and their difference. Where it "
        "is known how far a network sees (tracks of cnn), long records are read in overlapping pieces, with the same "
        "result; any other network reads a record as a whole: cut long ones into windows, as by a BED file.",
    )
    parser.add_argument("--model", nargs="+", metavar="BUNDLE", help="folders of trained models")
    parser.add_argument(
        "--output",
        required=True,
        help=".parquet, .csv or .tsv; for windows of a genome also .bw, .bigwig, .bedgraph or .bed",
    )
    parser.add_argument("--reverse-complement", action="store_true", help="average over both strands")
    parser.add_argument("--level", type=float, default=0.9, help="of the intervals of scalar targets (%(default)s)")
    parser.add_argument(
        "--cleaning",
        choices=POLICIES,
        default="N",
        help="letters of sequences that are neither bases nor N are an error, read as N, or reason to leave the record "
        "out; how many there were is told at the end (%(default)s)",
    )
    _add_input(parser)
    return parser


def score_command(arguments=None, prog="score_loo.py"):
    """Leave-one-out scores of the records of a file."""
    _run(score_parser(prog), arguments, score_file, "edit", "replacements", "class_index")


def score_parser(prog=None, **options):
    """The parser of `score_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="Exact leave-one-out scores of every base of the sequences in a file: a table with the columns "
        "sequence, token, replacement, label, pred, start_offset, end_offset, loo. An interrupted run continues when "
        "it is started again.",
    )
    parser.add_argument("--model", metavar="BUNDLE", help="folder of a trained model")
    parser.add_argument("--output", required=True, help=".parquet, .csv or .tsv")
    parser.add_argument(
        "--edit",
        choices=("mask", "remove", "replace", "replacespecifier"),
        default="mask",
        help="a base becomes no base (mask), is deleted (remove), or becomes each other base (replace); "
        "replacespecifier also drops the specifiers of tokens that carry any; %(default)s",
    )
    parser.add_argument(
        "--replacements",
        type=_replacements,
        metavar="JSON",
        help='for replace: what is put in the place of each token, such as {"a": ["c"]}; all others when left out',
    )
    parser.add_argument(
        "--class-index",
        default="predicted",
        metavar="CLASS",
        help="for classes: whose logit is compared: predicted, all, or one by name, or else by number from 0 "
        "(%(default)s)",
    )
    _add_input(parser, chunk=64)
    return parser


def variant_command(arguments=None, prog="score_variants.py"):
    """Scores of the variants of a file."""
    _run(variant_parser(prog), arguments, score_variant_file, "both_strands")


def variant_parser(prog=None, **options):
    """The parser of `variant_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="What each variant of a VCF file does, as one number (alternative - reference): to the likelihood "
        "that a language model gives its window (zero-shot), or to what a trained model predicts. An interrupted run "
        "continues when it is started again.",
    )
    parser.add_argument("--model", metavar="FOLDER", help="a language model (backbone, or saved by anyone) or a bundle")
    parser.add_argument("--output", required=True, help=".parquet, .csv or .tsv")
    parser.add_argument(
        "--both-strands", action=argparse.BooleanOptionalAction, help="average over both; for language models the rule"
    )
    _add_input(parser, chunk=256)
    return parser


def embed_command(arguments=None, prog="seqlm embed"):
    """Embeddings of the records of a file."""
    _run(embed_parser(prog), arguments, embed_file, "pooling", "layer")


def embed_parser(prog=None, **options):
    """The parser of `embed_command`."""
    parser = argparse.ArgumentParser(
        prog=prog,
        **options,
        description="One vector for each sequence of a file, or each of its bases, from a language model or a model "
        "that stands on one: a table with the columns id (by bases: position, from 0, and base), e0, e1 and so on. An "
        "interrupted run continues when it is started again.",
    )
    parser.add_argument("--model", metavar="FOLDER", help="a language model (backbone, or saved by anyone) or a bundle")
    parser.add_argument("--output", required=True, help=".parquet, .csv or .tsv")
    parser.add_argument(
        "--pooling", choices=("mean", "max", "first", "last", "bases"), default="mean",
        help="of its tokens; bases: a row for each base, with the vector of the token that stands for it, the mean "
        "where tokens overlap (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--layer", type=int, default=-1, help="0 is the first block's input, -1 the end (%(default)s)")
    _add_input(parser, chunk=1024)
    return parser


def _shard(text):
    number, _, shards = text.partition("/")
    if not (number.isdecimal() and shards.isdecimal() and 1 <= int(number) <= int(shards)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; write k/n, such as 1/4")
    return int(number), int(shards)


def _replacements(text):
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = None
    lists = content.values() if isinstance(content, dict) else [content]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON of lists of tokens")
    return content


def _add_input(parser, chunk=CHUNK):
    parser.add_argument("--input", metavar="FILE", help=_INPUTS)
    parser.add_argument("--format", choices=FORMATS, help="format of the input; by its suffix when left out")
    parser.add_argument("--genome", metavar="FASTA", help="genome (plain or bgzip) that BED, VCF, GFF and GTF refer to")
    parser.add_argument("--length", type=int, help="bases in the windows around variants; the model's input length")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="K/N", help="only the Kth of N slices of the input, as parquet"
    )
    parser.add_argument("--gather", nargs="+", metavar="SHARD", help="join shards, in this order, and do no more")
    parser.add_argument("--chunk-size", type=int, default=chunk, help="records in memory at a time (%(default)s)")
    parser.add_argument("--batch-size", type=int, help="sequences through the network at a time; chosen when left out")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads")
    group = parser.add_argument_group("tables", "a column is a name, or a position from 1")
    group.add_argument("--id-column", dest="id", type=_column, metavar="COLUMN", help="of the name (id)")
    group.add_argument("--sequence-column", dest="sequence", type=_column, metavar="COLUMN", help="of the sequence")
    group.add_argument("--no-header", dest="header", action="store_const", const=False, help="line 1 is an example too")
    group.add_argument("--separator", metavar="C", help="between columns; a tab, or a comma, when left out")
    group.add_argument("--tokens", metavar="C", help="between the tokens of a sequence; plain bases when left out")
    group.add_argument("--specifiers", metavar="C", help="between a token and its numbers, such as '#' in a#2.5#0.2")
    group = parser.add_argument_group("mRNAs", "out of GFF or GTF with --genome, GenBank, or a table with --cds")
    group.add_argument("--cds", nargs=2, metavar="COLUMN", help="first base of the CDS, and the base after its last")
    group.add_argument("--junctions", metavar="COLUMN", help="of exon junctions, joined by commas")
    group.add_argument(
        "--one-based",
        action="store_const",
        const=True,
        help="positions count from 1, and the CDS ends at its last base",
    )
    group.add_argument("--gene", metavar="COLUMN", help="of the gene, for --isoforms representative")
    group.add_argument("--isoforms", choices=("all", "representative"), help="all, or one a gene (all)")
    group.add_argument(
        "--problems", choices=("drop", "error"), help="what annotation that contradicts itself is (drop)"
    )
    group.add_argument(
        "--chromosome-names",
        choices=("exact", "synonyms"),
        help="whether chr1 is 1 and chrM is MT where the genome has no such name as the annotation (exact)",
    )


def _column(text):
    return int(text) if text.isdecimal() else text


def _run(parser, arguments, process, *own):
    """Join shards, or call ``process(model, input, output, ...)`` with the options of `_add_input` and its `own`."""
    with one_line_errors():
        options = parser.parse_args(arguments)
        if options.gather:
            sizes = None
            if options.genome:
                from seqlm.sequences import Genome

                sizes = Genome(options.genome).lengths
            gather(options.gather, options.output, sizes)
            return
        if not (options.model and options.input):
            parser.error("--model and --input are needed (or --gather)")
        chosen = {name: getattr(options, name) for name in own}
        process(options.model, options.input, options.output, **chosen, **_settings(options))


def _settings(options):
    if options.threads:
        from seqlm.common.runtime import set_threads

        set_threads(options.threads)
    return {
        "genome": options.genome,
        "length": options.length,
        "chunk_size": options.chunk_size,
        "shard": options.shard,
        "device": options.device,
        "batch_size": options.batch_size,
        "format": options.format,
        "reading": {key: value for key in KEYS if (value := getattr(options, key)) is not None},
    }
