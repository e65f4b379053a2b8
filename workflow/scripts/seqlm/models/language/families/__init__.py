"""Classes of published families that transformers lacks, each with the published names of weights."""
