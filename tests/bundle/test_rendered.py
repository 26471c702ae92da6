"""The bundles are what their source renders to, and hold what MONAI expects."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow, verify_net_in_out

from monai_cobot.data import datasets
from tests.bundle.conftest import ADOME, ALL, BRAST, BUNDLES, FAST, MOMO, SPLEN, code_of, run_bundle
from tests.bundle.small_data import small_data

USER_IDS = [
    "dataset_dir", "output_dir", "epochs", "method", "orchestrate", "sam", "sam_checkpoint",
    "image_size", "lr", "orchestration_lr", "relation_lr", "box_jitter", "eval_box_jitter", "seed",
    "split_file", "resume", "overwrite",
]  # fmt: skip


@pytest.fixture(scope="module")
def render() -> ModuleType:
    specification = importlib.util.spec_from_file_location("render", BUNDLES / "render.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    import sys

    sys.modules["render"] = module
    specification.loader.exec_module(module)
    return module


def test_no_drift(render: ModuleType) -> None:
    assert sorted(bundle.name for bundle in render.BUNDLES) == sorted(path.name for path in ALL)
    assert render.drift(BUNDLES) == []


def test_planted_drift_is_found(render: ModuleType, tmp_path: Path) -> None:
    """A changed line, a missing file, a file too many."""
    copied = tmp_path / "bundles"
    for bundle in ALL:
        shutil.copytree(bundle, copied / bundle.name)
    assert render.drift(copied) == []
    changed = copied / SPLEN.name / "configs" / "train.yaml"
    changed.write_text(changed.read_text().replace("epochs: 25", "epochs: 24"))
    (copied / MOMO.name / "configs" / "logging.conf").unlink()
    (copied / BRAST.name / "configs" / "extra.yaml").write_text("a: 1\n")
    assert render.drift(copied) == [
        f"{SPLEN.name}/configs/train.yaml",
        f"{MOMO.name}/configs/logging.conf",
        f"{BRAST.name}/configs/extra.yaml",
    ]


@pytest.mark.parametrize("bundle", ALL, ids=code_of)
def test_files_and_metadata(bundle: Path) -> None:
    for name in ("configs/train.yaml", "configs/evaluate.yaml", "configs/inference.yaml",
                 "configs/logging.conf", "configs/multi_gpu_train.yaml", "docs/README.md",
                 "docs/data_license.txt", "large_files.yml", "LICENSE"):  # fmt: skip
        assert (bundle / name).is_file(), name
        text = (bundle / name).read_text()
        assert "__" not in text.replace("__import__", "").replace("_target_", "")
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    organs = datasets.get(code_of(bundle)).labels
    assert metadata["label_classes"] == ", ".join(f"{n} {name}" for name, n in organs.items())


@pytest.mark.parametrize("bundle", ALL, ids=code_of)
def test_user_ids_are_alike(bundle: Path) -> None:
    config = yaml.safe_load((bundle / "configs" / "train.yaml").read_text())
    assert set(USER_IDS) <= set(config)
    numbers = ("lr", "orchestration_lr", "weight_decay")
    assert all(isinstance(config[name], float) for name in numbers)


def test_default_protocol_is_the_papers() -> None:
    config = yaml.safe_load((ADOME / "configs" / "train.yaml").read_text())
    wanted: dict[str, Any] = {
        "lr": 1.25e-6, "weight_decay": 5e-4, "batch_size": 1, "epochs": 25,
        "box_jitter": {"mode": "outward", "size": 50},
        "eval_box_jitter": {"mode": "outward", "size": 0},
    }  # fmt: skip
    assert {name: config[name] for name in wanted} == wanted


@pytest.fixture(scope="module", params=ALL, ids=code_of)
def bundle_and_data(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    return request.param, small_data(request.param, tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("configs", "kind"),
    [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "inference")],
)
def test_properties_that_monai_looks_for(
    bundle_and_data: tuple[Path, Path], tmp_path: Path, configs: list[str], kind: str
) -> None:
    bundle, data = bundle_and_data
    own = {"checkpoint": None} if kind == "inference" else {"checkpoint": "none"}
    workflow = ConfigWorkflow(
        [str(bundle / "configs" / f"{name}.yaml") for name in configs],
        workflow_type=kind,
        logging_file=False,
        dataset_dir=str(data),
        output_dir=str(tmp_path / "run"),
        **own,
        **FAST,
    )
    workflow.initialize()
    assert workflow.check_properties() == []


@pytest.mark.parametrize("bundle", ALL, ids=code_of)
def test_network_has_the_format_of_the_metadata(bundle: Path) -> None:
    """MONAI's own check, with the small SAM at the input size that the metadata states."""
    configs = bundle / "configs"
    with torch.no_grad():
        for config, own in (("train", {}), ("inference", {"checkpoint": "none"})):
            verify_net_in_out(
                net_id="network_def",
                meta_file=str(configs / "metadata.json"),
                config_file=str(configs / f"{config}.yaml"),
                device="cpu",
                sam="small",
                image_size=1024,
                **own,
            )


def test_optimiser_is_adam(cohort: Path) -> None:
    parser = ConfigParser(ConfigParser.load_config_file(str(ADOME / "configs" / "train.yaml")))
    parser.update({"sam": "small", "image_size": 64})
    optimizer = parser.get_parsed_content("optimizer")
    assert type(optimizer) is torch.optim.Adam
    rates = {g["name"]: (g["lr"], g["weight_decay"]) for g in optimizer.param_groups}
    assert rates == {
        "lr": (1.25e-6, 5e-4), "orchestration_lr": (1.25e-4, 0.0), "prompt_lr": (1e-3, 0.0),
    }  # fmt: skip


def test_relation_matrix_has_a_share_of_the_orchestrations_rate() -> None:
    parser = ConfigParser(ConfigParser.load_config_file(str(ADOME / "configs" / "train.yaml")))
    parser.update({"sam": "small", "image_size": 64, "relation_lr": "$@orchestration_lr / 24"})
    optimizer = parser.get_parsed_content("optimizer")
    (group,) = [group for group in optimizer.param_groups if group["name"] == "relation_lr"]
    assert group["lr"] == 1.25e-4 / 24
    assert [parameter.shape for parameter in group["params"]] == [(24, 24)]


def test_bundle_runs_where_its_folder_alone_is_copied(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = Path(shutil.copytree(ADOME, tmp_path / "elsewhere" / "my_segmentation"))
    monkeypatch.chdir("/")
    ids = {"dataset_dir": str(cohort), "output_dir": str(tmp_path / "run"), "epochs": 1, **FAST}
    workflow = run_bundle(copied, "train", **ids)
    assert workflow.parser.get_parsed_content("bundle_root") == str(copied)
    assert (tmp_path / "run" / "checkpoints" / "adapter_last.safetensors").is_file()


def test_frozen_split_applies_where_it_names_every_case(cohort: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(ADOME, tmp_path / "frozen_segmentation"))
    names = [f"phantom_{number:04d}" for number in range(1, 5)]
    frozen = {"training": names[2:], "validation": [names[1]], "test": [names[0]]}
    (copied / "configs" / "splits.json").write_text(json.dumps(frozen))
    ids = {"dataset_dir": str(cohort), "output_dir": str(tmp_path / "run"), "epochs": 1, **FAST}
    run_bundle(copied, "train", **ids)
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert {side: split[side] for side in frozen} == frozen
