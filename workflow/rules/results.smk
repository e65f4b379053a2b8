# Ensembles, and results in the forms that spreadsheets and other tools read.


rule combine_predictions:
    input:
        **DATASET,
        members=lambda w: [
            f"{R}/predictions/{w.dataset}/{name}/fold{w.fold}/seed{w.seed}.parquet" for name in STUDY.members(w.model)
        ],
    output:
        predictions=f"{R}/predictions/{JOB}.parquet",
        metrics=f"{R}/predictions/{JOB}.metrics.tsv",
        cost=f"{R}/predictions/{JOB}.cost.json",
    log:
        f"{LOGS}/predictions/{JOB}.log",
    wildcard_constraints:
        model=any_of(STUDY.ensembles),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        dataset_name=lambda w: w.dataset,
        model_name=lambda w: w.model,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        weights=lambda w: STUDY.model(w.model).get("weights", "validation"),
        code=code_digest(
            "inference/ensemble",
            "evaluation/metrics",
            "evaluation/part_metrics",
            "evaluation/calibration",
            "inference/dataset_predictions",
        ),
    script:
        "../scripts/combine_predictions.py"


rule write_fold_results:
    input:
        **DATASET,
        models=lambda w: [f"{R}/models/{job.path}" for job in STUDY.trained_jobs if job.dataset == w.dataset],
        predictions=lambda w: [f"{R}/predictions/{job.path}.parquet" for job in STUDY.jobs_of(w.dataset)],
        metrics=lambda w: [f"{R}/predictions/{job.path}.metrics.tsv" for job in STUDY.jobs_of(w.dataset)],
    output:
        folder=directory(f"{R}/fold_results/{{dataset}}"),
    log:
        f"{LOGS}/fold_results/{{dataset}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        jobs=lambda w: [(job.model, job.fold, job.seed) for job in STUDY.jobs_of(w.dataset)],
        code=code_digest("report/fold_results"),
    script:
        "../scripts/write_fold_results.py"


rule export_scores:
    input:
        tables=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.parquet"),
        arrays=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.npz"),
    output:
        folder=directory(f"{R}/attributions/{{dataset}}/export"),
    log:
        f"{LOGS}/attributions/{{dataset}}.export.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        models=lambda w: STUDY.scored_models(w.dataset),
        code=code_digest("report/fold_results", "attribution/transcript_scores"),
    script:
        "../scripts/export_scores.py"


rule write_score_tracks:
    input:
        arrays=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.npz"),
        hits=hits_of,
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        genome=lambda w: STUDY.source_path(STUDY.genome_of(w.dataset)) if STUDY.genome_of(w.dataset) else [],
    output:
        folder=directory(f"{R}/attributions/{{dataset}}/tracks"),
    log:
        f"{LOGS}/attributions/{{dataset}}.tracks.log",
    wildcard_constraints:
        dataset=any_of(STUDY.tracked),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        models=lambda w: STUDY.scored_models(w.dataset),
        code=code_digest("streaming/score_tracks", "streaming/tracks", "explanation/places", "explanation/hits"),
    script:
        "../scripts/write_score_tracks.py"


rule summarise_transcripts:
    input:
        tables=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.parquet"),
    output:
        regions=f"{R}/tables/datasets/{{dataset}}/regions.tsv",
        arrays=f"{R}/tables/datasets/{{dataset}}/transcript.npz",
    log:
        f"{LOGS}/tables/{{dataset}}.transcripts.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        dataset=lambda w: w.dataset,
        models=lambda w: STUDY.scored_models(w.dataset),
        code=code_digest("attribution/transcript_scores"),
    script:
        "../scripts/summarise_transcripts.py"
