"""Folds: nothing straddles that must not, everything is tested once that must be, and leakage is what a loop counts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlm.common.errors import InputError
from seqlm.datasets.separation.folds import make_folds
from seqlm.datasets.separation.leakage import training_leaks
from seqlm.sequences.similarity import kmer_sets, nearest_shares, similarity_clusters

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def table(n, **columns):
    return pd.DataFrame({"id": [f"x{i}" for i in range(n)], **columns})


def parts(folds, fold=0):
    rows = folds[folds["fold"] == fold]
    return {part: set(rows.loc[rows["part"] == part, "id"]) for part in ("train", "validation", "test")}


def random_dna(length, rng):
    return "".join(rng.choice(list("ACGT"), length))


# schemes


def test_ratio_gives_the_asked_numbers_and_follows_the_seed():
    examples = table(200)
    folds = make_folds(examples, "ratio", train=70, validation=10, test=20, seed=3)
    assert folds["part"].value_counts().to_dict() == {"train": 140, "validation": 20, "test": 40}
    assert folds["id"].tolist() == examples["id"].tolist()
    assert folds.equals(make_folds(examples, "ratio", seed=3))
    assert not folds.equals(make_folds(examples, "ratio", seed=4))


def test_kfold_tests_every_example_exactly_once():
    folds = make_folds(table(53), "kfold", k=5, validation=15, seed=1)
    tested = folds[folds["part"] == "test"]
    assert sorted(tested["id"]) == sorted(f"x{i}" for i in range(53))
    assert tested["fold"].value_counts().between(10, 11).all()
    assert (folds.groupby("fold").size() == 53).all()
    assert folds[folds["part"] == "validation"].groupby("fold").size().between(7, 9).all()


def test_kfold_with_the_next_fold_as_validation():
    folds = make_folds(table(40), "kfold", k=4, validation="next", seed=1)
    for fold in range(4):
        assert parts(folds, fold)["validation"] == parts(folds, (fold + 1) % 4)["test"]


def test_repeated_is_independent_ratio_splits():
    folds = make_folds(table(60), "repeated", k=3, seed=0)
    tests = [parts(folds, fold)["test"] for fold in range(3)]
    assert all(len(test) == 12 for test in tests)
    assert tests[0] != tests[1]


def test_split_column():
    examples = table(6, split=["a", "a", "b", "c", "c", "a"])
    folds = make_folds(examples, "split", validation=["b"], test=["c"])
    assert parts(folds) == {"train": {"x0", "x1", "x5"}, "validation": {"x2"}, "test": {"x3", "x4"}}


def test_split_column_that_names_its_parts_and_a_drawn_validation_part():
    examples = table(40, split=["train"] * 30 + ["test"] * 10)
    got = parts(make_folds(examples, "split", validation=10, seed=1))
    assert got["test"] == {f"x{i}" for i in range(30, 40)}
    assert len(got["validation"]) == 3
    assert parts(make_folds(table(3, split=["train", "dev", "test"]), "split"))["validation"] == {"x1"}


def test_custom_lists_of_splits_per_fold():
    examples = table(8, split=list("01230123"))
    folds = make_folds(examples, "custom", validation=[["0"], [1]], test=[["1", "2"], [3]])
    assert parts(folds, 0) == {"train": {"x3", "x7"}, "validation": {"x0", "x4"}, "test": {"x1", "x2", "x5", "x6"}}
    assert parts(folds, 1)["train"] == {"x0", "x4", "x2", "x6"}


# groups


@settings(max_examples=30, deadline=None)
@given(
    groups=st.lists(st.integers(0, 30), min_size=60, max_size=150),
    scheme=st.sampled_from(["ratio", "kfold", "repeated"]),
    seed=st.integers(0, 5),
)
def test_groups_never_straddle_parts(groups, scheme, seed):
    if len(set(groups)) < 8:
        return
    examples = table(len(groups), gene=[f"g{group}" for group in groups])
    folds = make_folds(examples, scheme, k=3, group="gene", seed=seed).merge(examples, on="id")
    assert (folds.groupby(["fold", "gene"])["part"].nunique() == 1).all()


def test_a_filled_group_column_is_respected_without_asking():
    examples = table(90, group=np.repeat([f"g{i}" for i in range(30)], 3))
    folds = make_folds(examples, "ratio", seed=1).merge(examples, on="id")
    assert (folds.groupby("group")["part"].nunique() == 1).all()
    lone = table(10, group=[None] * 10)
    assert make_folds(lone, "ratio", train=60, validation=20, test=20)["part"].value_counts()["train"] == 6


@pytest.mark.parametrize("missing", [None, np.nan, "", "NA"])
@pytest.mark.parametrize("group", [None, "group", "cluster"])
def test_an_example_without_a_group_is_a_unit_of_its_own(missing, group):
    rng = np.random.default_rng(0)
    names = [missing if i < 40 else f"g{i // 2}" for i in range(60)]
    examples = table(60, group=names, sequence=[random_dna(40, rng) for _ in range(60)])
    tested = make_folds(examples, "kfold", k=10, validation=0, group=group).query("part == 'test'")
    assert tested["fold"].value_counts().tolist() == [6] * 10
    if group == "cluster":
        assert tested["cluster"].nunique() == 50


def test_few_chromosomes_still_fill_every_part():
    examples = table(40, chrom=np.repeat(["chr1", "chr2", "chr3", "chr4"], 10))
    folds = make_folds(examples, "ratio", group="chromosome", seed=2).merge(examples, on="id")
    assert (folds.groupby("chrom")["part"].nunique() == 1).all()
    assert set(folds["part"]) == {"train", "validation", "test"}


def test_classes_keep_their_proportions():
    target = ["rare"] * 20 + ["common"] * 180
    examples = table(200, target=target)
    for scheme in ("ratio", "kfold"):
        folds = make_folds(examples, scheme, seed=5).merge(examples, on="id")
        rare = folds[folds["part"] == "test"].groupby("fold")["target"].apply(lambda t: (t == "rare").mean())
        assert rare.between(0.09, 0.11).all()


# position


def windows(starts, length=300, chrom="chr1"):
    starts = np.asarray(starts)
    return table(len(starts), chrom=chrom, start=starts, end=starts + length)


def test_position_holds_out_the_last_fifth_of_the_chromosome():
    starts = np.random.default_rng(0).permutation(100) * 300
    examples = windows(starts)
    folds = make_folds(examples, "ratio", group="position").merge(examples, on="id")
    spans = folds.groupby("part")["start"].agg(["min", "max", "size"])
    assert spans["size"].to_dict() == {"train": 70, "validation": 10, "test": 20}
    assert spans.loc["train", "max"] < spans.loc["validation", "min"]
    assert spans.loc["validation", "max"] < spans.loc["test", "min"]


@pytest.mark.parametrize("gap", [0, 500])
@pytest.mark.parametrize("scheme", ["ratio", "kfold"])
def test_overlapping_windows_never_straddle_parts(scheme, gap):
    examples = windows(np.arange(200) * 100)
    folds = make_folds(examples, scheme, k=4, group="position", gap=gap).merge(examples, on="id")
    for _, fold in folds.groupby("fold"):
        for _, a in fold.iterrows():
            other = fold[fold["part"] != a["part"]]
            assert ((other["start"] >= a["end"] + gap) | (other["end"] + gap <= a["start"])).all()
    assert len(folds[folds["part"] == "test"]) == (40 if scheme == "ratio" else 200)


def test_position_knows_that_chr2_comes_before_chr10():
    examples = pd.concat([windows([0, 300], chrom=name) for name in ("chr10", "chr2", "chr1", "chrX", "chr3")])
    examples["id"] = [f"{c}_{s}" for c, s in zip(examples["chrom"], examples["start"], strict=True)]
    folds = make_folds(examples, "ratio", train=60, validation=20, test=20, group="position")
    assert parts(folds)["test"] == {"chrX_0", "chrX_300"}
    assert parts(folds)["validation"] == {"chr10_0", "chr10_300"}


def test_kfold_by_position_is_contiguous():
    examples = windows(np.arange(60) * 300)
    folds = make_folds(examples, "kfold", k=3, validation=10, group="position")
    for fold in range(3):
        assert parts(folds, fold)["test"] == {f"x{i}" for i in range(20 * fold, 20 * fold + 20)}
    assert parts(folds, 2)["validation"] == {f"x{i}" for i in range(6)}


# similarity


def word_set(sequence, k):
    words = {sequence[i : i + k] for i in range(len(sequence) - k + 1)}
    return {min(word, word.translate(COMPLEMENT)[::-1]) for word in words if set(word) <= set("ACGT")}


def related_sequences(seed=0):
    """Twenty families of a parent, a point mutant, a reverse complement and a shifted copy."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(20):
        parent = random_dna(90, rng)
        mutant = parent[:45] + ("A" if parent[45] != "A" else "C") + parent[46:]
        found += [parent, mutant, parent.translate(COMPLEMENT)[::-1], parent[30:] + random_dna(30, rng)]
    return found


