# What fetched language models know of a study's sequences.


rule score_backbone:
    input:
        backbone=f"{R}/backbones/{{backbone}}",
        sources=corpus_files,
    output:
        report=f"{R}/likelihoods/backbones/{{backbone}}/bits_per_base.json",
    log:
        f"{LOGS}/likelihoods/{{backbone}}.log",
    wildcard_constraints:
        backbone=any_of(STUDY.scored),
    conda:
        "../../envs/train.yaml"
    threads: STUDY["threads"]
    resources:
        **NETWORK,
        runtime=240,
    params:
        validation=lambda w: STUDY["backbones"][w.backbone]["validation"],
        code=code_digest(
            "pretraining/published",
            "pretraining/heldout",
            "pretraining/markov",
            "pretraining/token_scores",
            "tokenization",
            "models/language/padding",
            "models/language/encoders",
        ),
    script:
        "../scripts/score_backbone.py"
