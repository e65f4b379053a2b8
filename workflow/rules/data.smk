# Sources, examples and folds.


# Compute nodes of most clusters see no internet.
localrules:
    download_source,


rule download_source:
    input:
        given_origin,
    output:
        f"{R}/sources/{{source}}.{{suffix}}",
    log:
        f"{LOGS}/sources/{{source}}.{{suffix}}.log",
    wildcard_constraints:
        suffix=r"(fa|gb|gff|txt)\.gz",
    retries: 1
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(240),
    params:
        origin=lambda w: STUDY.source_origin(w.source),
        kind=lambda w: STUDY.source_kind(w.source),
        sha256=lambda w: STUDY["sources"][w.source].get("sha256"),
    script:
        "../scripts/download_source.py"


rule prepare_dataset:
    input:
        sources=lambda w: [STUDY.source_path(name) for name in STUDY.dataset_sources(w.dataset)],
        motif=motif_of,
    output:
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        summary=f"{R}/datasets/{{dataset}}/summary.json",
    log:
        f"{LOGS}/datasets/{{dataset}}/prepare.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        name=lambda w: w.dataset,
        sources=lambda w: STUDY.dataset_sources(w.dataset),
        dataset=lambda w: {k: v for k, v in STUDY["datasets"][w.dataset].items() if k != "folds"},
        seed=STUDY["seeds"][0],
        code=code_digest("datasets", "sequences"),
    script:
        "../scripts/prepare_dataset.py"


rule split_folds:
    input:
        examples=DATASET["examples"],
        summary=DATASET["summary"],
    output:
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
    log:
        f"{LOGS}/datasets/{{dataset}}/folds.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        folds=lambda w: STUDY["datasets"][w.dataset]["folds"],
        seed=STUDY["seeds"][0],
        code=code_digest("datasets/separation/folds", "datasets/separation/groups", "sequences/similarity"),
    script:
        "../scripts/split_folds.py"
