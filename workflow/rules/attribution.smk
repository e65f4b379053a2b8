# Leave-one-out scores of every base, on the first fold's test examples by the first seed's model.

SHARDED = any_of([name for name in STUDY.runs_with("loo") if STUDY["runs"][name]["loo"]["shards"] > 1])


rule score_loo:
    input:
        **DATASET,
        model=f"{R}/models/{{dataset}}/{{model}}/fold0/seed{STUDY['seeds'][0]}",
    output:
        table=f"{R}/attributions/{{dataset}}/{{model}}.parquet",
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
        cost=f"{R}/attributions/{{dataset}}/{{model}}.cost.json",
    log:
        f"{LOGS}/attributions/{{dataset}}/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/attributions/{{dataset}}/{{model}}.tsv"
    wildcard_constraints:
        dataset=any_of([name for name in STUDY.runs_with("loo") if STUDY["runs"][name]["loo"]["shards"] == 1]),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(480),
    params:
        loo=lambda w: {k: v for k, v in STUDY["runs"][w.dataset]["loo"].items() if k not in ("models", "shards")},
        fold=0,
        shard=shard_of,
        code=code_digest(
            "attribution",
            "common/classes",
            "inference/prediction",
            "inference/reading",
            "inference/dataset_predictions",
        ),
    script:
        "../scripts/score_loo.py"


use rule score_loo as score_loo_shard with:
    output:
        table=temp(f"{R}/attributions/{{dataset}}/{{model}}/{{scatteritem}}.parquet"),
        arrays=temp(f"{R}/attributions/{{dataset}}/{{model}}/{{scatteritem}}.npz"),
        cost=temp(f"{R}/attributions/{{dataset}}/{{model}}/{{scatteritem}}.cost.json"),
    log:
        f"{LOGS}/attributions/{{dataset}}/{{model}}/{{scatteritem}}.log",
    benchmark:
        f"{BENCHMARKS}/attributions/{{dataset}}/{{model}}/{{scatteritem}}.tsv"
    wildcard_constraints:
        dataset=SHARDED,


rule gather_loo:
    input:
        tables=lambda w: of_shards(w, "parquet"),
        arrays=lambda w: of_shards(w, "npz"),
        costs=lambda w: of_shards(w, "cost.json"),
    output:
        table=f"{R}/attributions/{{dataset}}/{{model}}.parquet",
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
        cost=f"{R}/attributions/{{dataset}}/{{model}}.cost.json",
    log:
        f"{LOGS}/attributions/{{dataset}}/{{model}}.log",
    wildcard_constraints:
        dataset=SHARDED,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/gather_loo.py"


# What the scores say. Tables lie among those that figures are drawn from.


rule discover_motifs:
    input:
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        file=lambda w: given(STUDY["runs"][w.dataset]["motifs"].get("file")),
    output:
        found=MOTIFS("{dataset}", "{model}", "found.tsv"),
        said=MOTIFS("{dataset}", "{model}", "said.tsv"),
        logos=MOTIFS("{dataset}", "{model}", "logos.npz"),
        hits=f"{R}/attributions/{{dataset}}/motifs/{{model}}.bed",
    log:
        f"{LOGS}/motifs/{{dataset}}/{{model}}.log",
    wildcard_constraints:
        dataset=any_of(STUDY.runs_with("motifs")),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(240),
    params:
        motifs=lambda w: STUDY["runs"][w.dataset]["motifs"],
        dataset=lambda w: w.dataset,
        model=lambda w: w.model,
        molecule=lambda w: STUDY["datasets"][w.dataset]["cleaning"]["molecule"],
        code=code_digest(
            "explanation/dataset_motifs",
            "explanation/discovery",
            "explanation/hits",
            "explanation/importance",
            "explanation/naming",
            "explanation/places",
            "sequences/information",
            "sequences/motif_files",
            "sequences/motifs",
        ),
    script:
        "../scripts/discover_motifs.py"


rule check_scores:
    input:
        unpack(
            lambda w: (
                {"again": f"{R}/models/{STUDY.other_training(w.dataset, w.model)[2].path}"}
                if STUDY.other_training(w.dataset, w.model)
                else {}
            )
        ),
        **DATASET,
        arrays=f"{R}/attributions/{{dataset}}/{{model}}.npz",
        trained=f"{R}/models/{{dataset}}/{{model}}/fold0/seed{STUDY['seeds'][0]}",
        others=lambda w: [f"{R}/{path}" for _, _, path in STUDY.compared_scores(w.dataset, w.model)],
    output:
        curves=CHECKS("{dataset}", "{model}", "curves.tsv"),
        areas=CHECKS("{dataset}", "{model}", "areas.tsv"),
        agreement=CHECKS("{dataset}", "{model}", "agreement.tsv"),
    log:
        f"{LOGS}/checks/{{dataset}}/{{model}}.log",
    wildcard_constraints:
        dataset=any_of(STUDY.runs_with("checks")),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(240),
    params:
        dataset=lambda w: w.dataset,
        model=lambda w: w.model,
        examples=lambda w: STUDY["runs"][w.dataset]["checks"]["examples"],
        loo=lambda w: STUDY["runs"][w.dataset]["loo"],
        seed=STUDY["seeds"][0],
        other=lambda w: (STUDY.other_training(w.dataset, w.model) or [])[:2],
        kinds=lambda w: [kind for kind, _, _ in STUDY.compared_scores(w.dataset, w.model)],
        others=lambda w: [name for _, name, _ in STUDY.compared_scores(w.dataset, w.model)],
        code=code_digest(
            "explanation/dataset_checks",
            "explanation/curves",
            "explanation/agreement",
            "attribution",
            "inference/prediction",
            "inference/reading",
        ),
    script:
        "../scripts/check_scores.py"


