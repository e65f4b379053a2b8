"""What the workflow would do, without doing it."""

import re
import subprocess
import sys

import pytest
import yaml


def job_counts(text):
    """The rule -> number table of a dry run."""
    table = text.split("Job stats:")[1].split("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.M)}


def test_the_whole_grid_is_planned(workflow):
    workflow.study["seeds"] = [1, 2]
    workflow.write()
    counts = job_counts(workflow("-n", "all").stdout)
    assert counts["pretrain_backbone"] == 3
    assert counts["train_model"] == counts["predict_targets"] == 4 * 2
    assert counts["score_loo"] == 4
    assert counts["prepare_dataset"] == counts["split_folds"] == 1
    assert counts["download_source"] == 1


def test_kfold_trains_every_fold(workflow):
    workflow.study["datasets"]["tf_binding"]["folds"] = {"scheme": "kfold", "k": 3, "group": "position"}
    workflow.study["runs"]["tf_binding"]["models"] = ["cnn"]
    workflow.write()
    assert job_counts(workflow("-n", "models").stdout)["train_model"] == 3


def test_new_files_are_predicted_in_shards_and_gathered(workflow):
    (workflow.folder / "new.fa").write_text(">a\nACGT\n")
    files = {"fasta": "new.fa", "dataset": "tf_binding", "models": ["cnn"]}
    workflow.study["predict"] = {"whole": files, "new-file.1": {**files, "shards": 3}}
    workflow.write()
    for target in ("predictions", "all"):
        counts = job_counts(workflow("-n", target).stdout)
        assert counts["predict_files"] == 1 + 3
        assert counts["gather_files"] == 2


def test_variants_are_scored_by_language_models(workflow):
    """Of a file by itself: nothing is trained but the backbone."""
    (workflow.folder / "v.vcf").write_text("4\t100\t.\tA\tC\n")
    variants = {"vcf": "v.vcf", "genome": "fly", "backbones": ["gpt-full"], "shards": 2}
    workflow.study["predict"] = {"variants": variants}
    workflow.write()
    wanted = "results/small/predictions/files/variants/zero_shot/gpt-full.csv"
    counts = job_counts(workflow("-n", wanted).stdout)
    assert (counts["score_variants"], counts["gather_variants"], counts["pretrain_backbone"]) == (2, 1, 1)
    assert "train_model" not in counts
    counts = job_counts(workflow("-n", "predictions").stdout)
    assert counts["score_variants"] == 2 and "predict_files" not in counts


def test_a_fetched_language_model_is_scored_on_a_corpus(workflow):
    hub = {"hub": "somebody/something"}
    workflow.study["backbones"] |= {"told": {**hub, "corpus": ["fly"]}, "untold": hub}
    workflow.write()
    assert job_counts(workflow("-n", "metrics").stdout)["score_backbone"] == 1
    workflow.study["backbones"]["told"]["corpus"] = ["bee"]
    workflow.write()
    failed = workflow("-n", "metrics", check=False)
    assert failed.returncode and "backbones.told: there is no source named 'bee'" in failed.stdout + failed.stderr


def test_leave_one_out_is_divided_among_jobs(workflow):
    (workflow.folder / "new.fa").write_text(">a\nACGT\n")
    workflow.study["runs"]["tf_binding"]["loo"] |= {"shards": 2, "models": ["cnn"]}
    workflow.study["predict"] = {"new": {"fasta": "new.fa", "dataset": "tf_binding", "models": ["cnn"], "shards": 3,
                                         "loo": {"edit": "remove"}}}  # fmt: skip
    workflow.write()
    counts = job_counts(workflow("-n", "attributions").stdout)
    assert (counts["score_loo_shard"], counts["gather_loo"]) == (2, 1)
    assert (counts["score_files"], counts["gather_scores"], counts["export_file_scores"]) == (3, 1, 1)
    assert "score_loo" not in counts and "predict_files" not in counts


@pytest.mark.parametrize("kind", ["bed", "fasta"])
def test_scores_of_windows_of_a_genome_have_tracks(kind, workflow):
    """One a scored model; sequences of a FASTA file have no place."""
    (workflow.folder / "new.bed").write_text("4\t100\t200\n")
    (workflow.folder / "new.fa").write_text(">a\nACGT\n")
    new = {"bed": "new.bed", "genome": "fly"} if kind == "bed" else {"fasta": "new.fa"}
    new |= {"dataset": "tf_binding", "models": ["cnn", "gpt-full"], "shards": 2}
    workflow.study["predict"] = {"scored": {**new, "loo": {"edit": "replace", "models": ["cnn"]}}, "predicted": new}
    workflow.study["runs"]["tf_binding"].pop("loo")
    workflow.write()
    for target in ("attributions", "all"):
        counts = job_counts(workflow("-n", target).stdout)
        assert counts.get("write_file_score_track", 0) == (kind == "bed")
        assert (counts["score_files"], counts["export_file_scores"]) == (2, 1)


@pytest.mark.parametrize("target", ["models", "predictions", "attributions", "metrics", "plots"])
def test_targets_exist(workflow, target):
    assert "Job stats" in workflow("-n", target).stdout


def test_plots_workflow_cannot_train(workflow):
    """Without tables there is nothing to draw from, and no rule that could make them."""
    done = workflow("-n", snakefile="workflow/plots.smk", check=False)
    assert done.returncode != 0
    assert "Missing input files" in done.stdout + done.stderr
    rules = workflow("--list-rules", snakefile="workflow/plots.smk").stdout.split()
    assert {"plots", "render_report"} < set(rules)
    assert all(rule.startswith("plot") or rule in ("all", "render_browsing", "render_report") for rule in rules)


@pytest.mark.parametrize(
    "config",
    ["config.yaml", *(f"studies/{n}.yaml" for n in ("tf_binding", "species", "half_life", "published_models"))],
)
def test_shipped_studies_plan(root, config, tmp_path):
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--configfile", f"config/{config}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("profile", "gpus"), [("default", 0), ("local-gpu", 1)])
def test_a_profile_decides_whether_networks_run_on_a_gpu(root, workflow, profile, gpus):
    said = workflow("-n", "all", "--workflow-profile", str(root / "profiles" / profile)).stdout
    found = {}
    for rule, resources in re.findall(r"^(?:local)?rule (\w+):.*?^ +resources: ([^\n]*)", said, re.M | re.S):
        found.setdefault(rule, set()).add(int((re.search(r"\bgpu=(\d+)", resources) or [0, -1])[1]))
    networks = {"pretrain_backbone", "train_model", "predict_targets", "score_loo"}
    assert {rule: found[rule] for rule in networks} == {rule: {gpus} for rule in networks}
    assert {rule for rule, numbers in found.items() if numbers != {-1}} == networks


