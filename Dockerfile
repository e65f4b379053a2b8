# The workflow with all it needs, for the CPU or an NVIDIA GPU. In the folder of a study:
#   docker build -t seqlm path/to/this/checkout
#   docker run --rm -u "$(id -u)" -v "$PWD:/study" seqlm all --cores 2 --configfile my_study.yaml
# (with --gpus all, and --workflow-profile /opt/seqlm/profiles/local-gpu, on GPUs). The command seqlm:
#   docker run --rm -u "$(id -u)" -v "$PWD:/study" --entrypoint seqlm seqlm --help
FROM python:3.11-slim

# For wheels of torch without CUDA, which make the image several GB smaller: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/seqlm
COPY envs/requirements.txt envs/
RUN pip install -r envs/requirements.txt

COPY LICENSE README.md Snakefile pyproject.toml ./
COPY config config
COPY envs envs
COPY profiles profiles
COPY resources resources
COPY workflow workflow
# Editable, so that the command finds the workflow beside the library.
RUN pip install --no-deps --editable . && useradd --uid 1000 --no-create-home seqlm

# As in the Makefile. HOME is where caches go, whoever the container runs as.
ENV OMP_NUM_THREADS=1 PYTHONHASHSEED=0 HOME=/tmp
USER seqlm
WORKDIR /study
ENTRYPOINT ["snakemake", "--snakefile", "/opt/seqlm/workflow/Snakefile", "--workflow-profile", "/opt/seqlm/profiles/default"]
CMD ["--help"]
