# make demo: install into .venv, run the demo study, write results/demo/report.html
# make test: install and run the tests
PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/config.yaml
STUDY = $(shell sed -n 's/^study: *\([A-Za-z0-9._-]*\).*/\1/p' $(CONFIG))
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
EXTRAS_STAMP := $(VENV)/.installed-extras
SEQLM = PYTHONPATH=workflow/scripts $(BIN)/python -m seqlm.console
GIVEN = $(if $(filter all,$(CORES)),,--cores $(CORES))
# A study's numbers must not depend on the machine's thread settings.
export OMP_NUM_THREADS ?= 1
export PYTHONHASHSEED := 0

.DEFAULT_GOAL := help
.PHONY: help install extras new plan demo study slurm-check unlock plots test test-slurm test-all lint format docs docs-site bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "seqlm: $(PYTHON) is older than Python 3.11; run make PYTHON=python3.11"; exit 1; }
	@echo "seqlm: making $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(STAMP): envs/requirements.txt | $(BIN)/python
	@echo "seqlm: installing the pinned requirements (once; a few minutes)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch $@

$(DEV_STAMP): envs/requirements-dev.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	@touch $@

$(EXTRAS_STAMP): envs/extras.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/extras.txt -c envs/requirements.txt
	@touch $@

install: $(STAMP)  ## make .venv and install the requirements

extras: $(EXTRAS_STAMP)  ## packages with classes of further published models (AGPL: see docs/models.md)
OUT ?= my_study.yaml
new: $(STAMP)  ## write a first study of your files: FASTA=, TABLE=, BED= or GFF=; LABELS=, GENOME=, LABEL=column, OUT=
	@$(SEQLM) new $(GIVEN) --output $(OUT) $(if $(GENOME),--genome $(GENOME)) $(if $(LABEL),--label $(LABEL)) \
		$(if $(ID),--id $(ID)) $(or $(FASTA),$(BED),$(GFF),$(TABLE)) $(LABELS)

plan: $(STAMP)  ## say what the study of CONFIG will take here: jobs, time, memory, disk
	@$(SEQLM) plan $(GIVEN) $(CONFIG)

demo: CONFIG := config/config.yaml
demo: ABOUT := , six to ten minutes on two cores
demo: study  ## run the demo study and write results/demo/report.html

study: $(STAMP)  ## run the study of CONFIG=path/to/study.yaml; a line a minute says how far it is
	@echo "seqlm: $(STUDY)$(ABOUT)"
	@$(SEQLM) run $(GIVEN) $(CONFIG)

slurm-check: $(STAMP)  ## say what of the study of CONFIG would never start on this SLURM cluster
	@PYTHONPATH=workflow/scripts $(BIN)/python workflow/scripts/check_cluster.py $(CONFIG)

unlock: $(STAMP)  ## free the folder after a Snakemake that was killed; what is done stays
	$(BIN)/snakemake --unlock --configfile $(CONFIG)

plots: $(STAMP)  ## redraw every figure and the report of CONFIG; never trains
	$(BIN)/snakemake all -s workflow/plots.smk --cores $(CORES) --configfile $(CONFIG) --forceall

test: $(DEV_STAMP)  ## the tests (a few minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not slurm"

test-all: $(DEV_STAMP) $(EXTRAS_STAMP)  ## the tests that take minutes, and the checks of style
	$(MAKE) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or slurm" --durations 20

test-slurm: $(DEV_STAMP)  ## the small study on a real SLURM that is started here (root and Debian packages)
	$(BIN)/python -m pytest -m slurm -rs

lint: $(DEV_STAMP)  ## ruff, snakefmt, snakemake --lint, order of the rooms, generated docs up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports
	$(BIN)/snakemake --lint
	$(BIN)/snakemake -s workflow/plots.smk --lint
	$(BIN)/python config/make_readme.py --check
	$(BIN)/python docs/make_api.py --check

format: $(DEV_STAMP)  ## rewrite Python and Snakemake files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow

docs: $(STAMP)  ## rewrite config/README.md from the schema and docs/api.md from the docstrings
	$(BIN)/python config/make_readme.py
	$(BIN)/python docs/make_api.py

docs-site:  ## the pages of docs/ as a site, in site/
	$(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --disable-pip-version-check -r envs/docs.txt
	build/docs/bin/python -m mkdocs build --strict

bench: $(DEV_STAMP)  ## measured comparisons; see benchmarks/README.md
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:  ## delete the results of the demo study
	rm -rf results/demo
