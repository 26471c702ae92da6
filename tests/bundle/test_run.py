"""Train, evaluate and infer, with scores recomputed from the files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.losses import DiceCELoss

from monai_cobot.data import datasets
from monai_cobot.inferers import PromptedVolumeInferer
from monai_cobot.metrics import trivial_volume
from monai_cobot.sam import read_manifest
from monai_cobot.transforms import BoxJitter, prompts_from_label, slices_to_prompts, write_prompts
from tests.bundle.conftest import ADOME, FAST, Run, run_bundle

# The Dice is a ratio of integers on both sides.
EXACT = 1e-12
COLUMNS = [
    "case", "organ", "protocol", "prompts", "dice", "surface_dice", "hd95_mm", "hd95_px",
    "true_voxels", "predicted_voxels", "method", "orchestrate", "seed", "split_hash",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One training with its evaluation, shared by the tests that only read."""
    output = tmp_path_factory.mktemp("runs") / "trained"
    # So low a rate leaves the random masks of the random SAM; a few steps would empty them.
    ids = {"dataset_dir": str(cohort), "output_dir": str(output), "epochs": 2, **FAST, "lr": 1e-6}
    run_bundle(ADOME, "train", **ids)
    run_bundle(ADOME, "train", "evaluate", **ids, paper_protocol=True)
    return output


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_leaves_checkpoints_split_and_record(trained: Path) -> None:
    split = json.loads((trained / "split.json").read_text())
    assert [len(split[side]) for side in ("training", "validation", "test")] == [2, 1, 1]
    assert json.loads((trained / "run.json").read_text())["status"] == "finished"
    for which in ("best", "last"):
        manifest = read_manifest(trained / "checkpoints" / f"adapter_{which}.safetensors")
        assert manifest["split_hash"] == split["hash"]
        assert manifest["base"]["weights"] == "random"
        assert list(manifest["organs"]) == list(datasets.get("ADOME").names)
        assert manifest["preprocessing"] == {"modality": "CT", "window": [-160.0, 240.0]}
    assert not (trained / "checkpoints" / "training_state.pt").exists()
    assert list((trained / "tensorboard").iterdir())


def test_scores_equal_a_recomputation_from_the_files(trained: Path, cohort: Path) -> None:
    split = json.loads((trained / "split.json").read_text())
    labels = datasets.get("ADOME").labels
    rows = rows_of(trained)
    assert set(COLUMNS) <= set(rows[0])
    own = [r for r in rows if r["method"] == "lora" and r["protocol"] == "clinical"]
    assert {row["case"] for row in own} == set(split["test"])
    assert len(own) == 13 * len(split["test"])
    assert sum(0 < float(row["dice"]) < 1 for row in own) >= 5
    for row in own:
        truth = nib.load(cohort / "labels" / f"{row['case']}.nii.gz")
        answer = nib.load(trained / "predictions" / f"{row['case']}_seg.nii.gz")
        assert answer.shape == truth.shape
        assert np.array_equal(answer.affine, truth.affine)
        assert answer.header.get_xyzt_units() == truth.header.get_xyzt_units()
        a = np.asarray(truth.dataobj) == labels[row["organ"]]
        b = np.asarray(answer.dataobj) == labels[row["organ"]]
        dice = 2 * (a & b).sum() / (a.sum() + b.sum())
        assert math.isclose(float(row["dice"]), dice, abs_tol=EXACT)
        assert (int(row["true_voxels"]), int(row["predicted_voxels"])) == (a.sum(), b.sum())


def test_trivial_answers_and_both_protocols_stand_beside(trained: Path) -> None:
    rows = rows_of(trained)
    methods = {(row["method"], row["protocol"]) for row in rows}
    assert methods == {
        (method, protocol)
        for method in ("lora", "filled_box", "ellipse")
        for protocol in ("clinical", "paper")
    }
    assert {row["case"] for row in rows if row["protocol"] == "paper"} == {"pooled"}
    assert {row["prompts"] for row in rows} == {"box"}
    by_method = {
        method: np.mean(
            [float(r["dice"]) for r in rows if (r["method"], r["protocol"]) == (method, "clinical")]
        )
        for method in ("filled_box", "ellipse")
    }
    # Oracle boxes give most of the answer away; an answer in a wrong frame would be near zero.
    assert by_method["ellipse"] > 0.5
    assert by_method["filled_box"] > 0.5


