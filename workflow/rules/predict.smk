# Predictions on the validation and test parts, and on new files.


rule predict_targets:
    input:
        model=f"{R}/models/{JOB}",
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
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
        torch_threads=STUDY["threads"],
        device="auto",
        mem_mb=8000,
        runtime=240,
    params:
        dataset_name=lambda w: w.dataset,
        model_name=lambda w: w.model,
        fold=lambda w: int(w.fold),
        seed=lambda w: int(w.seed),
        parts=["validation", "test"],
        code=code_digest("inference", "metrics", "predictions"),
    script:
        "../scripts/predict_targets.py"
