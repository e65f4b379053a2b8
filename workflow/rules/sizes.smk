# How many labels a model needs: every model of a run trained again on nested parts of the training data.


rule train_on_subsample:
    input:
        **TRAINED_ON,
    output:
        f"{R}/training_sizes/{{dataset}}/{{model}}/n{{size}}/fold{{fold}}/seed{{seed}}.parquet",
    log:
        f"{LOGS}/training_sizes/{{dataset}}/{{model}}/n{{size}}/fold{{fold}}/seed{{seed}}.log",
    wildcard_constraints:
        size=r"\d+",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        precision=STUDY["precision"],
        runtime=minutes(240),
    params:
        **TRAINED_BY,
        size=lambda w: int(w.size),
        code=code_digest("training", "datasets", "models", "inference/prediction"),
    script:
        "../scripts/train_on_subsample.py"


rule compare_sizes:
    input:
        **DATASET,
        predictions=lambda w: [f"{R}/{path}" for path in STUDY.size_predictions(w.dataset)],
    output:
        intervals=f"{R}/tables/datasets/{{dataset}}/sizes.tsv",
        comparisons=f"{R}/tables/datasets/{{dataset}}/size_comparisons.tsv",
    log:
        f"{LOGS}/tables/{{dataset}}.sizes.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        sizes=lambda w: STUDY["runs"][w.dataset]["training_sizes"],
        replicates=lambda w: STUDY["runs"][w.dataset]["bootstrap"],
        seed=STUDY["seeds"][0],
        kinds=lambda w: {name: KINDS[name] for name in STUDY["runs"][w.dataset]["models"]},
        code=code_digest(
            "evaluation/contest/comparison",
            "evaluation/contest/families",
            "evaluation/contest/ranks",
            "evaluation/contest/sums",
            "evaluation/contest/sizes",
        ),
    script:
        "../scripts/compare_sizes.py"