def test_summary_and_pictures(trained: Path) -> None:
    summary = json.loads((trained / "metrics.json").read_text())
    assert summary["boxes"] == "oracle boxes"
    assert "absent" in summary["conventions"]
    group = summary["groups"][0]
    assert list(group["organs"]) == list(datasets.get("ADOME").names)
    assert group["organs"]["liver"]["n"] == 1
    assert (trained / "figures" / "dice.png").stat().st_size > 10_000
    assert [path.name for path in (trained / "figures").glob("best_*.png")]


def test_inference_with_a_prompts_file_is_the_evaluation(
    trained: Path, cohort: Path, infer: Run, tmp_path: Path
) -> None:
    """Boxes written in voxels of the source give the label map that evaluation wrote."""
    test = json.loads((trained / "split.json").read_text())["test"]
    spec = datasets.get("ADOME")
    images, prompts = tmp_path / "images", {}
    images.mkdir()
    for case in test:
        source = cohort / "images" / f"{case}_0000.nii.gz"
        (images / source.name).symlink_to(source)
        truth = nib.load(cohort / "labels" / f"{case}.nii.gz")
        ras = nib.as_closest_canonical(truth)
        label = torch.as_tensor(np.asarray(ras.dataobj).astype(np.uint8))[None]
        prompts[case] = slices_to_prompts(prompts_from_label(label), truth.affine, truth.shape)
    write_prompts(tmp_path / "boxes.json", prompts, spec.labels)
    infer(
        images,
        tmp_path / "out",
        prompts_file=str(tmp_path / "boxes.json"),
        checkpoint=str(trained / "checkpoints" / "adapter_best.safetensors"),
    )
    for case in test:
        name = f"{case}_seg.nii.gz"
        ours = np.asarray(nib.load(tmp_path / "out" / name).dataobj)
        evaluated = np.asarray(nib.load(trained / "predictions" / name).dataobj)
        assert np.array_equal(ours, evaluated)
        assert ours.any()


