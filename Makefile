# Every target first makes .venv from uv.lock; a machine needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
UV := $(or $(shell command -v uv 2>/dev/null),.run/uv/bin/uv)
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format oracle fault bench dashboards up down engine

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY) ## Make or refresh .venv (the other targets do it when uv.lock or pyproject.toml changed).

.run/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: needs Python 3.11 or newer: PYTHON=... make")'
	$(PYTHON) -m venv .run/uv
	.run/uv/bin/pip install --quiet --disable-pip-version-check uv

$(READY): uv.lock pyproject.toml | $(UV)
	$(UV) sync --quiet --frozen --all-extras --compile-bytecode
	@touch $@

demo: $(READY) ## Watch accounts being scored; no server needed.
	@$(BIN)/accountpulse demo

test: $(READY) ## Everything but the long fault runs: pure tests first, then those against real servers.
	ACCOUNTPULSE_TEST_HISTORIES=$(or $(HISTORIES),25) $(BIN)/pytest -q -m "not servers and not fault" -n auto
	$(BIN)/pytest -q -m "servers and not fault" -n 3 --dist loadfile

check: $(READY) ## Lint, format, types, layers.
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(READY) ## Put every file into shape.
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format --quiet

oracle: $(READY) ## Engine against the independent reference over 1,000 random histories (HISTORIES=n); minutes.
	ACCOUNTPULSE_TEST_HISTORIES=$(or $(HISTORIES),1000) $(BIN)/pytest -q -n auto tests/oracle/test_oracle.py

fault: $(READY) ## Kill, freeze and starve real processes, SEEDS=3 times each kind; 50 to 70 minutes.
	ACCOUNTPULSE_TEST_FAULT_SEEDS=$(or $(SEEDS),3) $(BIN)/pytest -m fault

bench: $(READY) ## Measure, compare with the bars, write bench/results/latest.json (ARGS=--quick: try it).
	@$(BIN)/python -m compileall -q streams scoring alerts  # as in the image: a worker must not compile first
	@$(BIN)/python -m bench $(ARGS)

dashboards: $(READY) ## Write deploy/grafana/dashboards from deploy/grafana/dashboard.py.
	$(BIN)/python deploy/grafana/dashboard.py

COMPOSE ?= docker compose
SECRETS := deploy/secrets/redis_password deploy/secrets/grafana_password

up: engine $(SECRETS) ## Build and start everything in containers (LOAD=1: with a fleet that produces events).
	$(COMPOSE) $(if $(LOAD),--profile load) up --build --detach --wait
	@echo "Grafana http://127.0.0.1:$${GRAFANA_PORT:-3000} (admin, password in deploy/secrets/grafana_password)"
	@echo "Kafka   127.0.0.1:$${KAFKA_PORT:-29092} for producers on this machine; stop everything: make down"

down: engine ## Stop the containers; the data stays (`docker compose down --volumes` deletes it).
	$(COMPOSE) --profile load down

engine:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "make: needs '$(COMPOSE)': install Docker and its compose plugin, or set COMPOSE=..." >&2; exit 1; }
	@$(firstword $(COMPOSE)) info >/dev/null 2>&1 || { echo "make: no container engine answers: is Docker running, and may you use it?" >&2; exit 1; }

# the users inside the containers have to read the files, so it is the folder that keeps others out
deploy/secrets/%:
	@chmod 700 deploy/secrets
	@$(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' > $@
	@chmod 444 $@
