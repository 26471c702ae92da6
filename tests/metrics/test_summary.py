"""metrics.json against numbers worked by hand and a bootstrap written a second time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from monai_cobot.metrics import Row, summarise, write_json

EXACT = 1e-12
# Percentiles of 2000 resamples: two seeds differ by about a hundredth of the spread.
MONTE_CARLO = 0.02


def only_group(summary):
    (group,) = summary["groups"]
    return group


def test_counts_means_and_deviations(make_row):
    rows = [
        make_row(case="a", dice=0.9, hd95_mm=2.0),
        make_row(case="b", dice=0.5, hd95_mm=6.0),
        make_row(case="c", dice=0.0, hd95_mm=math.inf, predicted_voxels=0),
        make_row(case="d", dice=math.nan, hd95_mm=math.nan, true_voxels=0, predicted_voxels=0),
        make_row(case="e", dice=0.0, hd95_mm=math.nan, true_voxels=0),
    ]
    organ = only_group(summarise(rows))["organs"]["liver"]
    counts = {key: organ[key] for key in ("n", "n_absent", "n_missed", "n_false")}
    assert counts == {"n": 4, "n_absent": 1, "n_missed": 1, "n_false": 1}
    assert organ["dice"]["mean"] == pytest.approx(1.4 / 4, abs=EXACT)
    assert organ["dice"]["std"] == pytest.approx(math.sqrt(0.57 / 3), abs=EXACT)
    assert organ["hd95_mm"]["n"] == 2
    assert organ["hd95_mm"]["mean"] == pytest.approx(4.0, abs=EXACT)


def test_interval_is_the_bootstrap_over_patients(make_row):
    values = np.linspace(0.2, 0.9, 8)
    rows = [make_row(case=f"c{i}", dice=float(v)) for i, v in enumerate(values)]
    low, high = only_group(summarise(rows))["organs"]["liver"]["dice"]["interval"]
    rng = np.random.default_rng(99)
    means = rng.choice(values, size=(20000, 8)).mean(axis=1)
    assert low == pytest.approx(np.percentile(means, 2.5), abs=MONTE_CARLO)
    assert high == pytest.approx(np.percentile(means, 97.5), abs=MONTE_CARLO)


def test_two_scans_of_a_patient_are_drawn_together(make_row):
    values = {"p": (0.1, 0.3), "q": (0.8, 1.0)}
    rows = [
        make_row(case=f"{patient}{i}", patient=patient, dice=dice)
        for patient, scans in values.items()
        for i, dice in enumerate(scans)
    ]
    group = only_group(summarise(rows))
    assert (group["cases"], group["patients"]) == (4, 2)
    # Only pp, pq and qq can be drawn: the ends of the interval are the two patients' means.
    interval = group["organs"]["liver"]["dice"]["interval"]
    assert interval == pytest.approx([0.2, 0.9], abs=EXACT)


def test_one_patient_has_no_interval_and_no_deviation(make_row):
    dice = only_group(summarise([make_row()]))["organs"]["liver"]["dice"]
    assert dice["interval"] is None
    assert math.isnan(dice["std"])


def test_mean_over_organs_weighs_organs_alike(make_row):
    rows = [
        make_row(case="a", organ="liver", dice=0.9),
        make_row(case="b", organ="liver", dice=0.7),
        make_row(case="a", organ="aorta", dice=0.2),
        make_row(case="b", organ="aorta", dice=math.nan, true_voxels=0, predicted_voxels=0),
        make_row(case="a", organ="spleen", dice=math.nan, true_voxels=0, predicted_voxels=0),
    ]
    mean = only_group(summarise(rows))["mean_over_organs"]["dice"]
    assert mean["n_organs"] == 2
    assert mean["mean"] == pytest.approx((0.8 + 0.2) / 2, abs=EXACT)
    # Cases: a has (0.9 + 0.2) / 2, b has 0.7.
    assert mean["std"] == pytest.approx(np.std([0.55, 0.7], ddof=1), abs=EXACT)
    # Resamples: aa (0.9 + 0.2) / 2, ab (0.8 + 0.2) / 2, bb 0.7 alone.
    assert mean["interval"] == pytest.approx([0.5, 0.7], abs=EXACT)


def test_instances_of_pictures_each_count(make_row):
    rows = [
        make_row(case="a", instance="1", organ="ship", dice=1.0, iou=1.0),
        make_row(case="a", instance="2", organ="ship", dice=0.5, iou=1 / 3),
        make_row(case="b", instance="1", organ="tire", dice=0.0, iou=0.0),
        make_row(case="b", instance="2", organ="ship", dice=0.6, iou=0.6 / 1.4),
    ]
    group = only_group(summarise(rows))
    assert [group[key] for key in ("instances", "cases", "patients")] == [4, 2, 2]
    assert group["organs"]["ship"]["n"] == 3
    assert group["organs"]["ship"]["iou"]["mean"] == pytest.approx((1 + 1 / 3 + 3 / 7) / 3)
    over_classes, over_rows = (group[key]["iou"] for key in ("mean_over_organs", "mean_over_rows"))
    assert over_classes["mean"] == pytest.approx((1 + 1 / 3 + 3 / 7) / 6)
    assert over_rows["mean"] == pytest.approx((1 + 1 / 3 + 3 / 7) / 4)
    assert over_rows["n"] == 4
    named = {key: group[key]["mean"] for key in group if key.startswith(("miou", "mdice"))}
    assert named == {
        "miou_over_classes": pytest.approx((1 + 1 / 3 + 3 / 7) / 6),
        "miou_over_instances": pytest.approx((1 + 1 / 3 + 3 / 7) / 4),
        "mdice_over_classes": pytest.approx((1 + 0.5 + 0.6) / 6),
        "mdice_over_instances": pytest.approx((1 + 0.5 + 0.6) / 4),
    }
    # Pictures are resampled whole: aa, ab, bb.
    interval = group["mean_over_rows"]["dice"]["interval"]
    assert interval == pytest.approx([0.3, 0.75], abs=EXACT)
    volumes = only_group(summarise([make_row()]))
    assert volumes["instances"] == 0
    assert "miou_over_classes" not in volumes


def test_groups_are_kept_apart_and_independent(make_row):
    lora = [make_row(case=c, dice=d) for c, d in (("a", 0.5), ("b", 0.6), ("c", 0.9))]
    box = [make_row(case=c, method="filled_box", orchestrate=False, dice=0.4) for c in "abc"]
    paper = [make_row(case="pooled", protocol="paper", dice=0.7)]
    together, alone = summarise(lora + box + paper, seed=3), summarise(lora, seed=3)
    assert [(g["method"], g["protocol"]) for g in together["groups"]] == [
        ("lora", "clinical"),
        ("filled_box", "clinical"),
        ("lora", "paper"),
    ]
    assert together["groups"][0] == alone["groups"][0]


def test_file_is_strict_json(tmp_path, make_row):
    rows = [make_row(dice=0.0, hd95_mm=math.inf, predicted_voxels=0)]
    write_json(summarise(rows), tmp_path / "metrics.json")
    text = (tmp_path / "metrics.json").read_text()
    summary = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    organ = only_group(summary)["organs"]["liver"]
    assert organ["hd95_mm"] == {"n": 0, "mean": None, "std": None, "interval": None}
    assert {"absent", "missed", "false", "spacing", "paper"} <= set(summary["conventions"])


def test_different_models_are_not_pooled_and_trivial_answers_count_once(
    make_row: Callable[..., Row],
) -> None:
    small, large = make_row(sam="small"), make_row(sam="vit_b", dice=0.9)
    trivial = {"method": "filled_box", "orchestrate": False, "sam": "", "weights": ""}
    boxes = [make_row(**trivial, seed=seed, image_size=size) for seed, size in ((0, 256), (1, 512))]
    groups = summarise([small, large, *boxes])["groups"]
    assert [(g["method"], g["sam"], g["organs"]["liver"]["n"]) for g in groups] == [
        ("lora", "small", 1),
        ("lora", "vit_b", 1),
        ("filled_box", "", 1),
    ]
