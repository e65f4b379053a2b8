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
        [f"{R}/attributions/{dataset}/{model}.export" for dataset, model in STUDY.attributions],


rule fold_results:
    input:
        [f"{R}/fold_results/{job.path}" for job in STUDY.trained_jobs],


rule metrics:
    input:
        rules.collect_metrics.output,


rule embeddings:
    input:
        [f"{R}/embeddings/{dataset}.html" for dataset in STUDY.runs_with("embeddings")],
