# Language models.


rule withhold_genes:
    input:
        unpack(lambda w: dataset_files(STUDY["backbones"][w.backbone]["without"])),
        source=f"{R}/sources/{{source}}.fa.gz",
    output:
        fasta=f"{R}/withheld/{{backbone}}/{{source}}.fa.gz",
    log:
        f"{LOGS}/withheld/{{backbone}}/{{source}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        code=code_digest("datasets/separation/withholding"),
    script:
        "../scripts/withhold_genes.py"


rule write_training_text:
    input:
        **DATASET,
    output:
        fasta=f"{R}/datasets/{{dataset}}/training_text.fa.gz",
    log:
        f"{LOGS}/datasets/{{dataset}}/training_text.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        code=code_digest("datasets/separation/withholding", "sequences/similarity"),
    script:
        "../scripts/write_training_text.py"


rule tokenize_corpus:
    input:
        sources=corpus_files,
        tokenizer=lambda w: f"{R}/tokenizers/{STUDY['backbones'][w.backbone]['tokenizer']}",
    output:
        folder=directory(f"{R}/corpora/{{backbone}}"),
    log:
        f"{LOGS}/corpora/{{backbone}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(120),
    params:
        validation=lambda w: STUDY["backbones"][w.backbone]["validation"],
        code=code_digest("pretraining/corpus", "tokenization"),
    script:
        "../scripts/tokenize_corpus.py"


# What of a backbone's entry is an input, or changes no number.
NOT_OF_TRAINING = ("corpus", "corpus_of", "devices")
# Pretrained on several nodes, where a job's threads are those of one process.
WIDE_BACKBONES = [name for name in STUDY.pretrained if nodes_of(STUDY.config, backbone_devices(STUDY.config, name)) > 1]


rule pretrain_backbone:
    input:
        corpus=f"{R}/corpora/{{backbone}}",
        tokenizer=lambda w: f"{R}/tokenizers/{STUDY['backbones'][w.backbone]['tokenizer']}",
    output:
        folder=directory(f"{R}/backbones/{{backbone}}"),
    log:
        f"{LOGS}/backbones/{{backbone}}.log",
    benchmark:
        f"{BENCHMARKS}/backbones/{{backbone}}.tsv"
    wildcard_constraints:
        backbone=any_of([name for name in STUDY.pretrained if name not in WIDE_BACKBONES]),
    conda:
        "../../envs/train.yaml"
    threads: lambda w: STUDY["threads"] * backbone_devices(STUDY.config, w.backbone)
    resources:
        **on_devices(lambda w: backbone_devices(STUDY.config, w.backbone)),
        precision=STUDY["precision"],
        runtime=pretraining_minutes,
    params:
        name=lambda w: w.backbone,
        backbone=lambda w: {k: v for k, v in STUDY["backbones"][w.backbone].items() if k not in NOT_OF_TRAINING},
        seed=STUDY["seeds"][0],
        code=code_digest(
            "pretraining/pretrain",
            "pretraining/heldout",
            "training",
            "models/language/gpt",
            "pretraining/markov",
            "pretraining/token_scores",
            "tokenization/tokenizer",
        ),
    script:
        "../scripts/pretrain_backbone.py"


use rule pretrain_backbone as pretrain_backbone_on_nodes with:
    wildcard_constraints:
        backbone=any_of(WIDE_BACKBONES),
    threads: STUDY["threads"]
    resources:
        **on_nodes(lambda w: backbone_devices(STUDY.config, w.backbone)),
        precision=STUDY["precision"],
        runtime=pretraining_minutes,


# Compute nodes of most clusters see no internet.
localrules:
    fetch_backbone,


rule fetch_backbone:
    output:
        folder=directory(f"{R}/backbones/{{backbone}}"),
    log:
        f"{LOGS}/backbones/{{backbone}}.log",
    wildcard_constraints:
        backbone=any_of(STUDY.fetched),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        name=lambda w: w.backbone,
        backbone=lambda w: STUDY["backbones"][w.backbone],
        code=code_digest(
            "models/language/hub",
            "models/language/layouts",
            "models/language/fetching",
            "models/language/families/esm",
            "models/language/families",
            "models/origin",
            "tokenization/letters",
            "tokenization/spelling",
        ),
    script:
        "../scripts/fetch_backbone.py"
