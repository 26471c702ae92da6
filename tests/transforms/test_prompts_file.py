from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_cobot.errors import CobotError
from monai_cobot.transforms import BoxPrompt, load_prompts, write_prompts

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
