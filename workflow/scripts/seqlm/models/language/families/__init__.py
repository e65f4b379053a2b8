"""Our own reading of published families that transformers does not read, with the published names of weights."""
