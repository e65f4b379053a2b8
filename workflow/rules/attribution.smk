# Leave-one-out scores of every base, on the first fold's test examples by the first seed's model.


rule score_loo:
    input:
        model=f"{R}/models/{{dataset}}/{{model}}/fold0/seed{STUDY['seeds'][0]}",
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        folds=f"{R}/datasets/{{dataset}}/folds.tsv",
    output:
        table=f"{R}/attributions/{{dataset}}/{{model}}.parquet",
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
        cost=f"{R}/attributions/{{dataset}}/{{model}}.cost.json",
    log:
        f"{LOGS}/attributions/{{dataset}}/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/attributions/{{dataset}}/{{model}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        torch_threads=STUDY["threads"],
        device="auto",
        mem_mb=8000,
        runtime=480,
    params:
        loo=lambda w: {k: v for k, v in STUDY["runs"][w.dataset]["loo"].items() if k != "models"},
        fold=0,
        code=code_digest("attribution", "inference", "predictions"),
    script:
        "../scripts/score_loo.py"
