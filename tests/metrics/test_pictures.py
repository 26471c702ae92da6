"""Box plot, overlay, callouts and the choice of what to show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from monai_cobot.errors import CobotError
from monai_cobot.metrics import (
    dice_box_plot,
    instance_overlay,
    overlay,
    representative_cases,
    telling_slice,
)
from monai_cobot.metrics.box_plot import _title
from monai_cobot.metrics.callouts import Target, innermost, name_targets, spread


@pytest.fixture
def stack() -> dict[str, np.ndarray]:
    truth = np.zeros((3, 40, 60), np.uint8)
    truth[1, 10:20, 5:25], truth[1, 10:20, 35:45], truth[0, 5:30, 5:50] = 1, 2, 1
    image = np.full(truth.shape, 90, np.uint8)
    return {"image": image, "truth": truth, "prediction": np.roll(truth, 2, axis=2)}


def colours(path) -> set[tuple[int, ...]]:
    pixels = (imread(path)[..., :3] * 255).round().astype(np.uint32)
    packed = np.unique(pixels @ np.array([1 << 16, 1 << 8, 1], np.uint32))
    return {(int(v) >> 16, int(v) >> 8 & 255, int(v) & 255) for v in packed}


TRUTH, PREDICTION = (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00)


def test_overlay_draws_truth_and_prediction(tmp_path, organs, stack):
    prompts = {1: ([[5, 10, 25, 20], [35, 10, 45, 20]], [1, 2])}
    overlay(**stack, prompts=prompts, organs=organs, path=tmp_path / "o.png", title="best: c")
    assert {TRUTH, PREDICTION} <= colours(tmp_path / "o.png")
    assert [p.name for p in tmp_path.iterdir()] == ["o.png"]


def test_overlay_of_a_missed_case_without_prompts(tmp_path, organs, stack):
    stack["prediction"] = np.zeros_like(stack["prediction"])
    overlay(**stack, prompts={}, organs=organs, path=tmp_path / "o.png")
    drawn = colours(tmp_path / "o.png")
    assert TRUTH in drawn


def test_overlay_proportions(tmp_path, organs, stack):
    sizes = []
    for spacing in ((1.0, 1.0), (1.0, 2.0)):
        overlay(**stack, prompts={}, organs=organs, path=tmp_path / "o.png", pixel_spacing=spacing)
        sizes.append(imread(tmp_path / "o.png").shape[:2])
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] - sizes[0][1] == pytest.approx(6.0 * 150 * 60 / 40, abs=2)


def test_overlay_of_an_empty_black_slice(tmp_path, organs):
    empty = np.zeros((1, 8, 8), np.uint8)
    overlay(empty, empty, empty, {}, organs, tmp_path / "o.png")
    assert (tmp_path / "o.png").is_file()


def test_overlay_bad_input(tmp_path, organs, stack):
    with pytest.raises(CobotError, match=r"slice 7 cannot be drawn in .*o\.png: choose 0 to 2"):
        overlay(**stack, prompts={}, organs=organs, path=tmp_path / "o.png", z=7)
    stack["truth"] = stack["truth"][:2]
    with pytest.raises(CobotError, match=r"must be one \(Z, H, W\)"):
        overlay(**stack, prompts={}, organs=organs, path=tmp_path / "o.png")
    assert not list(tmp_path.iterdir())


def instances(count: int) -> dict[str, np.ndarray | list[str]]:
    truths = np.zeros((count, 60, 80), bool)
    for number, mask in enumerate(truths):
        mask[5 + number % 40 : 15 + number % 40, 10:30] = True
    return {
        "truths": truths,
        "predictions": np.roll(truths, 3, axis=2),
        "boxes": [[10, 5 + n % 40, 30, 15 + n % 40] for n in range(count)],
        "classes": ["ship"] * count,
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_overlay_of_overlapping_instances_of_a_class(tmp_path, channels):
    image = np.full((channels, 60, 80), 90, np.uint8)
    instance_overlay(image, **instances(2), path=tmp_path / "o.png", title="picture 7")
    assert {TRUTH, PREDICTION} <= colours(tmp_path / "o.png")


def test_overlay_of_a_colour_picture_shows_its_colours(tmp_path):
    image = np.zeros((3, 60, 80), np.uint8)
    image[0] = 200
    instance_overlay(image, **instances(1), path=tmp_path / "o.png")
    assert (200, 0, 0) in colours(tmp_path / "o.png")


def test_overlay_of_more_instances_than_fit_and_of_none(tmp_path):
    image = np.full((1, 60, 80), 90, np.uint8)
    instance_overlay(image, **instances(45), path=tmp_path / "many.png")
    instance_overlay(image, **instances(0), path=tmp_path / "none.png")
    assert TRUTH in colours(tmp_path / "many.png")
    assert (tmp_path / "none.png").is_file()


def test_overlay_without_truth_has_scores_in_place_of_dice(tmp_path, monkeypatch):
    figures = []
    original = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: figures.append(self) or original(self, *a, **k)
    )
    image, given = np.full((1, 60, 80), 90, np.uint8), instances(2) | {"truths": None}
    instance_overlay(image, **given, path=tmp_path / "o.png", scores=[0.25, 0.75])
    drawn = colours(tmp_path / "o.png")
    assert PREDICTION in drawn
    assert TRUTH not in drawn
    (axes,) = figures[0].axes
    assert {text.get_text() for text in axes.texts} == {"ship  0.25", "ship  0.75"}
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["prediction", "prompt box"]
    with pytest.raises(CobotError, match="without truths P scores"):
        instance_overlay(image, **given, path=tmp_path / "o.png", scores=[0.25])


def test_the_largest_are_named():
    axes = Figure().add_subplot()
    nothing = np.zeros((40, 40), bool)
    targets = [Target("gone", nothing, nothing)]
    for size in range(1, 31):
        own = nothing.copy()
        own[:size, 35] = True  # all on the right side
        targets.append(Target(f"t{size}", own, own))
    assert name_targets(axes, targets, (0, 40, 0, 40)) == 12
    assert {text.get_text().split()[0] for text in axes.texts} == {
        f"t{size}" for size in range(13, 31)
    }


def test_overlay_of_instances_bad_input(tmp_path):
    given = instances(2)
    given["classes"] = ["ship"]
    with pytest.raises(CobotError, match=r"and 1 classes cannot be drawn in .*o\.png: give"):
        instance_overlay(np.zeros((1, 60, 80), np.uint8), **given, path=tmp_path / "o.png")


def test_names_never_overlap_and_move_little():
    heights = [0.1, 0.11, 0.12, 0.5, 0.97, 0.98]
    spaced = spread(heights)
    assert np.diff(spaced).min() >= 0.055 - 1e-12
    assert spaced[0] >= 0
    assert spaced[-1] <= 1
    assert spaced[3] == pytest.approx(0.5)
    assert spread([0.2, 0.8]) == pytest.approx([0.2, 0.8])
    assert spread([0.5, 0.5]) == pytest.approx([0.5 - 0.0275, 0.5 + 0.0275])
    assert spread([]) == []


def test_the_anchor_lies_in_the_organ():
    ring = np.zeros((20, 20), bool)
    ring[2:18, 2:18] = True
    ring[6:14, 6:14] = False
    row, column = innermost(ring)
    assert ring[int(row), int(column)]


def test_telling_slice(stack):
    assert telling_slice(stack["truth"]) == 1  # two organs, although slice 0 has more target
    assert telling_slice((stack["truth"] == 1).astype(np.uint8)) == 0


def test_representative_cases(make_row):
    dice = {"a": 0.5, "b": 0.9, "c": 0.1, "d": 0.6, "e": 0.7}
    rows = [make_row(case=c, dice=d) for c, d in dice.items()]
    rows.append(make_row(case="c", dice=1.0, method="filled_box", orchestrate=False))
    rows.append(make_row(case="b", dice=math.nan, organ="aorta"))
    assert representative_cases(rows) == {"best": "b", "median": "d", "worst": "c"}
    assert representative_cases(rows[:2]) == {"best": "b", "worst": "a"}
    assert representative_cases(rows[:1]) == {"best": "a"}
    assert representative_cases([]) == {}


@pytest.mark.parametrize("cases", [1, 3, 8])
def test_box_plot(tmp_path, make_row, cases):
    rows = [
        make_row(case=str(c), organ=o, dice=c / 10 + 0.1 if o == "liver" else math.nan, **method)
        for c in range(cases)
        for o in ("liver", "adrenal_gland_right")
        for method in ({"method": "lora"}, {"method": "filled_box", "orchestrate": False})
    ]
    dice_box_plot(rows, tmp_path / "dice.png")
    drawn = colours(tmp_path / "dice.png")
    assert (0x00, 0x72, 0xB2) in drawn
    assert (0x99, 0x99, 0x99) in drawn
    with pytest.raises(CobotError, match="no clinical rows"):
        dice_box_plot([], tmp_path / "none.png")


def test_box_plot_says_of_how_many(make_row):
    volumes = [make_row(case=c, organ=o) for c in "ab" for o in ("liver", "aorta")]
    assert _title(volumes) == "Dice per organ, 2 cases"
    pictures = [make_row(case=c, instance=i, organ="ship") for c in "ab" for i in "123"]
    assert _title(pictures) == "Dice per class, 6 instances in 2 pictures"
    assert _title(pictures[:1]) == "Dice per class, 1 instance in 1 picture"


def test_box_plot_of_many_series_has_its_whole_legend(tmp_path, make_row, monkeypatch):
    """Six series, as the demo has them: every name within the figure."""
    figures = []
    original = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: figures.append(self) or original(self, *a, **k)
    )
    methods = [("ellipse", False), ("filled_box", False), ("zero_shot", False),
               ("lightweight", False), ("lora", False), ("lora", True)]  # fmt: skip
    rows = [make_row(method=method, orchestrate=both) for method, both in methods]
    dice_box_plot(rows, tmp_path / "d.png")
    (legend,) = figures[0].legends
    extent = legend.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figures[0].bbox.x1
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [
        "zero shot", "decoder only", "LoRA", "LoRA + orchestration", "ellipse", "filled box",
    ]  # fmt: skip
