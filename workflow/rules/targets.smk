# What can be asked for by name: snakemake --cores all <target>


rule models:
    input:
        [f"{R}/backbones/{name}" for name in STUDY.pretrained],
        [f"{R}/models/{job.path}" for job in STUDY.trained_jobs],


rule predictions:
    input:
        [f"{R}/predictions/{job.path}.parquet" for job in STUDY.jobs],
        FILES,


rule attributions:
    input:
        paths(STUDY.runs_with("loo"), f"{R}/attributions/{{}}/export"),
        paths(STUDY.tracked, f"{R}/attributions/{{}}/tracks"),
        [f"{R}/attributions/{dataset}/motifs/{model}.bed" for dataset, model in STUDY.motifs],
        FILE_SCORES,


rule fold_results:
    input:
        paths(STUDY["runs"], f"{R}/fold_results/{{}}"),


rule metrics:
    input:
        rules.collect_metrics.output,


rule embeddings:
    input:
        [f"{R}/embeddings/{dataset}.html" for dataset in STUDY.runs_with("embeddings")],


rule plots:
    input:
        PLOTS,
