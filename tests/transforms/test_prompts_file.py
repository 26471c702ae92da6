from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.errors import CobotError
from monai_cobot.transforms import BoxPrompt, MaskPrompt, load_prompts, write_prompts

ORGANS = {"liver": 1, "spleen": 3}


def document(**entry: Any) -> dict[str, Any]:
    box = {"organ": "spleen", "slice": 31, "box": [40, 52, 118.5, 130], **entry}
    return {
        "schema": "monai_cobot/prompts/1",
        "frame": "source",
        "units": "voxel edges",
        "cases": {"case_0001": {"boxes": [box]}},
    }


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_file_is_read_as_documented(tmp_path: Path) -> None:
    prompts = load_prompts(written(tmp_path, document()), ORGANS)
    assert prompts == {"case_0001": [BoxPrompt(3, 31, (40.0, 52.0, 118.5, 130.0))]}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    prompts = {"a": [BoxPrompt(1, 0, (0, 1, 2, 3.5)), BoxPrompt(3, 0, (0, 1, 2, 3))], "b": []}
    path = tmp_path / "new" / "prompts.json"
    write_prompts(path, prompts, ORGANS)
    assert load_prompts(path, ORGANS) == {"a": prompts["a"]}
    assert [file.name for file in path.parent.iterdir()] == ["prompts.json"]


def test_an_organ_without_a_name_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    with pytest.raises(CobotError, match=r"labels \[7\] are not in the organ table"):
        write_prompts(path, {"a": [BoxPrompt(7, 0, (0, 0, 1, 1))]}, ORGANS)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            document(organ="kidney"),
            "case case_0001, box 0: unknown organ 'kidney': choose of liver",
        ),
        (document(box=[1, 2, 3]), "does not follow .* at cases / case_0001 / boxes / 0 / box"),
        (document(slice=1.5), "at cases / case_0001 / boxes / 0 / slice: 1.5 is not of type"),
        (document(score=1), "Additional properties"),
        ({**document(), "schema": "other/2"}, "has schema 'other/2': give monai_cobot/prompts/1"),
        ({**document(), "frame": "RAS"}, "at frame: 'source' was expected"),
        ([1], "at top level"),
        ("{", "is no JSON"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        load_prompts(written(tmp_path, content), ORGANS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"cannot read prompts_file .*none\.json"):
        load_prompts(tmp_path / "none.json", ORGANS)


def document_2(**case: Any) -> dict[str, Any]:
    return {**document(), "schema": "monai_cobot/prompts/2", "cases": {"a": case}}


FLAT = {"organ": "spleen", "slice": 31, "box": [40, 52, 118.5, 130]}
SOLID = {"organ": "liver", "box3d": [1, 2, 30, 5, 6.5, 33]}


def test_version_2_has_all_that_version_1_has(tmp_path: Path) -> None:
    one = load_prompts(written(tmp_path, document()), ORGANS)
    two = load_prompts(written(tmp_path, {**document(), "schema": "monai_cobot/prompts/2"}), ORGANS)
    assert one == two


def test_version_2_as_documented(tmp_path: Path) -> None:
    boxes = [{**FLAT, "propagate": True, "up_to": [20, 40]}, {**FLAT, "propagate": False}]
    masks = [{"organ": "liver", "mask": "m/l.nii.gz", "label": 7, "up_to": [1, 2]}]
    masks += [{"organ": "spleen", "mask": "/abs/s.nii.gz"}]
    content = document_2(boxes=boxes, masks=masks)
    edges = (40.0, 52.0, 118.5, 130.0)
    assert load_prompts(written(tmp_path, content), ORGANS)["a"] == [
        BoxPrompt(3, 31, edges, propagate=True, up_to=(20, 40)),
        BoxPrompt(3, 31, edges),
        MaskPrompt(1, tmp_path / "m" / "l.nii.gz", 7, (1, 2)),
        MaskPrompt(3, Path("/abs/s.nii.gz"), 3),
    ]


@pytest.mark.parametrize(
    ("low", "high", "slices"),
    [(30, 33, [30, 31, 32]), (30.5, 32.5, [30, 31]), (30.6, 31.6, [31]), (30.2, 30.7, [30])],
)
def test_a_3d_box_is_its_box_on_every_slice_whose_middle_it_holds(
    tmp_path: Path, low: float, high: float, slices: list[int]
) -> None:
    solid = {"organ": "liver", "box3d": [1, 2, low, 5, 6.5, high]}
    flat = [{"organ": "liver", "slice": k, "box": [1, 2, 5, 6.5]} for k in slices]
    found = load_prompts(written(tmp_path, document_2(boxes=[solid])), ORGANS)
    assert found == load_prompts(written(tmp_path, document_2(boxes=flat)), ORGANS)


def test_what_propagates_is_written_as_version_2(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    prompts = [
        BoxPrompt(1, 0, (0, 1, 2, 3.5), propagate=True),
        BoxPrompt(3, 4, (0, 1, 2, 3), propagate=True, up_to=(2, 6)),
        BoxPrompt(3, 9, (0, 1, 2, 3)),
    ]
    write_prompts(path, {"a": prompts}, ORGANS)
    assert load_prompts(path, ORGANS) == {"a": prompts}
    assert json.loads(path.read_text())["schema"] == "monai_cobot/prompts/2"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"boxes": [FLAT, {**FLAT, **SOLID}]}, "case a, box 1: give either 'slice' and 'box'"),
        ({"boxes": [{"organ": "liver"}]}, "case a, box 0: give either 'slice' and 'box'"),
        ({"boxes": [{**SOLID, "propagate": True}]}, "a / boxes / 0: 'box' is a dependency of"),
        ({"boxes": [{**FLAT, "up_to": [1, 2]}]}, "a / boxes / 0: 'propagate' is a dependency of"),
        ({"boxes": [{"organ": "liver", "box": [1, 2, 3, 4]}]}, "'slice' is a dependency of 'box'"),
        ({"boxes": [{**FLAT, "propagate": True, "up_to": [1]}]}, "a / boxes / 0 / up_to: "),
        ({"boxes": [{**FLAT, "propagate": "yes"}]}, "a / boxes / 0 / propagate: 'yes' is not of"),
        ({"boxes": [{**SOLID, "box3d": [1, 2, 5, 5, 6, 5]}]}, "box 0: box3d .* middle of no slice"),
        ({"boxes": [{**SOLID, "box3d": [1, 2, 3]}]}, "a / boxes / 0 / box3d: "),
        ({"masks": [{"organ": "liver"}]}, "a / masks / 0: 'mask' is a required property"),
        ({"masks": [{"organ": "lung", "mask": "m"}]}, "case a, mask 0: unknown organ 'lung'"),
        ({}, "at cases / a: "),
    ],
)
def test_a_wrong_file_of_version_2_says_where(
    tmp_path: Path, case: dict[str, Any], message: str
) -> None:
    with pytest.raises(CobotError, match=message):
        load_prompts(written(tmp_path, document_2(**case)), ORGANS)


@pytest.mark.parametrize("entry", [{"propagate": True}, {"box3d": [1, 2, 3, 4, 5, 6]}])
def test_version_1_knows_nothing_of_that(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(CobotError, match=r"prompts/1 at .*Additional properties"):
        load_prompts(written(tmp_path, document(**entry)), ORGANS)
