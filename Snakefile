# The workflow itself is in workflow/; this file lets `snakemake` find it from the repository's root.
include: "workflow/Snakefile"