def test_shared_kmers_equal_sets_of_words():
    sequences = [*related_sequences()[:12], "ACGTN" * 10, "AC", ""]
    sets = kmer_sets(sequences, k=5)
    words = [word_set(sequence, 5) for sequence in sequences]
    expected = [[len(a & b) for b in words] for a in words]
    np.testing.assert_array_equal((sets @ sets.T).toarray(), expected)


def test_clusters_are_the_components_of_the_similarity_graph():
    sequences = related_sequences()
    cluster = similarity_clusters(sequences, 0.5)
    assert cluster.tolist() == [i // 4 for i in range(80)]


def test_nearest_shares_equal_a_loop_and_thinning_is_unbiased():
    rng = np.random.default_rng(1)
    sequences = related_sequences()
    share = nearest_shares(sequences[:10], sequences[10:], k=6)
    words = [word_set(sequence, 6) for sequence in sequences]
    expected = [max(len(a & b) for b in words[10:]) / len(a) for a in words[:10]]
    np.testing.assert_allclose(share, expected, rtol=1e-6)
    long = random_dna(5000, rng)
    assert nearest_shares([long], [long[:2500] + random_dna(2500, rng)])[0] == pytest.approx(0.5, abs=0.12)


def test_cluster_groups_leave_nothing_to_leak_and_random_splits_do():
    sequences = related_sequences(2)
    examples = table(80, sequence=sequences)
    for group, expected in (("cluster", 0), (None, 1)):
        folds = make_folds(examples, "ratio", group=group, seed=1)
        found = training_leaks(examples, folds, share=0.5)
        test, train = (sorted(parts(folds)[part]) for part in ("test", "train"))
        words = dict(zip(examples["id"], (word_set(sequence, 12) for sequence in sequences), strict=True))
        leaked = sum(max(len(words[a] & words[b]) for b in train) / len(words[a]) >= 0.5 for a in test)
        assert len(found) == leaked
        assert (leaked > 0) == bool(expected)


def test_clusters_keep_genes_together_too():
    sequences = related_sequences(3)  # four of each cluster
    # The first of each four belongs to one of two genes: everything hangs together in two halves.
    genes = [f"g{i // 40}" if i % 4 == 0 else None for i in range(80)]
    folds = make_folds(table(80, sequence=sequences, group=genes), "ratio", train=50, validation=0, test=50,
                       group="cluster")  # fmt: skip
    halves = [{int(name[1:]) // 40 for name in own} for own in parts(folds).values() if own]
    assert sorted(halves, key=max) == [{0}, {1}]
    assert folds.groupby("cluster")["id"].apply(set).tolist() == [set(own) for own in parts(folds).values() if own]


def test_more_training_examples_need_groups():
    examples = table(12, group=[f"g{i // 3}" for i in range(12)], training_only=[i % 3 == 2 for i in range(12)])
    folds = make_folds(examples, "kfold", k=2, validation=0)
    for _, own in folds.groupby("fold"):
        part = own.set_index("id")["part"]
        for gene in range(4):
            ids = examples["id"][3 * gene : 3 * gene + 3]
            found = part.reindex(ids)
            assert found.iloc[0] == found.iloc[1]
            assert (found.iloc[2] == "train") if found.iloc[0] == "train" else pd.isna(found.iloc[2])
    with pytest.raises(InputError, match="for training only"):
        make_folds(examples.assign(split="a"), "split", test=["a"])


def test_atomic_tokens_are_compared_by_their_bases():
    assert similarity_clusters(["A c g Tej a c#0.5 g t g g a t c", "acgtacgtggatc"]).tolist() == [0, 0]


# errors


@pytest.mark.parametrize(
    ("examples", "arguments", "message"),
    [
        (table(10), {"scheme": "random"}, "no scheme 'random'"),
        (table(0), {}, "no examples"),
        (table(10), {"train": 70, "validation": 20, "test": 20}, "do not add to 100"),
        (table(10), {"train": 90, "validation": 10, "test": 0}, "test part is 0%"),
        (table(10), {"validation": ["a"]}, "not percentages"),
        (table(2), {}, "validation part is empty"),
        (table(10), {"group": "gene"}, "no column 'gene' to group by; choose position, .*: id"),
        (table(10), {"group": "position"}, "needs coordinates"),
        (table(10, group=[None] * 10), {"group": "group"}, "is empty"),
        (table(9, g=list("aaabbbccc")), {"scheme": "kfold", "group": "g", "k": 4}, "3 groups cannot fill 4 folds"),
        (table(9), {"scheme": "kfold", "k": 1}, "k is 1"),
        (table(9), {"scheme": "kfold", "k": 3, "validation": 80}, "validation is 80"),
        (table(9), {"scheme": "kfold", "k": 2, "validation": "next"}, "third fold"),
        (table(9), {"scheme": "split"}, "needs a split column"),
        (table(2, split=["a", None]), {"scheme": "split", "test": ["a"]}, "'x1' has no split value"),
        (table(2, split=["a", "b"]), {"scheme": "split"}, "with some of: a, b"),
        (table(2, split=["a", "b"]), {"scheme": "split", "test": ["c"]}, "has the split 'c'; the splits there are: a"),
        (table(2, split=["a", "b"]), {"scheme": "split", "validation": ["a"], "test": ["a"]}, "named twice"),
        (table(2, split=["a", "b"]), {"scheme": "custom", "test": ["a"]}, "one list of split values per fold"),
        (table(2, split=["a", "b"]), {"scheme": "custom", "validation": [["a"]], "test": [["a"], ["b"]]}, "1 val"),
        (table(3, split=list("abc"), g=["x", "x", "y"]),
         {"scheme": "split", "validation": ["b"], "test": ["c"], "group": "g"}, "1 groups .* several parts"),
        (table(4, split=list("abcc"), target=list("pppq")),
         {"scheme": "split", "validation": ["b"], "test": ["c"]}, "class 'q' has no training example"),
        (table(10, sequence=["ACGT"] * 10), {"group": "cluster", "similarity": 0}, "similarity is 0"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_one_line_errors(examples, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        make_folds(examples, **arguments)
    assert "\n" not in str(caught.value)
