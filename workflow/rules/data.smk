# Sources, examples and folds.


def local_origin(wildcards):
    """A source's own file when it lies on this machine, so that a change to it is noticed."""
    origin = STUDY.source_origin(wildcards.source)
    return [] if "://" in origin else origin


rule download_source:
    input:
        local_origin,
    output:
        f"{R}/sources/{{source}}.{{suffix}}",
    log:
        f"{LOGS}/sources/{{source}}.{{suffix}}.log",
    wildcard_constraints:
        suffix=r"(fa|gb|gff|txt)\.gz",
    params:
        origin=lambda w: STUDY.source_origin(w.source),
        kind=lambda w: STUDY.source_kind(w.source),
        sha256=lambda w: STUDY["sources"][w.source].get("sha256"),
    retries: 1
    resources:
        mem_mb=1000,
        runtime=240,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/download_source.py"


rule prepare_dataset:
    input:
        sources=lambda w: [STUDY.source_path(name) for name in STUDY.dataset_sources(w.dataset)],
        motif=lambda w: STUDY["datasets"][w.dataset].get("label", {}).get("motif", []),
    output:
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        summary=f"{R}/datasets/{{dataset}}/summary.json",
    log:
        f"{LOGS}/datasets/{{dataset}}/prepare.log",
    params:
        name=lambda w: w.dataset,
        sources=lambda w: STUDY.dataset_sources(w.dataset),
        dataset=lambda w: {k: v for k, v in STUDY["datasets"][w.dataset].items() if k != "folds"},
        seed=STUDY["seeds"][0],
        code=code_digest("datasets", "sequences", "motifs"),
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/prepare_dataset.py"


rule split_folds:
    input:
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
    output:
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
    log:
        f"{LOGS}/datasets/{{dataset}}/folds.log",
    params:
        folds=lambda w: STUDY["datasets"][w.dataset]["folds"],
        seed=STUDY["seeds"][0],
        code=code_digest("folds"),
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/split_folds.py"
