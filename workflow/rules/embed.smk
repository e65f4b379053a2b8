# Embeddings by the models' backbones, and their maps.


rule embed_sequences:
    input:
        model=f"{R}/models/{{dataset}}/{{model}}/fold0/seed{STUDY['seeds'][0]}",
        examples=f"{R}/datasets/{{dataset}}/examples.parquet",
    output:
        embeddings=f"{R}/embeddings/{{dataset}}/{{model}}.npz",
    log:
        f"{LOGS}/embeddings/{{dataset}}/{{model}}.log",
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=minutes(240),
    params:
        embedding=lambda w: {k: v for k, v in STUDY["runs"][w.dataset]["embeddings"].items() if k != "models"},
        code=code_digest(
            "inference/embedding",
            "inference/reading",
            "models/language/padding",
            "models/language/encoders",
        ),
    script:
        "../scripts/embed_sequences.py"


rule project_embeddings:
    input:
        **DATASET,
        embeddings=lambda w: [
            f"{R}/embeddings/{w.dataset}/{name}.npz" for name in STUDY["runs"][w.dataset]["embeddings"]["models"]
        ],
    output:
        table=f"{R}/tables/datasets/{{dataset}}/umap.tsv",
        page=f"{R}/embeddings/{{dataset}}.html",
    log:
        f"{LOGS}/embeddings/{{dataset}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        panels=lambda w: STUDY["runs"][w.dataset]["embeddings"]["models"],
        title=lambda w: f"{w.dataset}: embeddings of test examples",
        fold=0,
        part="test",
        seed=STUDY["seeds"][0],
        code=code_digest("inference/projection"),
    script:
        "../scripts/project_embeddings.py"
