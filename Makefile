# What a developer and CI run. `make` lists the targets; CONTRIBUTING.md says what they are for.

# Compiled things lie outside the folder, so that a fresh clone finds what an earlier one compiled.
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/flink-operator
export CARGO_TARGET_DIR ?= $(CACHE)/target

LOCAL_CLUSTER := cargo run --quiet --locked --package flink-cluster --bin local-cluster --

.DEFAULT_GOAL := help
.PHONY: help check test lives generate demo bench bench-scaling image jobs cluster-up cluster-down

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## The fast tests: format, lint, unit, scenario, world, chart, documents (minutes).
	@python3 scripts/run.py check

test: ## All tests, on a local cluster with real Flink (half an hour from a fresh machine; root).
	@python3 scripts/run.py test

lives: export LIVES ?= 1000000
lives: ## Random lives of a resource: LIVES of them, a million if not said, from seed SEED on.
	SEED=$${SEED:-1} cargo test --locked --profile lives --package flink-operator --test it lives::nothing

generate: ## Rewrite what is generated: definitions, chart copies, reference pages, goldens.
	@HELM=$$($(LOCAL_CLUSTER) path helm) UPDATE=1 INSTA_UPDATE=always \
		cargo test --quiet --locked --package flink-crds --package flink-scaler --package flink-operator
	@git status --short

demo: ## The local cluster, the operator and a job that scales itself (root).
	@scripts/demo.sh

bench: ## The benchmarks, and figures of the operator with 1,000 resources (a quarter of an hour).
	cargo bench --locked --package flink-scaler --package flink-operator
	cargo build --locked --release --package flink-operator
	cargo build --locked --package flink-cluster
	cargo run --locked --package flink-figures -- --program "$(CARGO_TARGET_DIR)/release/flink-operator"

bench-scaling: ## The autoscaler beside its peers on simulated jobs: tables, CSV and pictures (minutes).
	cargo run --release --locked --package bench-scaling -- --out "$(CARGO_TARGET_DIR)/bench-scaling"

image: ## The operator's image, made without Docker, as an archive in the target folder (root).
	cargo build --locked --release --package flink-operator
	@mkdir -p "$(CARGO_TARGET_DIR)/images"
	$(LOCAL_CLUSTER) images operator --save "$(CARGO_TARGET_DIR)/images"

jobs: ## The jars of the example jobs.
	mvn --quiet --batch-mode --file examples/jobs/pom.xml package -DskipTests

cluster-up: ## Start the local cluster (root).
	$(LOCAL_CLUSTER) up

cluster-down: ## End it and take back all it changed on this machine.
	$(LOCAL_CLUSTER) down
