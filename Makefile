# make demo: everything from nothing to a confusion matrix; make test: lint, types and all tests but
# the long ones, which are make torture and make e2e.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
DEMO := demo

.PHONY: install demo test torture e2e lint clean

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: $(DEMO)/embeddings.h5
	$(BIN)/python -m classify --head mlp --cache $(DEMO)/embeddings.h5 --out $(DEMO)/run

$(DEMO)/embeddings.h5: $(DEMO)/corpus/demo.csv
	$(BIN)/python -m extract $(DEMO)/corpus --model untrained -o $@

$(DEMO)/corpus/demo.csv: | .venv/installed
	$(BIN)/python -m data demo $(DEMO)/corpus

test: install lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not e2e and not torture'

torture: install
	$(BIN)/python -m pytest -n $(JOBS) -m torture
	$(BIN)/python -m pytest -n $(JOBS) -m 'hypothesis and not torture' --hypothesis-profile thorough
	$(BIN)/python tests/torture/run.py
	$(BIN)/python tests/torture/error_rates.py

e2e: install
	$(BIN)/python -m pytest -m e2e

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv $(DEMO) *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
