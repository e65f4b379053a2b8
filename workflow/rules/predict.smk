# Predictions on the validation and test parts, and on new files.


rule predict_targets:
    input:
        **DATASET,
        model=f"{R}/models/{JOB}",
    output:
        predictions=f"{R}/predictions/{JOB}.parquet",
        metrics=f"{R}/predictions/{JOB}.metrics.tsv",
        cost=f"{R}/predictions/{JOB}.cost.json",
    log:
        f"{LOGS}/predictions/{JOB}.log",
    wildcard_constraints:
        model=any_of(STUDY.single_models),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(240),
    params:
        dataset_name=lambda w: w.dataset,
        model_name=lambda w: w.model,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        parts=["validation", "test"],
        code=code_digest(
            "inference/prediction",
            "inference/reading",
            "evaluation/metrics",
            "evaluation/part_metrics",
            "evaluation/calibration",
            "inference/dataset_predictions",
        ),
    script:
        "../scripts/predict_targets.py"


# New files: each is cut into shards that are predicted apart and joined in order.
rule predict_files:
    input:
        file=file_of,
        genome=genome_of,
        models=lambda w: [f"{R}/models/{job.path}" for jobs in STUDY.file_jobs(w.files).values() for job in jobs],
    output:
        temp(f"{R}/predictions/files/{{files}}/{{scatteritem}}.parquet"),
    log:
        f"{LOGS}/predictions/files/{{files}}/{{scatteritem}}.log",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(480),
    params:
        # How many of the bundles above are each model's.
        models=lambda w: {name: len(jobs) for name, jobs in STUDY.file_jobs(w.files).items()},
        length=lambda w: STUDY["predict"][w.files].get("length"),
        format=lambda w: STUDY.file_format(w.files),
        reading=lambda w: STUDY["predict"][w.files].get("reading"),
        reverse_complement=lambda w: STUDY["predict"][w.files]["reverse_complement"],
        level=lambda w: STUDY["predict"][w.files]["level"],
        cleaning=lambda w: STUDY["predict"][w.files]["cleaning"],
        shard=shard_of,
        code=code_digest(
            "inference/prediction",
            "inference/reading",
            "inference/dataset_predictions",
            "streaming",
            "evaluation/validation",
            "evaluation/calibration",
            "evaluation/conformal",
            "sequences",
            "datasets/mrna",
            "datasets/tables",
        ),
    script:
        "../scripts/predict_files.py"


rule gather_files:
    input:
        lambda w: getattr(gather, w.files)(f"{R}/predictions/files/{w.files}/{{scatteritem}}.parquet"),
    output:
        f"{R}/predictions/files/{{files}}.parquet",
    log:
        f"{LOGS}/predictions/files/{{files}}.log",
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/gather_files.py"


rule write_tracks:
    input:
        predictions=f"{R}/predictions/files/{{files}}.parquet",
        genome=genome_of,
    output:
        f"{R}/predictions/files/{{files}}/{{model}}.{{suffix}}",
    log:
        f"{LOGS}/predictions/files/{{files}}/{{model}}.{{suffix}}.log",
    wildcard_constraints:
        suffix="bw|bed",
    conda:
        "../../envs/train.yaml"
    params:
        model=lambda w: w.model,
        code=code_digest("streaming/tracks", "streaming/tables"),
    script:
        "../scripts/write_tracks.py"


rule score_variants:
    input:
        file=file_of,
        genome=genome_of,
        backbone=f"{R}/backbones/{{backbone}}",
    output:
        temp(f"{R}/predictions/files/{{files}}/zero_shot/{{backbone}}/{{scatteritem}}.parquet"),
    log:
        f"{LOGS}/predictions/files/{{files}}/zero_shot/{{backbone}}/{{scatteritem}}.log",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(480),
    params:
        length=lambda w: STUDY["predict"][w.files].get("length"),
        shard=shard_of,
        code=code_digest(
            "inference/prediction",
            "inference/reading",
            "streaming",
            "models",
            "tokenization",
            "pretraining/token_scores",
            "pretraining/masking",
        ),
    script:
        "../scripts/score_variants.py"


rule gather_variants:
    input:
        lambda w: getattr(gather, w.files)(
            f"{R}/predictions/files/{w.files}/zero_shot/{w.backbone}/{{scatteritem}}.parquet"
        ),
    output:
        f"{R}/predictions/files/{{files}}/zero_shot/{{backbone}}.parquet",
        f"{R}/predictions/files/{{files}}/zero_shot/{{backbone}}.csv",
    log:
        f"{LOGS}/predictions/files/{{files}}/zero_shot/{{backbone}}.log",
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/gather_files.py"
