# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else: they make a virtual
# environment in .venv from pyproject.toml. An active VIRTUAL_ENV is ignored.

# The first of these that is 3.11 to 3.13; override with `make PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
# The version whose CPU build is small; any release in the `torch` extra's range works.
TORCH := torch==2.13.0
WORKERS ?= 2
# Requirements beyond those of pyproject.toml, such as `make test WITH='--pre --upgrade keras'`.
WITH ?=
# Other versions warn of other things.
FORGIVING := $(if $(WITH),-W default)
# The lowest Keras and TensorFlow that pyproject.toml allows.
OLDEST := $(shell sed -nE 's/^ *"(keras|tensorflow)>=([0-9.]+).*/\1==\2/p' pyproject.toml)
# What depends on the backend: forward, gradients, loading, whole trainings. The rest says the same on all of them.
BACKEND_TESTS := tests/layers tests/ops tests/compat/test_checkpoints_2019.py \
	tests/networks/test_build_network.py tests/export/test_own_models.py tests/copies \
	$(addprefix tests/quantization/test_,calibration.py modes.py) $(addprefix tests/pruning/test_,masks.py prune_model.py) \
	$(addprefix tests/training/test_,$(addsuffix .py,engines stage train_network epochs random_bases coordinate_workers \
	diagonal_rates attention_transfer pruning_recipes))

export TF_CPP_MIN_LOG_LEVEL ?= 3
unexport VIRTUAL_ENV
unexport PYTHONHOME

.PHONY: demo test test-oldest test-backends test-jax test-torch test-compiled test-tfmot test-scripts lint docs wheel \
	peers figures format clean

demo: $(VENV)/.base
	out=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(VENV)/bin/keras-efficient train --out $$out && \
	$(VENV)/bin/keras-efficient export --model $$out/best.keras --out $$out/firmware --verify

test: $(VENV)/.dev
	KERAS_BACKEND=tensorflow $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q $(FORGIVING)

# The same with the lowest Keras and TensorFlow, in an environment of its own.
test-oldest:
	$(MAKE) test VENV=.venv-oldest WITH="$(OLDEST)"

# The layers, the quantizer, the driver and the published network once more on JAX and torch. JAX compiles each of
# thousands of small programs: without LLVM's optimizations in half the time. torch takes no heed of it.
test-backends: test-jax test-torch

test-jax test-torch: test-%: $(VENV)/.backends
	XLA_FLAGS=--xla_backend_optimization_level=0 KERAS_BACKEND=$* \
		$(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q $(BACKEND_TESTS) \
		-m "not scripts and not one_backend$(if $(filter torch,$*), and not compiles)"

# Each layer once more as torch compiles it: in C++, which takes seven minutes. COMPILED=RandomBasis: those alone.
test-compiled: $(VENV)/.backends
	KERAS_BACKEND=torch $(RUN) -m pytest -n $(WORKERS) --dist worksteal -q -m compiles -k "$(COMPILED)" tests/layers

# Parity with TensorFlow Model Optimization: without it these tests skip.
test-tfmot: $(VENV)/.tfmot
	KERAS_BACKEND=tensorflow $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q tests/compat/test_tfmot.py tests/compat/test_tfmot_parity.py

# The peers of scripts/compare_qat.py, each in an environment of its own: both bring a package `qkeras`.
peers: .venv-hgq2/.peer .venv-qkeras/.peer
.venv-hgq2/.peer: PEER := HGQ2==0.2.0
.venv-qkeras/.peer: PEER := qkeras-v3==1.2.1
.venv-%/.peer:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --editable . $(PEER)
	@touch $@

# The notebooks, and each script of scripts/ with --quick; with the data beside the repository, else most of them skip.
test-scripts: $(VENV)/.backends
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal -q -m scripts tests/test_scripts.py tests/test_notebooks.py

lint: $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The documentation as a site in site/; a broken link or a missing name is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# The wheel in dist/, and what a user does first with it, away from this folder.
wheel: $(VENV)/.venv
	rm -rf dist .venv-wheel
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet dist/*.whl
	cd dist && KERAS_BACKEND=tensorflow ../.venv-wheel/bin/python -I ../tests/wheel_check.py

# All that is made of results/: the tables of README.md and docs/, REPRODUCTION.md, the list of benchmarks, pictures.
figures: $(VENV)/.base
	for page in benchmarks draw_figures readme_tables docs_tables reproduction_page; do $(RUN) scripts/$$page.py || exit 1; done

format: $(VENV)/.dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) .venv-oldest .venv-wheel .venv-hgq2 .venv-qkeras dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.venv:
	@test -n "$(PYTHON)" || { echo "keras_efficient needs Python 3.11 to 3.13: none was found. Install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.venv pyproject.toml
	$(RUN) -m pip install --quiet --editable . $(WITH)
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(RUN) -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.backends: $(VENV)/.dev
	$(RUN) -m pip install --quiet $(TORCH)
	$(RUN) -m pip install --quiet --editable '.[dev,jax,torch]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(RUN) -m pip install --quiet --editable '.[dev,docs]'
	@touch $@

$(VENV)/.tfmot: $(VENV)/.dev
	$(RUN) -m pip install --quiet --editable '.[dev,tfmot]'
	@touch $@
