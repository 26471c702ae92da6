# Needs Python >= 3.11 and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
BUNDLE := bundles/adome_abdomen_ct_segmentation/configs
DEMO ?= demo_output
DEMO_COHORT ?= --cases 8 --seed 7
# Boxes as by a quick hand: each side up to 20 px at 1024 (7 mm in a phantom) inside or outside of the
# truth's tight box. The same in training, validation and test, and for all answers.
DEMO_BOXES := {'mode': 'symmetric', 'size': 20}
DEMO_IDS ?= --dataset_dir $(DEMO)/phantoms --split_file $(DEMO)/split.json --sam small --prompts box \
	--box_jitter "$(DEMO_BOXES)" --eval_box_jitter "$(DEMO_BOXES)"
DEMO_TRAINING ?= --epochs 3 --weight_decay 0.0
# The best of six trials each on the validation patient (make demo-rates).
DEMO_decoder ?= --method lightweight --orchestrate false --lr 3.0e-4
DEMO_lora ?= --method lora --orchestrate false --lr 3.0e-4
DEMO_orchestrated ?= --method lora --orchestrate true --lr 3.0e-4 --orchestration_lr 1.0e-3
DEMO_TRAINED := decoder lora orchestrated

BUNDLE_RUN := $(RUN) -m monai.bundle run --config_file
EVALUATE := $(BUNDLE_RUN) "['$(BUNDLE)/train.yaml','$(BUNDLE)/evaluate.yaml']"
# $(call answer,NAME,SEED): one training and its evaluation on the test patients. The seed is that of
# the training; all evaluations have seed 0, so that all answers get the same boxes.
define answer
$(BUNDLE_RUN) $(BUNDLE)/train.yaml $(DEMO_IDS) $(DEMO_TRAINING) $(DEMO_$(1)) --seed $(2) \
	--output_dir $(DEMO)/$(1)_$(2)
$(EVALUATE) $(DEMO_IDS) $(DEMO_$(1)) --output_dir $(DEMO)/$(1)_$(2)

endef

.PHONY: demo demo-full demo-rates test test-all lint clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Synthetic patients; the shipped small SAM as it is and fine-tuned in three ways; Dice per organ.
demo: DEMO_SEEDS := 0
demo-full: DEMO_SEEDS := 0 1 2
demo demo-full: $(VENV)/installed
	rm -rf $(DEMO)/phantoms $(DEMO)/split.json $(DEMO)/table $(DEMO)/zero_shot \
		$(foreach name,$(DEMO_TRAINED),$(DEMO)/$(name)_[0-9]*)
	$(RUN) -m monai_cobot phantom --out $(DEMO)/phantoms $(DEMO_COHORT)
	$(EVALUATE) $(DEMO_IDS) --checkpoint none --output_dir $(DEMO)/zero_shot
	$(foreach name,$(DEMO_TRAINED),$(foreach seed,$(DEMO_SEEDS),$(call answer,$(name),$(seed))))
	$(RUN) -m monai_cobot scores --by-organ --out $(DEMO)/table \
		$(foreach name,zero_shot $(DEMO_TRAINED:=_[0-9]*),$(DEMO)/$(name)/metrics.csv)
	@echo "pictures: $(DEMO)/table/scores.png, and of every answer in $(DEMO)/*/figures"

# The trials behind the rates above; a stopped one goes on. Test patients are not read.
demo-rates: $(VENV)/installed
	test -d $(DEMO)/phantoms || $(RUN) -m monai_cobot phantom --out $(DEMO)/phantoms $(DEMO_COHORT)
	$(RUN) benchmarks/demo_rates.py --out $(DEMO)/rates -- $(DEMO_IDS) $(DEMO_TRAINING)

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