def test_a_cluster_is_given_every_gpu_that_is_asked_for(root):
    """A limit would clamp what jobs ask for; the partitions say which of them have GPUs."""
    profile = yaml.safe_load((root / "profiles/slurm/profile.yaml").read_text())
    assert "resources" not in profile
    partitions = yaml.safe_load((root / profile["slurm-partition-config"]).read_text())["partitions"]
    assert partitions["gpu"]["max_gpu"] and "max_gpu" not in partitions["cpu"]


def test_what_needs_the_internet_stays_where_snakemake_runs(root):
    rules = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r"^localrules:\n    (\w+),", rules, re.M)) == {"download_source", "fetch_backbone"}


def test_a_wrong_name_is_one_line(workflow):
    workflow.study["runs"]["tf_binding"]["models"] = ["cnnn"]
    workflow.write()
    done = workflow("-n", check=False)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "cnnn" in line]
    assert len(lines) == 1
    assert "the models there are: cnn" in lines[0]
    assert "Traceback" not in done.stderr


def test_no_job_asks_for_more_than_the_cluster_allows(workflow):
    """Not even when it is tried again, which asks for more."""
    workflow.study |= {"longest_runtime": 45, "largest_memory": 3000}
    workflow.write()
    text = workflow("-n", "all").stdout
    minutes = {int(n) for n in re.findall(r"runtime=(\d+)", text)}
    megabytes = {int(n) for n in re.findall(r"mem_mb=(\d+)", text)}
    assert max(minutes) == 45 and max(megabytes) == 3000


def test_motifs_are_discovered_once_a_scored_model(workflow):
    workflow.study["runs"]["tf_binding"]["loo"]["models"] = ["cnn", "gpt-full"]
    workflow.study["runs"]["tf_binding"]["motifs"] = {"jaspar": "insects", "examples": 10}
    workflow.write()
    counts = job_counts(workflow("-n", "all").stdout)
    assert (counts["score_loo"], counts["discover_motifs"], counts["plot_motifs"]) == (2, 2, 2)


