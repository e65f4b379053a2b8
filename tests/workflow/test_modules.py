"""Used from another workflow: as a module from a checkout or a git repository, and as snakedeploy deploys it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from git_server import commit_of, served
from studies import small_study
from test_dry_runs import job_counts

OUTER = Path(__file__).parent / "outer/Snakefile"


def snakemake(folder, *arguments, **environment):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--profile", "none", *arguments]
    own = {"XDG_CACHE_HOME": str(folder / ".cache"), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **own})
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def test_another_snakefile_uses_all_of_its_rules(root, tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(small_study()))
    planned = snakemake(tmp_path, "-n", "-s", str(OUTER), SEQLM_SNAKEFILE=str(root / "workflow/Snakefile"))
    counts = job_counts(planned)
    assert counts["seqlm_train_model"] == 4 and counts["seqlm_pretrain_backbone"] == 3
    assert counts["best"] == counts["seqlm_render_report"] == 1


@pytest.fixture
def repository(root, tmp_path):
    return commit_of(root, tmp_path / "repository", "v9")


@pytest.mark.slow
def test_a_module_of_a_hosting_service_has_its_library_and_schemas(repository, tmp_path):
    """Snakemake reads such a module's rules one by one: no file lies beside them."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(small_study()))
    tables = "results/small/datasets/tf_binding/folds.tsv"
    with served(repository, tmp_path / "served", "me/seqlm") as environment:
        planned = snakemake(tmp_path, "-n", "-s", str(OUTER), tables, **environment)
    assert set(job_counts(planned)) == {"seqlm_download_source", "seqlm_prepare_dataset", "seqlm_split_folds", "total"}
    (unpacked,) = (tmp_path / ".snakemake/seqlm").iterdir()
    assert (unpacked / "workflow/scripts/seqlm/__init__.py").is_file() and (unpacked / "envs/train.yaml").is_file()


@pytest.mark.slow
def test_snakedeploy_deploys_it_and_a_job_runs(repository, tmp_path):
    snakedeploy = Path(sys.executable).with_name("snakedeploy")
    if not snakedeploy.exists():
        pytest.skip("snakedeploy is not installed")
    with served(repository, tmp_path / "served", "me/seqlm") as environment:
        command = [snakedeploy, "deploy-workflow", "https://github.com/me/seqlm", "deployed", "--tag", "v9"]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        folder = tmp_path / "deployed"
        assert 'github("me/seqlm", path="workflow/Snakefile", tag="v9")' in (folder / "workflow/Snakefile").read_text()
        assert (folder / "profiles/slurm/profile.yaml").is_file() and (folder / "config/studies").is_dir()
        (folder / "config/config.yaml").write_text(yaml.safe_dump(small_study()))
        shutil.rmtree(repository)
        wanted = "results/small/datasets/tf_binding/folds.tsv"
        snakemake(folder, wanted, "--nolock", **environment)
        assert (folder / wanted).read_text().startswith("id\tfold\tpart")
