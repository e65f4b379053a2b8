"""What a study asks of its models' scores: which are scored, on which datasets, and what is made of the scores."""

from functools import cached_property


class Scored:
    """The part of a `Study` about leave-one-out scores."""

    def scored_models(self, dataset):
        """The models of a run that leave-one-out scores are asked of; an ensemble has none."""
        run = self.config["runs"][dataset]
        return [model for model in run["loo"].get("models", run["models"]) if not self.members(model)]

    @cached_property
    def attributions(self):
        """Every (dataset, model) that leave-one-out scores are asked for."""
        return [(dataset, model) for dataset in self.runs_with("loo") for model in self.scored_models(dataset)]

    @cached_property
    def motifs(self):
        """Every (dataset, model) that motifs are asked for."""
        return [(dataset, model) for dataset in self.runs_with("motifs") for model in self.scored_models(dataset)]

    @cached_property
    def tracked(self):
        """Datasets whose scores can lie on one genome: windows and regions of it, and records that name their place."""
        placed = [name for name in self.runs_with("loo") if not self.config["datasets"][name].get("transcripts")]
        return [
            name
            for name in placed
            if self.genome_of(name)
            or self.config["datasets"][name].get("records")
            or self.config["datasets"][name].get("table", {}).get("scores")
        ]

    @cached_property
    def mutated(self):
        """Datasets whose scores are of every base in the place of every other."""
        return [name for name in self.runs_with("loo") if self.config["runs"][name]["loo"]["edit"] == "replace"]

    @cached_property
    def checked(self):
        """Every (dataset, model) whose scores are checked."""
        return [(dataset, model) for dataset in self.runs_with("checks") for model in self.scored_models(dataset)]

    @cached_property
    def paired(self):
        """Every (dataset, model) that interactions of positions are asked for."""
        return [pair for pair in self.attributions if self.config["runs"][pair[0]].get("interactions")]

    def other_training(self, dataset, model):
        """(kind, name, job) of another training of a model: of the next seed, else of the next fold; None without."""
        jobs = self.jobs_of(dataset, model)
        for kind in ("seed", "fold"):
            for job in jobs[1:]:
                if getattr(job, kind) != getattr(jobs[0], kind):
                    return kind, str(getattr(job, kind)), job
        return None

    def compared_scores(self, dataset, model):
        """(kind, name, path below the results) of other scores of the same examples."""
        others = [m for m in self.scored_models(dataset) if m != model]
        found = [("model", other, f"attributions/{dataset}/{other}.npz") for other in others]
        control = self.config["runs"][dataset]["checks"].get("control")
        if control and model in self.scored_models(control):
            found.append(("shuffled labels", control, f"attributions/{control}/{model}.npz"))
        return found

    def genome_of(self, name):
        """The source that a dataset's windows are cut from; None where no single FASTA file is."""
        dataset = self.config["datasets"][name]
        windows = dataset.get("windows", {})
        cut_from = [windows["source"]] if "source" in windows else list(windows.get("sources", {}).values())
        cut_from += [dataset["regions"]["genome"]] if "regions" in dataset else []
        return cut_from[0] if len(cut_from) == 1 else None
