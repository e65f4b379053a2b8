"""The area under the ROC curve of resampled groups, exactly: examples are sorted once, resampling only weights them."""

import numpy as np

# Weights worked on together, in numbers.
AT_ONCE = 2**22


class Ranked:
    """AUROC of one prediction of a class task; of more than two classes the mean of each against the rest.

    Parameters
    ----------
    y : int array (examples,)
        Class codes.
    p : array (examples, classes)
        Probabilities.
    groups : int array (examples,)
        Group of each example, from 0.
    """

    def __init__(self, y, p, groups):
        self.y, self.p, self.groups = np.asarray(y), np.asarray(p), np.asarray(groups)

    @classmethod
    def joined(cls, parts):
        """All examples of several predictions as those of one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "p", "groups")))

    def value(self):
        """The AUROC; nan where a class has no example, or all."""
        return float(self._mean(np.ones((1, self.groups.max(initial=0) + 1)))[0])

    def resampled(self, weights):
        """The AUROC (replicates,) with every group drawn as often as `weights` (replicates, groups) says."""
        rows = max(1, AT_ONCE // max(1, len(self.y)))
        return np.concatenate([self._mean(weights[i : i + rows]) for i in range(0, len(weights), rows)])

    def _mean(self, weights):
        classes = self.p.shape[1]
        return np.mean([self._against_the_rest(k, weights) for k in (range(classes) if classes > 2 else [1])], axis=0)

    def _against_the_rest(self, k, weights):
        order = np.argsort(self.p[:, k], kind="stable")
        if not len(order):
            return np.full(len(weights), np.nan)
        score, positive = self.p[order, k], self.y[order] == k
        drawn = weights[:, self.groups[order]]
        starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
        above, below = (np.add.reduceat(drawn * own, starts, axis=1) for own in (positive, ~positive))
        # A pair counts half where its scores are equal.
        pairs = (above * (below.cumsum(1) - below / 2)).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return pairs / (above.sum(1) * below.sum(1))
