"""What training minimises and what it watches: one objective per kind of target, with exact running metrics.

A metric is one number over everything seen, never a mean of batch means:
meters keep float64 sums and divide once at the end.
"""

import torch
import torch.nn.functional as F


class Sums:
    """A vector of float64 sums that lives on the device and can be saved and restored exactly."""

    def __init__(self):
        self.values = None

    def add(self, *terms):
        terms = torch.stack([torch.as_tensor(t, dtype=torch.float64) for t in terms])
        self.values = terms if self.values is None else self.values + terms

    def state(self):
        return None if self.values is None else self.values.tolist()

    def load(self, state):
        self.values = None if state is None else torch.tensor(state, dtype=torch.float64)

    def __iter__(self):
        return iter(self.values.tolist())


class Meter:
    """Loss and metrics of everything given to `update` so far."""

    def __init__(self):
        self.loss, self.pairs, self.shift = Sums(), Sums(), Sums()

    def add_loss(self, total, weight):
        """Add a batch's summed loss and the weight (number of terms) it stands for."""
        self.loss.add(total, weight)

    def add_pairs(self, predicted, true):
        """Add value pairs to the sums behind Pearson's R (1-D tensors of one length)."""
        predicted, true = predicted.double(), true.double()
        if self.shift.values is None:
            # Sums around a point near the means lose no digits when the mean is far from zero.
            self.shift.add(predicted.mean(), true.mean())
        shift = self.shift.values = self.shift.values.to(predicted.device)
        x, y = predicted - shift[0], true - shift[1]
        self.pairs.add(x.numel(), x.sum(), y.sum(), x.dot(x), y.dot(y), x.dot(y))

    def add_hits(self, hits, count):
        self.pairs.add(hits, count)

    def sums(self):
        """The sums as they are now; nothing is read from the device."""
        return [sums.values for sums in (self.loss, self.pairs, self.shift)]

    def put_back(self, values):
        """Forget what was added since `sums` gave these."""
        for sums, own in zip((self.loss, self.pairs, self.shift), values, strict=True):
            sums.values = own

    def state(self):
        return [self.loss.state(), self.pairs.state(), self.shift.state()]

    def load(self, state):
        for sums, values in zip((self.loss, self.pairs, self.shift), state, strict=True):
            sums.load(values)

    @classmethod
    def joined(cls, states):
        """One meter of what several have seen, from their states."""
        meter = cls()
        for loss, pairs, shift in states:
            if loss is not None:
                meter.add_loss(*loss)
            if pairs is None:
                continue
            if shift is not None:
                if meter.shift.values is None:
                    meter.shift.add(*shift)
                pairs = _around(pairs, shift, meter.shift)
            meter.pairs.add(*pairs)
        return meter

    def mean_loss(self):
        total, weight = self.loss
        return total / weight if weight else float("nan")

    def pearson(self):
        """Pearson's R of all pairs; nan when one side is constant."""
        n, x, y, xx, yy, xy = self.pairs
        covariance, variances = xy - x * y / n, (xx - x * x / n) * (yy - y * y / n)
        return covariance / variances**0.5 if variances > 0 else float("nan")

    def accuracy(self):
        hits, count = self.pairs
        return hits / count if count else float("nan")


def _around(pairs, shift, other):
    """Sums of value pairs taken around one point as they are around another."""
    n, x, y, xx, yy, xy = pairs
    a, b = (old - new for old, new in zip(shift, other, strict=True))
    squares = xx + 2 * a * x + n * a * a, yy + 2 * b * y + n * b * b
    return n, x + n * a, y + n * b, *squares, xy + a * y + b * x + n * a * b


class Objective:
    """Loss of a batch and running metrics; subclasses know one kind of target.

    Attributes
    ----------
    metric : str
        What early stopping watches unless told otherwise.
    metrics : dict of str to bool
        Metric names and whether larger is better.
    """

    metric = "loss"
    metrics = {"loss": False}

    def __call__(self, model, batch, meter=None):
        """Scalar loss of a batch (a dict of tensors); its sums go to `meter` when one is given."""
        raise NotImplementedError

    def mass(self, batch):
        """What the loss of a batch is a mean over, a scalar tensor: number or weight of its terms."""
        if "idle" in batch:
            return torch.zeros(())
        if "targets" in batch:
            return (batch["targets"] != -100).sum()
        y, weight = batch["y"], batch.get("weight")
        terms = torch.ones(y.shape) if weight is None else weight
        if y.ndim == 2 and terms.ndim == 1:
            terms = terms[:, None].expand_as(y)
        return (terms[batch["known"]] if "known" in batch else terms).sum()

    def compute(self, meter):
        """Metric name to value, from the sums of a meter."""
        return {"loss": meter.mean_loss()}

    def _finish(self, losses, weight, meter):
        """Weighted mean of elementwise losses."""
        total = losses.sum() if weight is None else (losses * weight).sum()
        mass = losses.numel() if weight is None else weight.sum()
        if meter is not None:
            meter.add_loss(total.detach(), mass)
        return total / mass if weight is None else total / mass.clamp(min=torch.finfo(total.dtype).tiny)


class ValueObjective(Objective):
    """Squared error of values: a track (N, L) or a scalar (N,), NaN = not known."""

    metric = "pearson"
    metrics = {"loss": False, "pearson": True}

    def __call__(self, model, batch, meter=None):
        predicted, true, weight = model(batch["X"]).float(), batch["y"], batch.get("weight")
        if predicted.shape != true.shape:
            raise ValueError(f"the model gives {tuple(predicted.shape)}, the targets are {tuple(true.shape)}")
        if weight is not None and true.ndim == 2:
            weight = weight[:, None].expand_as(true)
        if "known" in batch:
            known = batch["known"]
            predicted, true = predicted[known], true[known]
            weight = None if weight is None else weight[known]
        if meter is not None:
            meter.add_pairs(predicted.detach().flatten(), true.flatten())
        return self._finish((predicted - true).square(), weight, meter)

    def compute(self, meter):
        return {"loss": meter.mean_loss(), "pearson": meter.pearson()}


class ClassObjective(Objective):
    """Cross entropy of class logits (N, C) and class numbers (N,)."""

    # The loss goes on falling where accuracy, in steps of one example, no longer tells two epochs apart.
    metrics = {"loss": False, "accuracy": True}

    def __call__(self, model, batch, meter=None):
        logits, true, weight = model(batch["X"]).float(), batch["y"], batch.get("weight")
        if meter is not None:
            meter.add_hits((logits.detach().argmax(-1) == true).sum(), true.numel())
        return self._finish(F.cross_entropy(logits, true, reduction="none"), weight, meter)

    def compute(self, meter):
        return {"loss": meter.mean_loss(), "accuracy": meter.accuracy()}


class TokenObjective(Objective):
    """Cross entropy of tokens, in nats per predicted token; label -100 is not predicted."""

    def __call__(self, model, batch, meter=None):
        logits, labels = model(input_ids=batch["input_ids"]).logits, batch["targets"]
        total = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
        count = (labels != -100).sum()
        if meter is not None:
            meter.add_loss(total.detach(), count)
        return total / count.clamp(min=1)


OBJECTIVES = {"track": ValueObjective, "scalar": ValueObjective, "class": ClassObjective}
