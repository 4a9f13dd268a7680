# All that a newcomer needs. Each target is a script with a header that says what it does and what it never does.

.PHONY: help run dev test soak soak-rollouts soak-registry demo bench bench-registry engine-stop

help:
	@echo "make run          build and start the portal; says where to open it and how to sign in"
	@echo "make dev          the same unoptimised, built and started again when a file changes"
	@echo "make test         all tests, with Chromium, PostgreSQL and a Docker Engine of their own"
	@echo "make soak         ten minutes of use while the portal, the engine and containers are killed (SOAK_MINUTES, SOAK_SEED)"
	@echo "make soak-rollouts  the portal is killed in the middle of twenty rolling updates, the engine in some more, and its disk is full (SOAK_KILLS, SOAK_SEED)"
	@echo "make soak-registry  ten minutes of pushes and deletions while the registry collects and is killed"
	@echo "make bench        figures against peers on this machine"
	@echo "make bench-registry  the registry's figures, closer: parallel transfers, manifests, tags, collection"
	@echo "make demo         fill the running portal with something to look at"
	@echo "make engine-stop  end the engine that make run started"

run:
	@scripts/run.sh

dev:
	@scripts/dev.sh

test:
	@scripts/test.sh

soak:
	@scripts/soak.sh

bench:
	@scripts/bench.sh

bench-registry:
	@scripts/bench.sh registry

soak-rollouts:
	@scripts/soak.sh rollouts

soak-registry:
	@scripts/soak.sh registry

demo:
	@scripts/setup.sh demo && node scripts/demo.mjs

engine-stop:
	@scripts/engine.sh stop "$${SLIPWAY_DATA_DIR:-data}-engine"