def test_every_scored_model_has_its_heat_maps_and_every_dataset_a_page_and_tracks(workflow):
    """And all that is drawn is drawn by the workflow that cannot train, too."""
    run = workflow.study["runs"]["tf_binding"]
    run["loo"] |= {"models": ["cnn", "gpt-full"], "edit": "replace"}
    run["interactions"] = {"examples": 2, "positions": 5}
    workflow.write()
    counts = job_counts(workflow("-n", "all").stdout)
    expected = {"plot_mutagenesis": 2, "plot_interactions": 2, "score_interactions": 2, "pick_mutagenesis": 1,
                "collect_browsing": 1, "render_browsing": 1, "write_score_tracks": 1}  # fmt: skip
    assert {rule: counts.get(rule) for rule in expected} == expected
    assert "write_score_tracks" in job_counts(workflow("-n", "attributions").stdout)


def test_scores_are_checked_against_another_seed_and_other_models(workflow):
    workflow.study["seeds"] = [1, 2]
    workflow.study["runs"]["tf_binding"]["loo"]["models"] = ["cnn", "gpt-full"]
    workflow.study["runs"]["tf_binding"]["checks"] = {"examples": 10}
    workflow.write()
    counts = job_counts(workflow("-n", "results/small/figures/belief-tf_binding.png").stdout)
    assert (counts["check_scores"], counts["score_loo"], counts["train_model"]) == (2, 2, 4)


def test_trainings_ask_for_their_devices(workflow):
    """On CPUs the threads of all; no GPU is asked for where the profile has none, and numbers do not depend on it."""
    from seqlm.planning.jobs import parse_jobs

    def asked(*arguments):
        jobs = parse_jobs(workflow("-n", "models", *arguments, cores=8).stdout)
        names = {(job.rule, job.wildcards.get("model") or job.wildcards.get("backbone")): job for job in jobs}
        return {
            key[1]: (job.threads, job.resources["gpu"], job.resources["devices"])
            for key, job in names.items()
            if key[0] in ("pretrain_backbone", "train_model")
        }

    workflow.study |= {"threads": 2, "devices": 2}
    workflow.study["backbones"] = {"gpt-full": {**workflow.study["backbones"]["gpt-full"], "devices": 4}}
    models = {"cnn": {"network": "cnn"}, "one": {"network": "cnn", "devices": 1}}
    workflow.study["models"] = models | {"head": {"backbone": "gpt-full"}}
    workflow.study["runs"]["tf_binding"]["models"] = ["cnn", "one", "head"]
    workflow.study["runs"]["tf_binding"].pop("loo")
    workflow.write()
    assert asked() == {"cnn": (4, "0", "2"), "one": (2, "0", "1"), "head": (4, "0", "2"), "gpt-full": (8, "0", "4")}
    assert asked("--resources", "gpu=8")["gpt-full"] == (8, "4", "4")


def test_devices_of_what_cannot_share_its_batches_are_one_line(workflow):
    workflow.study["models"]["s"] = {"network": "saluki", "devices": 2}
    workflow.write()
    failed = workflow("-n", "models", check=False)
    said = "seqlm: config, models.s.devices: this model is trained in one process; leave devices out"
    assert failed.returncode and said in failed.stdout + failed.stderr


def test_more_devices_than_a_node_has_are_on_several_nodes(workflow):
    from seqlm.planning.jobs import parse_jobs

    workflow.study["backbones"] = {"gpt-full": {**workflow.study["backbones"]["gpt-full"], "devices": 4}}
    workflow.study["models"] = {"cnn": {"network": "cnn", "devices": 2}, "head": {"backbone": "gpt-full"}}
    workflow.study["runs"]["tf_binding"]["models"] = ["cnn", "head"]
    workflow.study["runs"]["tf_binding"].pop("loo")
    workflow.study["devices_per_node"] = 2
    workflow.write()
    jobs = {job.rule: job for job in parse_jobs(workflow("-n", "models", cores=8).stdout)}
    wide = jobs["pretrain_backbone"]
    assert (wide.resources["nodes"], wide.resources["tasks"], wide.resources["gres"]) == ("2", "4", "gpu:2")
    assert wide.threads == 4 * workflow.study["threads"] and "gpu" not in wide.resources  # those of all processes
    assert "nodes" not in jobs["train_model"].resources  # two devices are one node's
    workflow.study["backbones"]["gpt-full"]["devices"] = 3
    workflow.write()
    failed = workflow("-n", "models", check=False)
    assert (
        "backbones.gpt-full.devices: 3 devices cannot be dealt out evenly to nodes of 2"
        in failed.stdout + failed.stderr
    )
