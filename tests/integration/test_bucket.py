"""The small study with its results in a bucket: a server that speaks S3, on this machine."""

import copy
import io
import logging
from pathlib import Path

import pandas as pd
import pytest
from studies import Workflow, small_study

boto3 = pytest.importorskip("boto3", reason="make test-all installs it")
pytest.importorskip("snakemake_storage_plugin_s3")
moto = pytest.importorskip("moto.server")

pytestmark = pytest.mark.slow

KEY = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
IN_BUCKET = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://results-of-mine")


@pytest.fixture
def s3(monkeypatch):
    """A client of a server of its own, which jobs find by their environment, as those of a user do."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each of some thousand requests
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY["aws_secret_access_key"])
    yield boto3.client("s3", endpoint_url=address, **KEY)
    server.stop()


def one_model():
    """The small study with a convolutional network alone, and predictions on a file of one's own."""
    config = copy.deepcopy(small_study())
    config["models"] = {"cnn": config["models"]["cnn"]}
    config["backbones"], config["tokenizers"] = {}, {}
    config["runs"]["tf_binding"]["models"] = ["cnn"]
    config["predict"] = {"mine": {"fasta": "mine.fa", "dataset": "tf_binding", "models": ["cnn"], "shards": 2}}
    return config


def test_a_study_whose_sources_and_results_lie_in_a_bucket(s3, tmp_path):
    config = one_model()
    folders = [tmp_path / name for name in ("local", "remote", "elsewhere")]
    for folder in folders:
        folder.mkdir()
        (folder / "mine.fa").write_text(">one\n" + "ACGTTGTTTACT" * 9 + "\n>two\n" + "GGATCCA" * 15 + "\n")
    local = Workflow(folders[0], config)
    s3.create_bucket(Bucket="sources-of-mine")
    s3.upload_file(config["sources"]["fly"]["fasta"], "sources-of-mine", "genomes/fly.fa.gz")
    config["sources"]["fly"]["fasta"] = "s3://sources-of-mine/genomes/fly.fa.gz"
    remote = Workflow(folders[1], config)
    remote("all", *IN_BUCKET, timeout=1800)
    local("metrics", "predictions")

    def kept(path):
        place = str(Path("results/small") / path)
        return io.BytesIO(s3.get_object(Bucket="results-of-mine", Key=place)["Body"].read())

    for name in ("metrics", "loo", "leakage"):
        table = pd.read_csv(local.results / f"tables/{name}.tsv", sep="\t")
        pd.testing.assert_frame_equal(table, pd.read_csv(kept(f"tables/{name}.tsv"), sep="\t"))
    file = "predictions/files/mine.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(local.results / file), pd.read_parquet(kept(file)))
    assert b"tf_binding" in kept("report.html").read()
    weights = "models/tf_binding/cnn/fold0/seed1/model.safetensors"
    assert kept(weights).read() == (local.results / weights).read_bytes()
    assert not remote.results.exists()  # nothing but logs of Snakemake, checkpoints and caches is on the machine

    # Another machine finds all of it done, and makes what is lost again from what the bucket has.
    elsewhere = Workflow(folders[2], config)
    assert "Nothing to be done" in elsewhere("all", *IN_BUCKET).stderr
    before = kept("tables/metrics.tsv").read()
    for path in ("tables/metrics.tsv", "predictions/tf_binding/cnn/fold0/seed1.metrics.tsv"):
        s3.delete_object(Bucket="results-of-mine", Key=f"results/small/{path}")
    elsewhere("metrics", *IN_BUCKET)
    assert kept("tables/metrics.tsv").read() == before