def test_inference_from_truth_says_oracle_boxes(
    trained: Path, cohort: Path, infer: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = str(trained / "checkpoints" / "adapter_last.safetensors")
    infer(cohort, tmp_path / "out", checkpoint=checkpoint)
    assert "oracle boxes" in caplog.text
    assert len(list((tmp_path / "out").glob("*_seg.nii.gz"))) == 4


def test_seed_and_freeze_in_the_rows(train: Run, evaluate: Run, tmp_path: Path) -> None:
    """The seed is the training's, whatever the evaluation's is; freeze needs no checkpoint."""
    split_file = str(tmp_path / "split.json")
    train(tmp_path / "run", seed=3, split_file=split_file)
    evaluate(tmp_path / "run", seed=4, split_file=split_file)
    assert {row["seed"] for row in rows_of(tmp_path / "run")} == {"3"}
    freeze = {"method": "freeze", "orchestrate": False, "split_file": split_file}
    evaluate(tmp_path / "freeze", **freeze)
    methods = {row["method"] for row in rows_of(tmp_path / "freeze")}
    assert methods == {"freeze", "filled_box", "ellipse"}


def test_jittered_boxes_are_the_same_for_all_and_again(
    trained: Path, cohort: Path, evaluate: Run, tmp_path: Path
) -> None:
    """The trivial answers are made from the boxes that the network was given."""
    ids = {"split_file": str(trained / "split.json"), "checkpoint": "none", "seed": 6}
    ids["eval_box_jitter"] = {"mode": "symmetric", "size": 100}
    workflow = evaluate(tmp_path / "a", **ids)
    evaluate(tmp_path / "b", **ids)
    assert (tmp_path / "a" / "metrics.csv").read_bytes() == (
        tmp_path / "b" / "metrics.csv"
    ).read_bytes()
    engine = workflow.parser.get_parsed_content("validate#evaluator")
    batch, (depth, height, width) = engine.state.batch, (16, 64, 64)
    jitter = BoxJitter("symmetric", 100, 64)
    inferer = PromptedVolumeInferer(64, jitter, seed=6)
    used = inferer.jittered_prompts(batch["prompts"], (height, width), batch["case"])
    assert not all(torch.equal(used[z][0], batch["prompts"][z][0]) for z in used)
    boxes = trivial_volume(used, (depth, height, width), "filled_box")
    rows = [row for row in rows_of(tmp_path / "a") if row["method"] == "filled_box"]
    predicted = {row["organ"]: int(row["predicted_voxels"]) for row in rows}
    for name, label in datasets.get("ADOME").labels.items():
        assert predicted[name] == (boxes == label).sum()
    assert {row["box_jitter"] for row in rows} == {"symmetric 100 px at 1024"}


def test_what_is_trained_and_logged(trained: Path, cohort: Path) -> None:
    """The paper's loss and optimiser; loss and validation Dice in TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    parser = ConfigParser(ConfigParser.load_config_file(str(ADOME / "configs" / "train.yaml")))
    loss = parser.get_parsed_content("loss")
    assert type(loss) is DiceCELoss
    assert loss.dice.sigmoid
    assert loss.dice.squared_pred
    tags: dict[str, list[int]] = {}
    for file in sorted((trained / "tensorboard").iterdir()):
        events = EventAccumulator(str(file))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            tags.setdefault(tag, []).extend(event.step for event in events.Scalars(tag))
    assert sorted(set(tags["validation_dice"])) == [1, 2]
    assert len(tags["train_loss"]) == 2 * 8


def test_a_users_split_file_is_left_as_it_is(train: Run, tmp_path: Path) -> None:
    names = [f"phantom_{number:04d}" for number in range(1, 5)]
    text = json.dumps(
        {"training": names[:2], "validation": [names[2]], "test": [names[3]], "note": "mine"}
    )
    (tmp_path / "mine.json").write_text(text)
    train(tmp_path / "run", split_file=str(tmp_path / "mine.json"))
    assert (tmp_path / "mine.json").read_text() == text
    written = json.loads((tmp_path / "run" / "split.json").read_text())
    assert written["test"] == [names[3]]
    assert len(written["hash"]) == 64


def test_an_evaluation_without_training_writes_its_split(evaluate: Run, tmp_path: Path) -> None:
    evaluate(tmp_path / "zero_shot", checkpoint="none")
    split = json.loads((tmp_path / "zero_shot" / "split.json").read_text())
    rows = rows_of(tmp_path / "zero_shot")
    assert {row["split_hash"] for row in rows} == {split["hash"]}
    assert {row["method"] for row in rows} == {"zero_shot", "filled_box", "ellipse"}


def test_split_by_slice_warns_and_keeps_the_sides_apart(
    train: Run, evaluate: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workflow = train(tmp_path / "leaky", split_by="slice")
    assert "leak" in caplog.text
    split = json.loads((tmp_path / "leaky" / "split.json").read_text())
    dataset = workflow.parser.get_parsed_content("train#dataset")
    assert len(dataset) == len(split["training"])
    evaluate(tmp_path / "leaky", split_by="slice")
    assert "these scores leak" in caplog.text
    own = [row for row in rows_of(tmp_path / "leaky") if row["method"] == "lora"]
    assert {row["split_by"] for row in own} == {"slice"}
    liver = {row["case"]: int(row["true_voxels"]) for row in own if row["organ"] == "liver"}
    case = split["test"][0].rpartition(":")[0]
    assert 0 < liver[case] < 5_000


def test_the_slice_cache_changes_nothing(trained: Path, cohort: Path, tmp_path: Path) -> None:
    """Training, validation and evaluation from the cache: the same files, byte for byte."""
    output, cache = tmp_path / "run", tmp_path / "cache"
    ids = {"dataset_dir": str(cohort), "output_dir": str(output), "epochs": 2, **FAST, "lr": 1e-6}
    ids |= {"cache_dir": str(cache), "seed": 0}
    run_bundle(ADOME, "train", **ids)
    assert len(list(cache.glob("*.json"))) == 3  # training and validation
    run_bundle(ADOME, "train", "evaluate", **ids, paper_protocol=True)
    assert len(list(cache.glob("*.json"))) == 4
    for name in ("checkpoints/adapter_best.safetensors", "metrics.csv", "metrics.json"):
        assert (output / name).read_bytes() == (trained / name).read_bytes()
