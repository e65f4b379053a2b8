"""How many labels a model needs: test metric against the number of training examples."""

from seqlm.report.drawing.style import axis_name, drawing, looks, ordered, some


def draw_learning_curve(sizes, outputs, dataset, metric=None, names=None):
    """One line a model, with 95% intervals.

    Parameters
    ----------
    sizes : DataFrame
        sizes.tsv of the dataset: as intervals.tsv, with a column labels.
    outputs : list of path
    dataset : str
    metric : str, optional
        The table's first one when missing.
    names : list of str, optional
        Order of names, which decides on colours.
    """
    metric = metric or some(sizes, f"training sizes of {dataset}")["metric"].iloc[0]
    table = some(sizes[sizes["metric"] == metric], f"{metric} by training size of {dataset}")
    drawn = ordered(table["model"].unique(), names)
    look = looks(names or drawn)
    counts = sorted(table["labels"].unique())
    with drawing(outputs, 10.5, 6) as figure:
        axes = figure.subplots()
        for number, name in enumerate(drawn):
            own = table[table["model"] == name].sort_values("labels")
            # Shifted a little, so that intervals at one number of labels do not hide each other.
            labels = own["labels"] * 1.02 ** (number - (len(drawn) - 1) / 2)
            error = [(own["value"] - own["low"]).clip(lower=0), (own["high"] - own["value"]).clip(lower=0)]
            axes.errorbar(
                labels, own["value"], yerr=error, label=name, color=look[name]["color"], marker=look[name]["marker"],
                markersize=9, markeredgecolor="white", linewidth=2, elinewidth=1.4, capsize=4,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,.0f}" for count in counts])
        axes.minorticks_off()
        axes.set(xlabel="labelled training examples", ylabel=f"{axis_name(metric)} on test data")
        axes.set_title(f"{dataset}: how many labels are needed")
        figure.legend(loc="outside lower center", ncols=min(5, len(drawn)))
