"""The direction of the imports, and the size of the files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "monai_cobot"

# What each room may import. `data` takes one door of `transforms`: volume to slices.
MAY_IMPORT = {
    "errors": set(),
    "registry": {"errors"},
    "whole_file": set(),
    "orchestration": {"errors"},
    "peft": {"errors", "registry"},
    "transforms": {"errors"},
    "metrics": {"errors"},
    "data": {"errors", "registry"},
    "sam": {"errors", "losses", "orchestration", "peft"},
    "export": {"errors", "peft", "sam"},
    "drawings": {"errors"},
    "pretraining": {"errors", "drawings", "transforms", "sam", "evaluation"},
    "losses": set(),
    "inferers": {"errors", "transforms", "losses"},
    "handlers": {"errors", "transforms", "metrics", "inferers", "sam"},
    "bundle": {
        *("errors", "transforms", "metrics", "inferers", "sam", "data", "handlers", "losses"),
    },
    "dicom": {"errors"},
    "segmentation": {"errors", "transforms", "data", "handlers", "bundle", "dicom"},
    "scenes": {"errors", "inferers", "segmentation"},
    "evaluation": {"errors", "transforms", "metrics", "inferers", "sam", "data"},
    "doctor": {"errors", "data"},
    "comparison": {"errors", "data", "transforms", "metrics", "peft", "sam", "bundle"},
    "cli": {
        *("errors", "transforms", "metrics", "inferers", "sam", "data", "handlers", "peft"),
        *("pretraining", "evaluation", "segmentation", "doctor", "export", "comparison"),
        "scenes",
    },
}
# Leaves that every room may use.
MAY_IMPORT = {room: rooms | {"whole_file"} for room, rooms in MAY_IMPORT.items()}
EXCEPTIONS = {("data/slices.py", "transforms"), ("data/slice_cache.py", "transforms")}

# Longer than 300 lines, and why.
LONG: dict[str, str] = {}


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "monai_cobot":
                names = [f"monai_cobot.{alias.name}" for alias in node.names]
        rooms |= {n.split(".")[1] for n in names if n.startswith("monai_cobot.")}
    return rooms


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) in MAY_IMPORT)


def test_every_room_is_known() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert rooms - set(MAY_IMPORT) == {"__init__", "__main__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room, name = room_of(path), path.relative_to(PACKAGE).as_posix()
    strangers = imported_rooms(path) - {room} - MAY_IMPORT[room]
    assert {s for s in strangers if (name, s) not in EXCEPTIONS} == set()


def test_words_stay_in_their_rooms() -> None:
    """The methods never mention the orchestration, which mentions neither LoRA nor SAM."""
    for path in (PACKAGE / "orchestration").glob("*.py"):
        names = {
            n.id.lower() for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)
        }
        assert not [name for name in names if "lora" in name or "adaptformer" in name], path


def test_files_are_short() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(REPOSITORY / "tests").rglob("*.py")]:
        lines = len(path.read_text().splitlines())
        assert lines <= 300 or path.relative_to(REPOSITORY).as_posix() in LONG, (path, lines)
