# Models that predict a target: networks trained from scratch, and heads on backbones. All see the same folds.

POOLING = f"{R}/datasets/{{dataset}}/pooling/fold{{fold}}.json"
TRAINED_ON = {
    **DATASET,
    "backbone": backbone_of,
    "places": lambda w: POOLING.format(**w) if STUDY.pooling_is_chosen(w.dataset) else [],
}
TRAINED_BY = {
    "dataset_name": lambda w: w.dataset,
    "model_name": lambda w: w.model,
    "model": lambda w: {k: v for k, v in STUDY.model(w.model).items() if k not in ("training", "devices")},
    "training": lambda w: {**STUDY["training"], **STUDY.model(w.model).get("training", {})},
    "fold": lambda w: int(w.fold),
    "seed": lambda w: int(w.seed),
}


rule choose_pooling:
    input:
        **DATASET,
    output:
        POOLING,
    log:
        f"{LOGS}/datasets/{{dataset}}/pooling.fold{{fold}}.log",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        precision=STUDY["precision"],
        runtime=minutes(720),
    params:
        training=STUDY["training"],
        fold=lambda w: int(w.fold),
        code=code_digest(
            "training",
            "models/networks/cnn",
            "models/heads",
            "evaluation/contest/sums",
            "evaluation/validation",
            "datasets/separation/groups",
            "datasets/subsampling",
            "inference/prediction",
        ),
    script:
        "../scripts/choose_pooling.py"


# Trained on several nodes, where a job's threads are those of one process.
WIDE_MODELS = [name for name in STUDY["models"] if nodes_of(STUDY.config, model_devices(STUDY.config, name)) > 1]


rule train_model:
    input:
        **TRAINED_ON,
    output:
        folder=directory(f"{R}/models/{JOB}"),
    log:
        f"{LOGS}/models/{JOB}.log",
    benchmark:
        f"{BENCHMARKS}/models/{JOB}.tsv"
    wildcard_constraints:
        model=any_of([name for name in STUDY["models"] if name not in WIDE_MODELS]),
    conda:
        "../../envs/train.yaml"
    threads: lambda w: STUDY["threads"] * model_devices(STUDY.config, w.model)
    resources:
        **on_devices(lambda w: model_devices(STUDY.config, w.model)),
        precision=STUDY["precision"],
        runtime=minutes(720),
    params:
        **TRAINED_BY,
        code=code_digest(
            "training",
            "datasets/augmentation",
            "datasets/separation/groups",
            "models",
            "tokenization",
            "sequences/codes",
            "evaluation/validation",
        ),
    script:
        "../scripts/train_model.py"


use rule train_model as train_model_on_nodes with:
    wildcard_constraints:
        model=any_of(WIDE_MODELS),
    threads: STUDY["threads"]
    resources:
        **on_nodes(lambda w: model_devices(STUDY.config, w.model)),
        precision=STUDY["precision"],
        runtime=minutes(720),
