"""Which bases does a model read? Scores of every base by leaving it out, and tables of them."""

from seqlm.attribution.loo import leave_one_out
from seqlm.attribution.result import LeaveOneOut

__all__ = ["LeaveOneOut", "leave_one_out"]
