# make demo   sets everything up and shows the main job on real input
# make test   linters, types, import rules, every suite and the wheel, as CI runs them
.PHONY: demo test test-cluster setup engine tools unit bench clean
PY := .venv/bin/python

demo: setup engine
	@$(PY) -m nightshift.daemon.cli demo $(ARGS); status=$$?; deploy/engine stop .engine; exit $$status

test: setup engine tools
	@tests/run; status=$$?; deploy/engine stop .engine; exit $$status

setup: .venv/.ready

.venv/.ready: requirements/dev.lock pyproject.toml deploy/setup
	@deploy/setup

engine:
	@deploy/engine start .engine

tools:
	@tests/tools

# the parts that act on a cluster, on the API server that KUBECONFIG names, in a namespace of their own
test-cluster: setup
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG names no API server"; exit 2; }
	@$(PY) -m pytest tests/integration -k "real_cluster" -rs

unit: setup
	@$(PY) -m pytest tests/unit

bench: setup engine
	@for b in benchmarks/*.py; do echo "== $$b"; $(PY) $$b || exit 1; done; deploy/engine stop .engine

clean:
	rm -rf .venv build dist .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
