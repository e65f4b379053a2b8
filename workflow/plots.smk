# Redraws every figure and the report from the tables: `make plots`. Works when all models have been deleted, and has no
# rule that could train one.
include: "rules/common.smk"


rule all:
    input:
        PLOTS,


include: "rules/plots.smk"


rule plots:
    input:
        PLOTS,
