# Every target makes the virtual environment if it is missing or out of date, and does nothing twice.
# PYTHON counts when the environment is made; `make distclean` takes an old one away.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two workers, one thread each: torch would otherwise start a thread per core in both of them.
# Notebooks, which are short, come last: so both workers end at nearly the same time.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install book serve lab test test-long mutants kernel-mutants test-book check format digits-model flow-model student-model miniatures clean distclean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## make the virtual environment (another Python: make install PYTHON=python3.12)

$(INSTALLED): pyproject.toml constraints.txt .ci/install
	@.ci/install "$(PYTHON)" "$(VENV)"

# Warnings are errors. A build that failed forgets what it read, so that the next one warns again
# and does not pass by reading nothing; pages that ran are not run again.
book: $(INSTALLED)  ## run every page and build the book into _build/html/index.html
	@rm -rf _build/html/reports
	@$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output . \
		-W -n --keep-going || { cat _build/html/reports/*.err.log 2>/dev/null; rm -f _build/.doctrees/environment.pickle; exit 1; }

serve: book  ## show the book at http://localhost:8000 (another port: make serve PORT=8001)
	$(BIN)/python -m http.server --bind localhost --directory _build/html $(PORT)

lab: $(INSTALLED)  ## open the exercises in JupyterLab
	$(BIN)/jupyter lab exercises

test: check  ## check the code, test the package and run every notebook
	$(PYTEST) --nbval --nbval-cell-timeout 300 \
		--nbval-sanitize-with tests/notebooks/sanitize.cfg tests solutions exercises

test-long: $(INSTALLED)  ## the tests that take minutes: many seeds, a whole class, nbgrader
	$(PYTEST) --dist loadgroup -m long tests

mutants: $(INSTALLED)  ## make small errors in the core modules: the tests must see 95% (hours; MODULES=loss for one)
	$(BIN)/python -m tests.code_mutants $(MODULES)

kernel-mutants: $(INSTALLED)  ## put false variants of every statement to Coq's kernel (long; needs Coq)
	$(PYTEST) --dist load -m mutants tests

test-book: book  ## open every page of the book in a browser, offline; and an exercise in JupyterLab
	$(PYTEST) --dist loadgroup -m book tests/notebooks tests/book

check: $(INSTALLED)  ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED)  ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

digits-model: $(INSTALLED)  ## train the digits model that ships with the package anew (11 minutes)
	$(BIN)/ddpm-course train --preset digits --seed 0 --out runs/digits-model
	$(BIN)/python -c 'from ddpm_course.checkpoint import halve; \
		halve("runs/digits-model", "ddpm_course/assets/digits.safetensors")'

flow-model: $(INSTALLED)  ## train the flow of the digits that ships with the package anew (11 minutes)
	$(BIN)/python -c 'from ddpm_course import flow; flow.save(flow.train(), "ddpm_course/assets/flow.safetensors")'

student-model: $(INSTALLED)  ## train the student of one to four calls that ships with the package anew (5 minutes)
	$(BIN)/python -c 'from ddpm_course import few_steps; \
		few_steps.save(few_steps.train(), "ddpm_course/assets/few_steps.safetensors")'

miniatures: $(INSTALLED)  ## train the small models of the pages on trends anew (25 minutes)
	$(BIN)/python -m ddpm_course.trends.train

clean:  ## remove the built book and every cache
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache

distclean: clean  ## remove the virtual environment too
	rm -rf $(VENV)
