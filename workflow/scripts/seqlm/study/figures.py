"""Which figures a study has something to draw for."""

from seqlm.common.files import JOINT
from seqlm.study.readings import model_readings


def figure_names(study, families):
    """Names of a study's figures.

    Parameters
    ----------
    study : Study
    families : dict
        workflow/report/figures.yaml: family -> what there is one ``of`` (study, backbone, dataset, scored model of a
        dataset), and what a dataset's run ``needs``: its target, loo, replace, motifs, checks, interactions,
        embeddings, motif, transcripts, training sizes, several models, several folds, several readings (of backbones).

    Returns
    -------
    list of str
        ``<family>``, ``<family>-<backbone or dataset>`` or ``<family>-<dataset>+<model>``.
    """
    traits = {dataset: _traits(study, dataset) for dataset in study["runs"]}
    names = []
    for family, about in families.items():
        needs = set(about.get("needs", ()))
        if "pretraining" in needs and not study.trained:
            continue
        needs.discard("pretraining")
        if "study" in about["of"]:
            names.append(family)
        if "backbone" in about["of"]:
            names += [f"{family}-{backbone}" for backbone in study.trained]
        if "dataset" in about["of"]:
            names += [f"{family}-{dataset}" for dataset in study["runs"] if needs <= traits[dataset]]
        if "model" in about["of"]:
            drawn = [dataset for dataset in study.runs_with("loo") if needs <= traits[dataset]]
            names += [
                f"{family}-{dataset}{JOINT}{model}" for dataset in drawn for model in study.scored_models(dataset)
            ]
    return names


def _traits(study, dataset):
    run, about = study["runs"][dataset], study["datasets"][dataset]
    traits = {
        "several models": len(run["models"]) > 1,
        "several readings": len(set(model_readings(study.config, run["models"]).values())) > 1,
        "several folds": len(study.dataset_folds(dataset)) > 1,
        "training sizes": len(run["training_sizes"]) > 1,
        "loo": bool(run.get("loo")),
        "replace": run.get("loo", {}).get("edit") == "replace",
        "interactions": bool(run.get("interactions")),
        "motifs": bool(run.get("motifs")),
        "checks": bool(run.get("checks")),
        "embeddings": bool(run.get("embeddings")),
        "motif": about["target"] == "track",  # it is known which bases matter: those with a value
        "transcripts": "transcripts" in about,
    }
    return {about["target"], *(trait for trait, has in traits.items() if has)}
