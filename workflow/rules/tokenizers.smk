# Vocabularies, learned from the text that the backbones read.


rule learn_tokenizer:
    input:
        sources=lambda w: STUDY.tokenizer_corpus(w.tokenizer),
    output:
        folder=directory(f"{R}/tokenizers/{{tokenizer}}"),
    log:
        f"{LOGS}/tokenizers/{{tokenizer}}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        tokenizer=lambda w: STUDY.tokenizer(w.tokenizer),
        code=code_digest("tokenization"),
    script:
        "../scripts/learn_tokenizer.py"
