# Each target is one line that calls aqw, pytest or docs/export.py. Windows users have `aqw` for all of it.
PY := .venv/bin/python
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install run test soak lab dashboard serve report export bench

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/installed: requirements.lock settings.ini setup.py
	python3 -m venv .venv
	.venv/bin/pip install -q uv
	.venv/bin/uv pip install -q --compile-bytecode -r requirements.lock
	.venv/bin/uv pip install -q --no-deps -e .
	if [ -d .git ]; then .venv/bin/nbdev_install_hooks; fi
	touch .venv/installed

install: .venv/installed  ## make .venv from requirements.lock

run: install  ## the whole flow: live data with a key, else simulated cities
	.venv/bin/aqw run

test: install  ## the tests a user runs
	.venv/bin/aqw test

soak: install  ## the long ones, and all of them at other moments and on a busy machine
	$(PY) tests/soak.py

lab dashboard serve: install  ## JupyterLab, the monitoring page, the API
	.venv/bin/aqw $@

report: install  ## the newest run's report again
	.venv/bin/aqw report

export: install  ## what the cells show, then package, assets and README from the notebooks
	$(PY) docs/notebooks.py --keep
	$(PY) docs/export.py

bench: install  ## the store against Feast, pandas, polars; figures in benchmarks/README.md
	$(PY) benchmarks/store.py
