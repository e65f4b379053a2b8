"""Jobs that a cluster would never start, on what sinfo and a dry run print."""

import pytest

from seqlm.common.errors import InputError
from seqlm.planning.cluster import Need, needs_of, partitions_chosen, partitions_there_are, would_wait
from seqlm.planning.jobs import parse_jobs

SINFO = """\
short|4:00:00|192000|48|(null)
short|4:00:00|512000+|64+|(null)
long|7-00:00:00|192000|48|(null)
gpu|1-12:00:00|256000|32|gpu:a100:4(S:0-1)
old|infinite|64000|16|gpu:2,tmpfs:no_consume:100
minutes|30|1000|1|(null)
"""
DRY = """\
[Thu Nov 26 15:11:18 2026]
rule train_model:
    input: results/small/datasets/x/examples.parquet
    output: results/small/models/x/cnn/fold0/seed1
    wildcards: dataset=x, model=cnn, fold=0, seed=1
    threads: 4
    resources: tmpdir=<TBD>, mem_mb=8000, mem=8 GB, runtime=720, gpu=1, torch_threads=1, precision=fp32
[Thu Nov 26 15:11:18 2026]
rule download_source:
    output: results/small/sources/fly.fa.gz
    resources: tmpdir=/tmp, mem_mb=1000, runtime=240

[Thu Nov 26 15:11:18 2026]
rule plot_loss:
    output: results/small/figures/loss-a.png
    resources: tmpdir=<TBD>, mem_mb=2000, mem=2 GB, runtime=20
[Thu Nov 26 15:11:18 2026]
rule plot_loss:
    output: results/small/figures/loss-b.png
    resources: tmpdir=<TBD>, mem_mb=2000, mem=2 GB, runtime=20
"""


def test_limits_as_sinfo_prints_them():
    there = partitions_there_are(SINFO)
    assert {name: p.minutes for name, p in there.items()} == {
        "short": 240, "long": 7 * 1440, "gpu": 1440 + 720, "old": float("inf"), "minutes": 30
    }  # fmt: skip
    assert (there["short"].megabytes, there["short"].cpus) == (512000, 64)
    assert {name: p.gpus for name, p in there.items()} == {"short": 0, "long": 0, "gpu": 4, "old": 2, "minutes": 0}


def test_what_the_jobs_of_a_dry_run_ask_for():
    assert needs_of(parse_jobs(DRY), ["download_source"]) == {
        Need("train_model", 720, 8000, 4, 1): 1,
        Need("plot_loss", 20, 2000, 1, 0): 2,
    }


def chosen(tmp_path, text):
    (tmp_path / "partitions.yaml").write_text(text)
    return partitions_chosen(tmp_path / "partitions.yaml", partitions_there_are(SINFO))


def test_all_fits(tmp_path):
    partitions, problems = chosen(tmp_path, "partitions: {short: {max_runtime: 240}, gpu: {max_gpu: 1}}")
    assert problems == [] and would_wait(needs_of(parse_jobs(DRY)), partitions) == []


def test_what_would_wait_for_ever_is_said_with_what_to_lower(tmp_path):
    partitions, problems = chosen(tmp_path, "partitions: {minutes: , short: {max_runtime: 9999}}")
    assert problems == [
        f"{tmp_path}/partitions.yaml: max_runtime of short is 9999, and the cluster allows 240; lower it"
    ]
    (line,) = would_wait(needs_of(parse_jobs(DRY)), partitions)
    assert line.startswith("train_model: would wait for ever: ") and "asks for 1 GPUs, 0 are allowed" in line
    (line,) = would_wait([Need("pretrain_backbone", 1440, 1000, 1, 0)], partitions)
    assert line == (
        "pretrain_backbone: would wait for ever: asks for 1440 minutes, 240 are allowed: lower longest_runtime "
        "(partition short)"
    )


@pytest.mark.parametrize("text", ["partitions: {fast: }", "partitions: [short]", "", "partitions: {short: 3}", "a: ["])
def test_a_wrong_file_is_one_line(tmp_path, text):
    with pytest.raises(InputError, match=r"partitions\.yaml"):
        chosen(tmp_path, text)
