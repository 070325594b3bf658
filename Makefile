# Every job of the project, from a bare Python >= 3.11, pip and make.
#
# A job that ends well leaves a stamp in _build/.stamps, so a second run
# does no work that is already done. FORCE=1 runs the job all the same.

PYTHON      ?= python3
PORT        ?= 8000
# Processes at a time, for tests and notebooks.
JOBS        ?= 2
# The CPU-only torch, where PyTorch's own index can be reached:
#   make book TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
TORCH       := torch==2.13.0

# One thread a process, because JOBS processes share the cores: threads
# that wait for each other fall to a tenth of their speed.
export OMP_NUM_THREADS ?= 1
# Where `make weights` puts SmolLM2, and chapter 12 finds it.
export UNITCONV_CACHE ?= $(CURDIR)/_build/cache

BIN       := .venv/bin
INSTALLED := .venv/.installed
STAMPS    := _build/.stamps
HTML      := _build/html
PYTEST    := $(BIN)/python -m pytest -n $(JOBS)

NOT_MADE  := -not -path '*/__pycache__/*' -not -path '*/.ipynb_*' \
             -not -name '.*'
LIBRARY   := $(shell find unitconv -type f $(NOT_MADE))
TESTS     := $(shell find tests scripts experiments book/_ext \
               -type f $(NOT_MADE))
SCRIPTS   := $(wildcard notebooks/*.py)
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
PAGES     := $(shell find book -type f $(NOT_MADE)) _config.yml \
             _toc.yml $(wildcard book/_ext/*.py scripts/*.py) \
             $(wildcard experiments/*/*.json)
PROJECT   := pyproject.toml constraints.txt environment.yml Makefile \
             CITATION.cff $(wildcard *.md)
# What reads the built book, and so runs after it.
OF_THE_BOOK := tests/book/test_pages.py tests/book/test_book.py \
               tests/book/test_first_load.py tests/book/test_reading.py \
               tests/live/test_ask.py tests/live/test_firefox.py \
               tests/live/test_token_widgets_book.py

.DELETE_ON_ERROR:
.PHONY: help book pdf test test-fast test-long test-oldest test-newest \
        mutants serve notebooks pairs student slides \
        wheel autograder lint format constraints weights repo clean \
        distclean force

help: ## List these jobs
	@echo "make JOB, where JOB is"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
	    | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

ifeq ($(SOLUTIONS),no)
book: $(INSTALLED)
	$(BIN)/python -m scripts.cut_solutions _build/no_solutions
	$(BIN)/jupyter-book build _build/no_solutions -W -n --keep-going
else
book: $(STAMPS)/book ## Build the book; SOLUTIONS=no: without solutions
	@echo "The book is built. Open it in a browser:"
	@echo "  file://$(CURDIR)/$(HTML)/index.html"
endif

# Lint and types take one core for a minute: the unit tests fill the other.
test: weights ## Install; lint, types, units, notebooks, browser
	$(MAKE) -j2 $(STAMPS)/lint $(STAMPS)/units
	$(MAKE) $(STAMPS)/notebooks $(STAMPS)/browser
	@echo "Every check passed for these sources" \
	    "(make test FORCE=1 runs them again)."

test-long: $(INSTALLED) ## What takes minutes: disks, memory, kills, cheats
	$(PYTEST) --dist worksteal -m long

# Each in an environment of its own, of gigabytes: there is one torch for
# all on PyPI, with CUDA. With PYTHON=python3.13 in that Python.
test-oldest: $(INSTALLED) ## The library with the oldest versions allowed
	$(call test-with,--resolution lowest-direct)

test-newest: $(INSTALLED) ## The library with the newest versions there are
	$(call test-with,--upgrade)

# Changes functions one by one, and counts the changes that no test sees.
mutants: $(INSTALLED) ## Mutation testing, of [tool.mutmut]'s files (30 min)
	$(BIN)/python -m pip install --quiet mutmut
	rm -rf _build/mutants && mkdir -p _build/mutants
	git ls-files -z | xargs -0 cp --parents -t _build/mutants
	cd _build/mutants && $(CURDIR)/$(BIN)/mutmut run --max-children $(JOBS)

test-fast: $(INSTALLED) ## Install; lint, types, units that are not slow
	$(MAKE) -j2 $(STAMPS)/lint $(STAMPS)/fast

pdf: book ## Print every page of the book into _build/pdf
	$(BIN)/python -m scripts.print_pdf

serve: book ## Serve the built book on 127.0.0.1 (PORT=8000)
	$(BIN)/python -m http.server --bind 127.0.0.1 \
	    --directory $(HTML) $(PORT)

notebooks: pairs ## Execute what is out of date (FORCE=1: all notebooks)
	$(BIN)/python -m scripts.run_notebooks --jobs $(JOBS) \
	    $(if $(FORCE),$(sort $(SCRIPTS)))

pairs: $(INSTALLED) ## Bring each notebook and its .py in line
	$(BIN)/jupytext --quiet --sync $(SCRIPTS)
	$(BIN)/ruff format --quiet $(SCRIPTS)
	$(BIN)/python -m scripts.run_notebooks --tidy $(SCRIPTS)

