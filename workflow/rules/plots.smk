# Figures and the report, drawn from tables and small arrays alone: no model is needed, and nothing here can train one.
# Names carry only what is drawn: <family>.png for the study, <family>-<dataset or backbone>.png for a part of it.
# Each rule says what its figure is drawn from; all else it has from the parent of its kind. `figure` names the script.

TABLE = f"{R}/tables/{{}}.tsv".format
OF_DATASET = f"{R}/tables/datasets/{{{{dataset}}}}/{{}}".format


rule plot_losses:
    input:
        history=TABLE("history"),
        language=TABLE("language"),
    output:
        **figure("loss"),
    log:
        f"{LOGS}/figures/{{figure}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        **LIGHT,
    params:
        names=NAMES,
        caption=lambda w: FAMILIES[w.figure]["caption"],
        code=FIGURES_CODE,
    script:
        "../scripts/plot_{wildcards.figure}.py"


use rule plot_losses as plot_pretraining_time with:
    input:
        costs=TABLE("costs"),
    output:
        **figure("pretraining_time"),


use rule plot_losses as plot_loss with:
    output:
        **figure("loss", "{backbone}"),
    log:
        f"{LOGS}/figures/{{figure}}-{{backbone}}.log",
    params:
        backbone=lambda w: w.backbone,


use rule plot_losses as plot_performance with:
    input:
        intervals=TABLE("intervals"),
        metrics=TABLE("metrics"),
    output:
        **figure("performance", "{dataset}"),
    log:
        f"{LOGS}/figures/{{figure}}-{{dataset}}.log",
    params:
        dataset=lambda w: w.dataset,


use rule plot_performance as plot_readings with:
    input:
        intervals=TABLE("intervals"),
    output:
        **figure("readings", "{dataset}"),
    params:
        kinds=KINDS,
        readings=lambda w: model_readings(STUDY.config, STUDY["runs"][w.dataset]["models"]),


use rule plot_performance as plot_training with:
    input:
        history=TABLE("history"),
        settings=TABLE("settings"),
    output:
        **figure("training", "{dataset}"),
    params:
        metric=lambda w: STUDY.metric(w.dataset),


use rule plot_performance as plot_fit_time with:
    input:
        costs=TABLE("costs"),
    output:
        **figure("fit_time", "{dataset}"),
    params:
        kinds=KINDS,


use rule plot_performance as plot_differences with:
    input:
        comparisons=TABLE("comparisons"),
    output:
        **figure("differences", "{dataset}"),


use rule plot_performance as plot_cost_performance with:
    input:
        intervals=TABLE("intervals"),
        costs=TABLE("costs"),
        history=TABLE("history"),
    output:
        **figure("cost_performance", "{dataset}"),
    params:
        kinds=KINDS,


use rule plot_performance as plot_learning_curve with:
    input:
        sizes=OF_DATASET("sizes.tsv"),
    output:
        **figure("learning_curve", "{dataset}"),


use rule plot_performance as plot_folds with:
    input:
        metrics=TABLE("metrics"),
        intervals=TABLE("intervals"),
    output:
        **figure("folds", "{dataset}"),


use rule plot_performance as plot_tracks with:
    input:
        arrays=OF_DATASET("tested.npz"),
    output:
        **figure("tracks", "{dataset}"),


use rule plot_performance as plot_scatter with:
    input:
        arrays=OF_DATASET("tested.npz"),
    output:
        **figure("scatter", "{dataset}"),


use rule plot_performance as plot_confusion with:
    input:
        arrays=OF_DATASET("tested.npz"),
    output:
        **figure("confusion", "{dataset}"),


use rule plot_performance as plot_reliability with:
    input:
        arrays=OF_DATASET("tested.npz"),
    output:
        **figure("reliability", "{dataset}"),


use rule plot_performance as plot_umap with:
    input:
        table=OF_DATASET("umap.tsv"),
    output:
        **figure("umap", "{dataset}"),
    params:
        title=lambda w: f"{w.dataset}: embeddings of test examples (UMAP)",