rule pick_mutagenesis:
    input:
        arrays=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.npz"),
    output:
        arrays=f"{R}/tables/datasets/{{dataset}}/mutagenesis.npz",
    log:
        f"{LOGS}/mutagenesis/{{dataset}}.log",
    wildcard_constraints:
        dataset=any_of(STUDY.mutated),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        models=lambda w: STUDY.scored_models(w.dataset),
        examples=3,
        code=code_digest("explanation/mutagenesis", "explanation/choosing", "explanation/importance"),
    script:
        "../scripts/pick_mutagenesis.py"


rule score_interactions:
    input:
        trained=f"{R}/models/{{dataset}}/{{model}}/fold0/seed{STUDY['seeds'][0]}",
        arrays=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.npz"),
    output:
        pairs=PAIRS("{dataset}", "{model}"),
    log:
        f"{LOGS}/interactions/{{dataset}}/{{model}}.log",
    wildcard_constraints:
        dataset=any_of(STUDY.runs_with("interactions")),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(240),
    params:
        dataset=lambda w: w.dataset,
        model=lambda w: w.model,
        models=lambda w: STUDY.scored_models(w.dataset),
        settings=lambda w: STUDY["runs"][w.dataset]["interactions"],
        class_index=lambda w: STUDY["runs"][w.dataset]["loo"]["class_index"],
        code=code_digest(
            "explanation/dataset_interactions",
            "explanation/choosing",
            "explanation/places",
            "attribution",
            "inference/prediction",
            "inference/reading",
        ),
    script:
        "../scripts/score_interactions.py"


rule collect_browsing:
    input:
        arrays=lambda w: paths(STUDY.scored_models(w.dataset), f"{R}/attributions/{w.dataset}/{{}}.npz"),
        predictions=lambda w: [
            f"{R}/predictions/{w.dataset}/{model}/fold0/seed{STUDY['seeds'][0]}.parquet"
            for model in STUDY.scored_models(w.dataset)
        ],
        hits=hits_of,
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
        summary=f"{R}/datasets/{{dataset}}/summary.json",
    output:
        json=f"{R}/tables/datasets/{{dataset}}/browse.json",
    log:
        f"{LOGS}/browse/{{dataset}}.log",
    wildcard_constraints:
        dataset=any_of(STUDY.runs_with("loo")),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(30),
    params:
        dataset=lambda w: w.dataset,
        models=lambda w: STUDY.scored_models(w.dataset),
        edit=lambda w: STUDY["runs"][w.dataset]["loo"]["edit"],
        code=code_digest("explanation/browsing", "explanation/choosing", "explanation/places"),
    script:
        "../scripts/collect_browsing.py"


# New files.


rule score_files:
    input:
        file=file_of,
        genome=genome_of,
        model=lambda w: f"{R}/models/{STUDY.file_jobs(w.files)[w.model][0].path}",
    output:
        temp(f"{R}/attributions/files/{{files}}/{{model}}/{{scatteritem}}.parquet"),
    log:
        f"{LOGS}/attributions/files/{{files}}/{{model}}/{{scatteritem}}.log",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(480),
    params:
        loo=lambda w: {k: v for k, v in STUDY["predict"][w.files]["loo"].items() if k != "models"},
        format=lambda w: STUDY.file_format(w.files),
        reading=lambda w: STUDY["predict"][w.files].get("reading"),
        shard=shard_of,
        code=code_digest(
            "attribution",
            "common/classes",
            "inference/prediction",
            "inference/reading",
            "streaming",
            "sequences",
            "datasets/mrna",
            "datasets/tables",
        ),
    script:
        "../scripts/score_files.py"


rule gather_scores:
    input:
        lambda w: getattr(gather, w.files)(f"{R}/attributions/files/{w.files}/{w.model}/{{scatteritem}}.parquet"),
    output:
        f"{R}/attributions/files/{{files}}/{{model}}.parquet",
        f"{R}/attributions/files/{{files}}/{{model}}.csv",
    log:
        f"{LOGS}/attributions/files/{{files}}/{{model}}.log",
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/gather_files.py"


rule export_file_scores:
    input:
        lambda w: [f"{R}/attributions/files/{f}/{m}.parquet" for f, m in STUDY.file_attributions if f == w.files],
    output:
        folder=directory(f"{R}/attributions/files/{{files}}/export"),
    log:
        f"{LOGS}/attributions/files/{{files}}.export.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(60),
    params:
        models=lambda w: [m for f, m in STUDY.file_attributions if f == w.files],
        code=code_digest("attribution/score_tables", "report/fold_results", "attribution/transcript_scores"),
    script:
        "../scripts/export_file_scores.py"


rule write_file_score_track:
    input:
        scores=f"{R}/attributions/files/{{files}}/{{model}}.parquet",
        file=file_of,
        genome=genome_of,
    output:
        f"{R}/attributions/files/{{files}}/{{model}}.bw",
    log:
        f"{LOGS}/attributions/files/{{files}}/{{model}}.bw.log",
    wildcard_constraints:
        files=any_of(dict(STUDY.score_tracks)),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(60),
    params:
        format=lambda w: STUDY.file_format(w.files),
        reading=lambda w: STUDY["predict"][w.files].get("reading"),
        code=code_digest("streaming", "attribution/score_tables", "explanation/places", "sequences"),
    script:
        "../scripts/write_file_score_track.py"
