"""Exact fast paths of leave-one-out, one per kind of network; each equals the reference in `seqlm.attribution.loo`."""
