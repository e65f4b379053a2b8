"""Networks trained from scratch, one per file; a new one is a file here and a line in `seqlm.models.registry`."""