use rule plot_performance as plot_loo with:
    input:
        examples=f"{R}/tables/loo_examples.npz",
        motif=motif_of,
    output:
        **figure("loo", "{dataset}"),


use rule plot_performance as plot_loo_precision with:
    input:
        loo=TABLE("loo"),
    output:
        **figure("loo_precision", "{dataset}"),


use rule plot_performance as plot_motifs with:
    input:
        found=MOTIFS("{dataset}", "{model}", "found.tsv"),
        logos=MOTIFS("{dataset}", "{model}", "logos.npz"),
    output:
        **figure("motifs", f"{{dataset}}{JOINT}{{model}}"),
    log:
        f"{LOGS}/figures/{{figure}}-{{dataset}}{JOINT}{{model}}.log",
    params:
        model=lambda w: w.model,


use rule plot_motifs as plot_mutagenesis with:
    input:
        arrays=OF_DATASET("mutagenesis.npz"),
    output:
        **figure("mutagenesis", f"{{dataset}}{JOINT}{{model}}"),


use rule plot_motifs as plot_interactions with:
    input:
        pairs=PAIRS("{dataset}", "{model}"),
    output:
        **figure("interactions", f"{{dataset}}{JOINT}{{model}}"),


use rule plot_performance as plot_belief with:
    input:
        curves=lambda w: [CHECKS(w.dataset, model, "curves.tsv") for model in STUDY.scored_models(w.dataset)],
        agreement=lambda w: [CHECKS(w.dataset, model, "agreement.tsv") for model in STUDY.scored_models(w.dataset)],
    output:
        **figure("belief", "{dataset}"),


use rule plot_performance as plot_regions with:
    input:
        regions=OF_DATASET("regions.tsv"),
    output:
        **figure("regions", "{dataset}"),


use rule plot_performance as plot_transcript with:
    input:
        arrays=OF_DATASET("transcript.npz"),
    output:
        **figure("transcript", "{dataset}"),


rule render_browsing:
    input:
        json=OF_DATASET("browse.json"),
        template=given(str(WORKFLOW / "report/browse.html.j2")),
    output:
        html=f"{R}/browse-{{dataset}}.html",
    log:
        f"{LOGS}/browse-{{dataset}}.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        **LIGHT,
    params:
        names=NAMES,
        code=code_digest("report/browse_page", "report/drawing/style", "report/templates"),
    script:
        "../scripts/render_browsing.py"


rule render_report:
    input:
        **{name: TABLE(name) for name in TABLES},
        figures=[f"{R}/figures/{name}.png" for name in FIGURES],
        summaries=paths(STUDY["runs"], f"{R}/datasets/{{}}/summary.json"),
        sizes=paths(SEVERAL_SIZES, f"{R}/tables/datasets/{{}}/sizes.tsv"),
        size_comparisons=paths(SEVERAL_SIZES, f"{R}/tables/datasets/{{}}/size_comparisons.tsv"),
        motifs=[MOTIFS(dataset, model, "found.tsv") for dataset, model in STUDY.motifs],
        motifs_said=[MOTIFS(dataset, model, "said.tsv") for dataset, model in STUDY.motifs],
        pairs=[PAIRS(dataset, model) for dataset, model in STUDY.paired],
        areas=[CHECKS(dataset, model, "areas.tsv") for dataset, model in STUDY.checked],
        agreement=[CHECKS(dataset, model, "agreement.tsv") for dataset, model in STUDY.checked],
        template=given(str(WORKFLOW / "report/report.html.j2")),
    output:
        html=f"{R}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../../envs/plot.yaml"
    resources:
        **LIGHT,
    params:
        config={key: value for key, value in STUDY.config.items() if key not in OF_CLUSTER},
        kinds=KINDS,
        families=FAMILIES,
        code=code_digest("report", "evaluation", "common/tables", "models/baselines"),
    script:
        "../scripts/render_report.py"
