"""Which examples belong together: an example without a group is one by itself, wherever groups are counted."""

import numpy as np
import pandas as pd

from seqlm.sequences.tables.rows import is_missing


def known_groups(group):
    """Which examples have a group: bool array (n,). None, NaN, empty cells and words such as NA are no groups."""
    return np.array([not is_missing(str(name)) for name in group], bool)


def group_numbers(group):
    """Number of each example's group, from 0 in order of appearance: int array (n,); without one, a number of its own.

    Parameters
    ----------
    group : pandas.Series
        Names; missing where None, NaN, or a word that says so (see `seqlm.sequences.tables.rows.MISSING`).
    """
    known = known_groups(group)
    names = [(True, name) if there else (False, i) for i, (name, there) in enumerate(zip(group, known, strict=True))]
    return pd.factorize(pd.Series(names, dtype=object))[0]
