# Figures and the report, drawn from tables and small arrays alone: no model is needed, and nothing here can train one.
# Names carry only what is drawn: <family>.png for the study, <family>-<dataset or backbone>.png for a part of it.

CAPTIONS = str(WORKFLOW / "report")
TABLE = f"{R}/tables/{{}}.tsv".format
ARRAYS = f"{R}/tables/datasets/{{dataset}}/tested.npz"


rule plot_loss:
    input:
        history=TABLE("history"),
        language=TABLE("language"),
    output:
        **figure("loss-{backbone}"),
    log:
        f"{LOGS}/figures/loss-{{backbone}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        backbone=lambda w: w.backbone,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_loss.py"


rule plot_losses:
    input:
        history=TABLE("history"),
        language=TABLE("language"),
    output:
        **figure("loss"),
    log:
        f"{LOGS}/figures/loss.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_loss.py"


rule plot_pretraining_time:
    input:
        costs=TABLE("costs"),
    output:
        **figure("pretraining_time"),
    log:
        f"{LOGS}/figures/pretraining_time.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_pretraining_time.py"


rule plot_training:
    input:
        history=TABLE("history"),
    output:
        **figure("training-{dataset}"),
    log:
        f"{LOGS}/figures/training-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        metric=lambda w: STUDY.metric(w.dataset),
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_training.py"


rule plot_fit_time:
    input:
        costs=TABLE("costs"),
    output:
        **figure("fit_time-{dataset}"),
    log:
        f"{LOGS}/figures/fit_time-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        kinds=KINDS,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_fit_time.py"


rule plot_performance:
    input:
        intervals=TABLE("intervals"),
        metrics=TABLE("metrics"),
    output:
        **figure("performance-{dataset}"),
    log:
        f"{LOGS}/figures/performance-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_performance.py"


rule plot_differences:
    input:
        comparisons=TABLE("comparisons"),
    output:
        **figure("differences-{dataset}"),
    log:
        f"{LOGS}/figures/differences-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_differences.py"


rule plot_cost_performance:
    input:
        intervals=TABLE("intervals"),
        costs=TABLE("costs"),
        history=TABLE("history"),
    output:
        **figure("cost_performance-{dataset}"),
    log:
        f"{LOGS}/figures/cost_performance-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        kinds=KINDS,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_cost_performance.py"


rule plot_folds:
    input:
        metrics=TABLE("metrics"),
        intervals=TABLE("intervals"),
    output:
        **figure("folds-{dataset}"),
    log:
        f"{LOGS}/figures/folds-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        metric=lambda w: STUDY.metric(w.dataset),
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_folds.py"


rule plot_tracks:
    input:
        arrays=ARRAYS,
    output:
        **figure("tracks-{dataset}"),
    log:
        f"{LOGS}/figures/tracks-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_tracks.py"


rule plot_scatter:
    input:
        arrays=ARRAYS,
    output:
        **figure("scatter-{dataset}"),
    log:
        f"{LOGS}/figures/scatter-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_scatter.py"


rule plot_confusion:
    input:
        arrays=ARRAYS,
    output:
        **figure("confusion-{dataset}"),
    log:
        f"{LOGS}/figures/confusion-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_confusion.py"


rule plot_reliability:
    input:
        arrays=ARRAYS,
    output:
        **figure("reliability-{dataset}"),
    log:
        f"{LOGS}/figures/reliability-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_reliability.py"


rule plot_umap:
    input:
        table=f"{R}/tables/datasets/{{dataset}}/umap.tsv",
    output:
        **figure("umap-{dataset}"),
    log:
        f"{LOGS}/figures/umap-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        title=lambda w: f"{w.dataset}: embeddings of test examples (UMAP)",
        code=FIGURES_CODE,
    script:
        "../scripts/plot_umap.py"


rule plot_loo:
    input:
        examples=f"{R}/tables/loo_examples.npz",
        motif=motif_of,
    output:
        **figure("loo-{dataset}"),
    log:
        f"{LOGS}/figures/loo-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_loo.py"


rule plot_regions:
    input:
        regions=f"{R}/tables/datasets/{{dataset}}/regions.tsv",
    output:
        **figure("regions-{dataset}"),
    log:
        f"{LOGS}/figures/regions-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_regions.py"


rule plot_transcript:
    input:
        arrays=f"{R}/tables/datasets/{{dataset}}/transcript.npz",
    output:
        **figure("transcript-{dataset}"),
    log:
        f"{LOGS}/figures/transcript-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_transcript.py"


rule plot_loo_precision:
    input:
        loo=TABLE("loo"),
    output:
        **figure("loo_precision-{dataset}"),
    log:
        f"{LOGS}/figures/loo_precision-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        dataset=lambda w: w.dataset,
        names=NAMES,
        code=FIGURES_CODE,
    script:
        "../scripts/plot_loo_precision.py"


rule render_report:
    input:
        **{name: TABLE(name) for name in TABLES},
        figures=[f"{R}/figures/{name}.png" for name in STUDY.figures],
        summaries=paths(STUDY["runs"], f"{R}/datasets/{{}}/summary.json"),
        template=f"{CAPTIONS}/report.html.j2",
        captions=sorted(str(path) for path in Path(CAPTIONS).glob("*.rst")),
    output:
        html=f"{R}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        config=STUDY.config,
        kinds=KINDS,
        code=code_digest(
            "report/page", "report/page_tables", "evaluation/verdict", "common/tables", "report/collecting"
        ),
    script:
        "../scripts/render_report.py"


rule plots:
    input:
        PLOTS,
