# Needs Python >= 3.11 and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
BUNDLE := bundles/adome_abdomen_ct_segmentation/configs
DEMO ?= demo_output
# The paper's rates do nothing on random weights within minutes: the demo has its own.
DEMO_RUN := --dataset_dir $(DEMO)/phantoms --sam small --epochs 3 --lr 5.0e-4 \
	--orchestration_lr 1.0e-2 --weight_decay 0 --box_jitter "{'mode': 'proportional', 'size': 0.1}" \
	--split_file $(DEMO)/split.json

.PHONY: demo test test-all lint clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Synthetic patients, a small SAM fine-tuned on them, Dice per organ before and after.
demo: $(VENV)/installed
	rm -rf $(DEMO)/phantoms $(DEMO)/run $(DEMO)/untrained $(DEMO)/split.json
	$(VENV)/bin/monai-cobot phantom --out $(DEMO)/phantoms --cases 8 --seed 7
	$(RUN) -m monai.bundle run --config_file $(BUNDLE)/train.yaml \
		$(DEMO_RUN) --output_dir $(DEMO)/run
	$(RUN) -m monai.bundle run --config_file "['$(BUNDLE)/train.yaml','$(BUNDLE)/evaluate.yaml']" \
		$(DEMO_RUN) --output_dir $(DEMO)/untrained --checkpoint none
	$(RUN) -m monai.bundle run --config_file "['$(BUNDLE)/train.yaml','$(BUNDLE)/evaluate.yaml']" \
		$(DEMO_RUN) --output_dir $(DEMO)/run
	$(VENV)/bin/monai-cobot scores $(DEMO)/run/metrics.csv $(DEMO)/untrained/metrics.csv
	@echo "metrics, figures and predictions: $(DEMO)/run"

lint: $(VENV)/installed
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# Two workers of one thread each: the tests are many and small.
test: lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -m "not slow and not zoo"

test-all: lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -m "not slow and not zoo"
	$(RUN) -m pytest -m "slow or zoo"

clean:
	rm -rf $(VENV)
