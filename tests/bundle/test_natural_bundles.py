"""The bundles of natural and remote-sensing images: from files to scores, small and real."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from pycocotools.coco import COCO as CocoApi

from monai_cobot.data import datasets
from monai_cobot.metrics import read_csv
from tests.bundle.conftest import COCO, FAST, NATURAL, SONAR, code_of, infer_with, run_bundle
from tests.bundle.small_pictures import LAYOUTS, TEST, small_pictures

# Of the paper, method.md section 6.
PROTOCOL = {
    "lr": 1e-4, "weight_decay": 5e-5, "epochs": 20, "batch_size": 1, "prompts": "box",
    "box_jitter": {"mode": "outward", "size": 50},
}  # fmt: skip


@pytest.mark.parametrize("bundle", NATURAL, ids=code_of)
def test_the_protocol_is_the_papers(bundle: Path) -> None:
    config = yaml.safe_load((bundle / "configs" / "train.yaml").read_text())
    assert {key: config[key] for key in PROTOCOL} == PROTOCOL


@pytest.mark.parametrize("bundle", NATURAL, ids=code_of)
def test_from_files_to_scores(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training, evaluation and inference from another working directory."""
    code = code_of(bundle)
    data, run = small_pictures(code, tmp_path / "data"), tmp_path / "run"
    monkeypatch.chdir("/")
    ids = {"dataset_dir": str(data), "output_dir": str(run), "epochs": 1, **FAST, "prompt_chunk": 2}
    run_bundle(bundle, "train", **ids)
    run_bundle(bundle, "train", "evaluate", **ids)
    rows = [row for row in read_csv(run / "metrics.csv") if row.method == "lora"]
    split = json.loads((run / "split.json").read_text())
    if code == "NWPU":  # drawn, not listed
        assert len(split["test"]) == round(0.3 * (TEST + 4))
    else:
        assert split["test"] == sorted(path.stem for path in _test_pictures(code, data))
    assert Counter(row.case for row in rows) == dict.fromkeys(split["test"], 3)  # no crowd
    for row in rows:
        assert 0 <= row.iou <= row.dice <= 1
        assert math.isclose(row.iou, row.dice / (2 - row.dice), rel_tol=1e-9)
        assert row.organ in datasets.get(code).names
    if code != "SONAR":
        assert sum(row.true_voxels for row in rows) == _area(code, data, split["test"])
    out = tmp_path / "inferred"
    infer_with(bundle, data, run, out)
    assert len(list(out.glob("*_seg.png"))) == TEST + 4


def _test_pictures(code: str, data: Path) -> list[Path]:
    if code == "SONAR":
        return [Path(name) for name in (data / "splits" / "test.txt").read_text().split()]
    content = json.loads((data / LAYOUTS[code][1][0]).read_text())
    return [Path(image["file_name"]) for image in content["images"]]


def _area(code: str, data: Path, cases: list[str]) -> int:
    """Pixels of the objects of some pictures, by pycocotools' own reading of the JSON."""
    total = 0
    for file, _ in LAYOUTS[code]:
        coco = CocoApi(data / file)
        for annotation in coco.loadAnns(coco.getAnnIds(iscrowd=False)):
            name = Path(coco.loadImgs(annotation["image_id"])[0]["file_name"]).stem
            total += int(coco.annToMask(annotation).sum()) if name in cases else 0
    return total


@pytest.mark.parametrize("bundle", NATURAL, ids=code_of)
def test_real_data_train_evaluate_infer(real_data: Path, tmp_path: Path, bundle: Path) -> None:
    """The subsets as they are distributed, with the small SAM."""
    code = code_of(bundle)
    data = some_of(real_data / code, tmp_path / "data", bundle)
    ids = {"dataset_dir": str(data), "output_dir": str(tmp_path / "run"), "epochs": 1, **FAST}
    del ids["sam_checkpoint"]
    ids |= {"image_size": 256, "max_instances": 8, "lr": 1e-6, "orchestration_lr": 1e-6}
    run_bundle(bundle, "train", **ids)
    run_bundle(bundle, "train", "evaluate", **ids)
    rows = read_csv(tmp_path / "run" / "metrics.csv")
    own = [row.iou for row in rows if row.method == "lora"]
    assert own
    box = [row.iou for row in rows if row.method == "filled_box"]
    # Exact boxes, and a network that has seen drawings alone: not far below the filled box.
    assert np.mean(own) > 0.6 * np.mean(box)
    infer_with(bundle, data, tmp_path / "run", tmp_path / "inferred")
    assert list((tmp_path / "inferred").glob("*_seg.png"))


@pytest.mark.slow
@pytest.mark.parametrize("image_size", [512, 1024])
@pytest.mark.parametrize("bundle", NATURAL, ids=code_of)
def test_vit_b_with_random_weights_takes_some_steps(
    real_data: Path, tmp_path: Path, bundle: Path, image_size: int
) -> None:
    """Real size, real pictures: three of a list for training and validation, one for the test."""
    data = some_of(real_data / code_of(bundle), tmp_path / "data", bundle, (3, 1))
    ids = {
        "dataset_dir": str(data),
        "output_dir": str(tmp_path / "run"),
        "sam": "vit_b",
        "sam_checkpoint": "random",
        "image_size": image_size,
        "epochs": 1,
        "max_instances": 4,
    }
    run_bundle(bundle, "train", **ids)
    run_bundle(bundle, "train", "evaluate", **ids)
    rows = [row for row in read_csv(tmp_path / "run" / "metrics.csv") if row.method == "lora"]
    assert {(row.weights, row.image_size) for row in rows} == {("random", image_size)}
    infer_with(bundle, data, tmp_path / "run", tmp_path / "out")
    assert list((tmp_path / "out").glob("*_seg.png"))


def some_of(source: Path, target: Path, bundle: Path, counts: tuple[int, int] = (6, 6)) -> Path:
    """Links to the dataset with shorter lists: a few pictures of the two."""
    target.mkdir()
    for path in source.iterdir():
        if path.name not in ("annotations", "splits") and path.suffix != ".json":
            (target / path.name).symlink_to(path)
    if bundle == SONAR:
        (target / "splits").mkdir()
        for path in (source / "splits").glob("*.txt"):
            names = path.read_text().split()[: counts[path.stem != "train"]]
            (target / "splits" / path.name).write_text("\n".join(names) + "\n")
        return target
    for (file, _), count in zip(LAYOUTS[code_of(bundle)], counts, strict=True):
        content = json.loads((source / file).read_text())
        kept = content["images"][:count]
        ids = {image["id"] for image in kept}
        content["images"] = kept
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_text(json.dumps(content))
    return target


def test_crowds_are_no_targets(tmp_path: Path) -> None:
    data = small_pictures("COCO", tmp_path / "data")
    cases = datasets.get(code_of(COCO)).find_cases(data)
    assert [sum(bool(i.get("crowd")) for i in case["instances"]) for case in cases] == [1] * 6
