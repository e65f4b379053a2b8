# Tables that everything shown is drawn from.


rule find_leaks:
    input:
        **DATASET,
        corpora=lambda w: corpus_files_of(w.dataset),
    output:
        leaks=f"{R}/tables/datasets/{{dataset}}/leaks.tsv",
    log:
        f"{LOGS}/tables/{{dataset}}.leaks.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(240),
    params:
        # Backbone -> (which of the files above, fraction held out): in a bucket, files have other names than on disk.
        corpora=lambda w: {
            name: (list(map(corpus_files_of(w.dataset).index, files)), validation)
            for name, (files, validation) in corpora_of(w.dataset).items()
        },
        code=code_digest("datasets/separation/leakage", "sequences/similarity", "pretraining/corpus"),
    script:
        "../scripts/find_leaks.py"


rule compare_models:
    input:
        **DATASET,
        leaks=f"{R}/tables/datasets/{{dataset}}/leaks.tsv",
        predictions=lambda w: [f"{R}/predictions/{job.path}.parquet" for job in STUDY.jobs_of(w.dataset)],
    output:
        intervals=f"{R}/tables/datasets/{{dataset}}/intervals.tsv",
        comparisons=f"{R}/tables/datasets/{{dataset}}/comparisons.tsv",
        leakage=f"{R}/tables/datasets/{{dataset}}/leakage.tsv",
        arrays=f"{R}/tables/datasets/{{dataset}}/tested.npz",
    log:
        f"{LOGS}/tables/{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        replicates=lambda w: STUDY["runs"][w.dataset]["bootstrap"],
        seed=STUDY["seeds"][0],
        kinds=lambda w: {name: KINDS[name] for name in STUDY["runs"][w.dataset]["models"]},
        leaks_against=lambda w: ["training", *corpora_of(w.dataset)],
        code=code_digest(
            "evaluation/contest/comparison",
            "evaluation/contest/leak_effects",
            "evaluation/contest/families",
            "datasets/separation/groups",
            "evaluation/contest/ranks",
            "evaluation/contest/sums",
            "evaluation/words",
            "report/figure_arrays",
            "evaluation/metrics",
        ),
    script:
        "../scripts/compare_models.py"


rule collect_metrics:
    input:
        backbones=[f"{R}/backbones/{name}" for name in STUDY.pretrained],
        bits=[f"{R}/likelihoods/backbones/{name}/bits_per_base.json" for name in STUDY.scored],
        models=[f"{R}/models/{job.path}" for job in STUDY.trained_jobs],
        metrics=[f"{R}/predictions/{job.path}.metrics.tsv" for job in STUDY.jobs],
        costs=[f"{R}/predictions/{job.path}.cost.json" for job in STUDY.jobs]
        + [f"{R}/attributions/{dataset}/{model}.cost.json" for dataset, model in STUDY.attributions],
        loo=[f"{R}/attributions/{dataset}/{model}.npz" for dataset, model in STUDY.attributions],
        intervals=paths(STUDY["runs"], f"{R}/tables/datasets/{{}}/intervals.tsv"),
        comparisons=paths(STUDY["runs"], f"{R}/tables/datasets/{{}}/comparisons.tsv"),
        leakage=paths(STUDY["runs"], f"{R}/tables/datasets/{{}}/leakage.tsv"),
        arrays=paths(STUDY["runs"], f"{R}/tables/datasets/{{}}/tested.npz"),
        examples=paths(STUDY["runs"], f"{R}/datasets/{{}}/examples.parquet"),
        folds=paths(STUDY["runs"], f"{R}/datasets/{{}}/folds.tsv"),
    output:
        **{name: f"{R}/tables/{name}.tsv" for name in TABLES},
        loo_examples=f"{R}/tables/loo_examples.npz",
    log:
        f"{LOGS}/tables/collect.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        grid=[(job.dataset, job.model, job.fold, job.seed) for job in STUDY.jobs],
        targets={name: STUDY["datasets"][name]["target"] for name in STUDY["runs"]},
        price_per_hour=STUDY.config.get("price_per_hour"),
        code=code_digest(
            "common/tables",
            "datasets/separation/groups",
            "report/collecting",
            "evaluation/contest/leak_effects",
            "report/class_tables",
            "report/figure_arrays",
        ),
    script:
        "../scripts/collect_metrics.py"
