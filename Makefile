# `make` alone lists the verbs. PYTHON chooses the interpreter of .venv: make serve PYTHON=python3.13
PYTHON312 ?= python3.12
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
RUN := $(BIN)/python
# Notebooks run two at a time, and their matrices are small: more threads only wait for each other.
export OPENBLAS_NUM_THREADS := 1
# The tests of a file stay together, since they share what is dear to set up.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help serve book epub pyodide test test312 lab course notebooks assignments reference bench mutants constraints clean

help: ## list these verbs
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r verb text; do printf '  make %-12s %s\n' "$$verb" "$$text"; done

serve: book ## build the book where needed and serve it on this machine
	@$(RUN) -m book.serve

book: .venv/.book ## build the book into _build/html, with a zip of itself for reading offline
	@$(RUN) -m book.build

epub: .venv/.book ## build the book, and an EPUB of it beside the zip
	@$(RUN) -m book.epub

pyodide: .venv/.book ## fetch Python for the browser; with it, the book gets a lab where every notebook runs
	@$(RUN) -m book.pyodide

test: .venv/.test ## run every test; a browser and bubblewrap are installed if there are none
	@$(RUN) tests/browser/chromium.py
	@$(RUN) tests/grading/bubblewrap.py
	$(RUN) -m ruff check .
	$(RUN) -m pytest $(SIDE_BY_SIDE)
	$(RUN) -m pytest $(SIDE_BY_SIDE) -o addopts= --nbval --nbval-sanitize-with tests/nbval.cfg index.ipynb chapters solutions exercises

test312: ## run the losses' suite on what the browser has: Python 3.12 and NumPy 2.0.2, no PyTorch
	@test -d .venv/312 || { $(PYTHON312) -m venv .venv/312 && .venv/312/bin/python -m pip install --quiet numpy==2.0.2 \
		matplotlib==3.8.4 ipywidgets anywidget pytest hypothesis mpmath scikit-learn scipy scoringrules statsmodels tqdm; }
	cd tests && PYTHONPATH=.. ../.venv/312/bin/python -m pytest test_losses.py test_atlas.py
	PYTHONPATH=. .venv/312/bin/python -m pytest lossutils/engine.py lossutils/numerics.py lossutils/losses lossutils/metrics.py

lab: .venv/.lab ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab

course: .venv/.course ## install what an instructor needs to grade: python -m grading
	@echo "Now: .venv/bin/python -m grading --help"

notebooks: .venv/.book ## execute cover, chapters, and solutions and refresh their stored outputs
	@$(RUN) -m book.notebooks

assignments: .venv/.test ## generate exercises/ from solutions/
	@$(RUN) -m book.assignments

reference: .venv/.test ## ask PyTorch again: stored answers, and the page on where it is wrong
	@$(RUN) -m lossutils.verify --store --extreme > appendix/where-pytorch-is-wrong.md

bench: .venv/.test ## measure losses beside PyTorch, and the book's pages; write the pages on speed and weight
	$(RUN) -m pytest benchmarks

mutants: .venv/.test ## break every formula in turn and see that the tests notice; takes long
	$(RUN) tests/mutation.py

constraints: .venv/.test ## write the versions installed here to constraints.txt
	@$(RUN) -m pip freeze --exclude-editable | sed 's/^\(torch==[^+]*\)+.*/\1/' > constraints.txt
	@echo "constraints.txt has $$(wc -l < constraints.txt) pins"

clean: ## delete everything that was built, but not .venv
	rm -rf _build .pytest_cache .ruff_cache .benchmarks

.venv/.python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make serve PYTHON=/path/to/python3"; exit 1; }
	@echo "Creating .venv with $(PYTHON) …"
	@$(PYTHON) -m venv .venv
	@touch $@

define install
	@echo "Installing the packages for $(1), as pinned in constraints.txt; the first time takes minutes …"
	@$(RUN) -m pip install --quiet -c constraints.txt -e '.[$(2)]'
	@touch $@
endef

.venv/.book: .venv/.python pyproject.toml constraints.txt
	$(call install,the book,book$(,)torch)

.venv/.lab: .venv/.python pyproject.toml constraints.txt
	$(call install,JupyterLab,book$(,)torch$(,)lab)

.venv/.course: .venv/.python pyproject.toml constraints.txt
	$(call install,grading,book$(,)torch$(,)lab$(,)course$(,)cluster)

.venv/.test: .venv/.python pyproject.toml constraints.txt
	$(call install,the tests,book$(,)torch$(,)lab$(,)course$(,)cluster$(,)test$(,)bench)
	@touch .venv/.book .venv/.lab .venv/.course

, := ,
