"""Which bases does a model read? Scores of every base by leaving it out."""

from seqlm.attribution.loo import LeaveOneOut, leave_one_out

__all__ = ["LeaveOneOut", "leave_one_out"]
