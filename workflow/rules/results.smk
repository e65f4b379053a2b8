# Ensembles, and results in the forms that spreadsheets and other tools read.


rule combine_predictions:
    input:
        members=lambda w: [
            f"{R}/predictions/{w.dataset}/{name}/fold{w.fold}/seed{w.seed}.parquet" for name in STUDY.members(w.model)
        ],
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
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
        mem_mb=4000,
        runtime=30,
    params:
        dataset_name=lambda w: w.dataset,
        model_name=lambda w: w.model,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        weights=lambda w: STUDY.model(w.model).get("weights", "validation"),
        code=code_digest("ensemble", "metrics"),
    script:
        "../scripts/combine_predictions.py"


rule write_fold_results:
    input:
        model=f"{R}/models/{JOB}",
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
        predictions=f"{R}/predictions/{JOB}.parquet",
        metrics=f"{R}/predictions/{JOB}.metrics.tsv",
    output:
        folder=directory(f"{R}/fold_results/{JOB}"),
    log:
        f"{LOGS}/fold_results/{JOB}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        fold=lambda w: int(w.fold),
        code=code_digest("fold_results"),
    script:
        "../scripts/write_fold_results.py"


rule export_scores:
    input:
        table=f"{R}/attributions/{{dataset}}/{{model}}.parquet",
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
    output:
        folder=directory(f"{R}/attributions/{{dataset}}/{{model}}.export"),
    log:
        f"{LOGS}/attributions/{{dataset}}/{{model}}.export.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("fold_results"),
    script:
        "../scripts/export_scores.py"


rule summarise_transcripts:
    input:
        tables=lambda w: [f"{R}/attributions/{d}/{m}.parquet" for d, m in STUDY.attributions if d == w.dataset],
    output:
        regions=f"{R}/tables/datasets/{{dataset}}/regions.tsv",
        arrays=f"{R}/tables/datasets/{{dataset}}/transcript.npz",
    log:
        f"{LOGS}/tables/{{dataset}}.transcripts.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        dataset=lambda w: w.dataset,
        models=lambda w: [m for d, m in STUDY.attributions if d == w.dataset],
        code=code_digest("transcript_scores"),
    script:
        "../scripts/summarise_transcripts.py"