student: $(INSTALLED) ## Write notebooks without solutions: CHAPTERS="1 8"
	$(BIN)/python -m scripts.make_student $(CHAPTERS) \
	    $(if $(ROSTER),--roster $(ROSTER) --seed "$(SEED)")

slides: $(INSTALLED) ## Write slides of each chapter into _build/slides
	$(BIN)/python -m scripts.make_slides $(CHAPTERS)

wheel: $(INSTALLED) ## Write the library as a wheel, to be handed out
	$(BIN)/python -m pip wheel --quiet --no-deps \
	    --no-build-isolation --wheel-dir _build/student .
	@rm -rf build && ls _build/student/*.whl

autograder: $(INSTALLED) ## Write zips for Gradescope: CHAPTERS="8 9"
	$(BIN)/python -m scripts.make_autograder $(CHAPTERS) \
	    $(if $(HIDDEN),--hidden $(HIDDEN)) \
	    $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

lint: $(INSTALLED) ## Check format, style and types
	$(check-code)

format: $(INSTALLED) ## Format the code, mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints: $(INSTALLED) ## Pin again what pyproject.toml asks for
	$(BIN)/python -m pip install --quiet uv
	echo "$(TORCH)" | $(BIN)/uv pip compile --quiet --universal \
	    --python-version 3.11 --all-extras --no-emit-package unitconv \
	    --no-header --no-annotate --constraint - \
	    --output-file constraints.txt pyproject.toml

# Some 270 MB, once. The tests that need them are skipped without them.
weights: $(INSTALLED) ## Fetch SmolLM2 for tests and chapter 12
	-$(BIN)/unitconv download smollm2-q4_1

repo: ## Point the project at a fork: make repo URL=https://...
	$(PYTHON) -m scripts.move_repository $(URL)

clean: ## Remove what was built and cached, keep .venv
	rm -rf _build .*_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -print0 \
	    | xargs -0 rm -rf

distclean: clean ## Remove .venv too
	rm -rf .venv unitconv.egg-info

# --- what the jobs are made of -----------------------------------------

again := $(if $(FORCE),force)

define test-with
$(BIN)/python -m pip install --quiet uv
$(BIN)/uv venv --quiet --seed --allow-existing --python $(PYTHON) \
    _build/$@
$(BIN)/uv pip install --quiet --python _build/$@/bin/python $(1) \
    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) \
    --index-strategy unsafe-best-match) -e ".[test]"
$(BIN)/uv pip list --quiet --python _build/$@/bin/python
_build/$@/bin/python -m pytest -n $(JOBS) --dist worksteal \
    -m "not slow and not long" tests/common tests/grading \
    tests/inference tests/training
endef

define check-code
$(BIN)/ruff format --check .
$(BIN)/ruff check .
$(BIN)/lint-imports --no-logo
$(BIN)/mypy
endef

# The names of all sources: deleting or renaming one is a change as well.
$(STAMPS)/names: force
	@mkdir -p $(@D)
	@echo $(sort $(LIBRARY) $(TESTS) $(NOTEBOOKS) $(PAGES)) > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "unitconv needs Python 3.11 or newer; choose one with " \
	    "make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

# torch goes first and alone, so that only torch meets another index.
$(INSTALLED): pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -c constraints.txt \
	    $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	@touch $@

# --all reads every page again, so that no warning of an earlier, failed
# build is forgotten. Nothing is executed: the outputs are in the notebooks.
$(STAMPS)/book: $(STAMPS)/names $(LIBRARY) $(NOTEBOOKS) $(PAGES) \
                $(INSTALLED) $(again)
	$(BIN)/jupyter-book build . --all -W -n --keep-going
	@touch $@

$(STAMPS)/lint: $(STAMPS)/names $(LIBRARY) $(TESTS) $(SCRIPTS) \
                $(INSTALLED) $(again)
	$(check-code)
	@touch $@

UNITS := $(STAMPS)/names $(LIBRARY) $(TESTS) $(NOTEBOOKS) $(SCRIPTS) \
         $(PAGES) $(PROJECT) $(INSTALLED) $(again)

$(STAMPS)/units: $(UNITS)
	$(PYTEST) --dist worksteal -m "not long" \
	    $(OF_THE_BOOK:%=--ignore=%)
	@touch $@

$(STAMPS)/fast: $(UNITS)
	$(PYTEST) --dist worksteal -m "not slow and not long" \
	    $(OF_THE_BOOK:%=--ignore=%)
	@touch $@

# Executes every notebook, and compares what is tagged to be compared.
$(STAMPS)/notebooks: $(STAMPS)/names $(LIBRARY) $(NOTEBOOKS) $(INSTALLED) \
                     $(again)
	$(PYTEST) --dist loadfile --nbval-lax --nbval-current-env \
	    --nbval-cell-timeout=600 notebooks
	@touch $@

# Reads the built book if there is one, and says so if there is none.
$(STAMPS)/browser: $(wildcard $(STAMPS)/book) $(OF_THE_BOOK) \
                   tests/browser.py tests/built.py tests/firefox.py \
                   scripts/print_pdf.py \
                   $(INSTALLED) $(again)
	$(PYTEST) --dist worksteal $(OF_THE_BOOK)
	@touch $@
