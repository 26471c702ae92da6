"""The command: table, JSON, exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monai_cobot.cli import app
from monai_cobot.data.phantom import make_cohort
from monai_cobot.doctor.codes import ERRORS, INFOS, WARNINGS
from monai_cobot.errors import CobotError
from tests.conftest import REPOSITORY
from tests.data.picture_files import block, save_mask, save_picture
from tests.doctor import picture_faults as faults

RUNNER = CliRunner()


def run(*arguments: object, width: int = 120) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["doctor", *map(str, arguments)], env={"COLUMNS": str(width)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_clean_dataset_is_one_line(tmp_path: Path) -> None:
    root = faults.make_ships(tmp_path)
    status, text = run(root, "--dataset", "ssdd")
    assert (status, text) == (0, "SSDD, 4 cases: 0 errors, 0 warnings, 0 notes\n")


def test_what_was_found_is_counted(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort", 3, shape=(48, 48, 20))
    (cohort / "labels" / "phantom_0001.nii.gz").unlink()
    _, text = run(cohort, "--dataset", "ADOME", "--infos")
    assert "found: liver 2, kidney_right 2, " in text


@pytest.mark.parametrize("width", [80, 120])
def test_errors_make_exit_status_one_and_a_row(tmp_path: Path, width: int) -> None:
    root = faults.make_ships(tmp_path)
    faults.missing(root)
    status, text = run(root, "--dataset", "SSDD", width=width)
    assert status == 1
    assert "missing_image" in text
    assert "imgs/2.png" in text
    assert "SSDD, 3 cases: 1 error, 0 warnings, 0 notes" in text
    assert max(map(len, text.splitlines())) <= width


def test_warnings_leave_exit_status_zero(tmp_path: Path) -> None:
    root = faults.make_ships(tmp_path)
    faults.WARNINGS["box without area"][1](root)
    status, text = run(root, "--dataset", "SSDD")
    assert status == 0
    assert "box_empty" in text


def test_the_table_is_short_and_the_json_whole(tmp_path: Path) -> None:
    root = faults.make_ships(tmp_path / "ships")
    for number in (1, 2, 3):
        faults.picture(root, number).unlink()
    file = tmp_path / "found.json"
    _, text = run(root, "--dataset", "SSDD", "--limit", 1, "--json", file)
    assert "and 2 more of these" in text
    content = json.loads(file.read_text())
    assert content["schema"] == "monai_cobot/doctor/1"
    assert (content["dataset"], content["folder"], content["cases"]) == ("SSDD", str(root), 1)
    assert (content["errors"], content["warnings"], content["infos"]) == (3, 0, 0)
    assert content["found"] == {"ship": 1}
    assert [(r["case"], r["part"], r["instances"]) for r in content["records"]] == [
        ("4", "test", {"ship": 1})
    ]
    assert [f["case"] for f in content["findings"]] == ["1", "2", "3"]
    assert set(content["findings"][0]) == {"severity", "code", "case", "file", "what", "remedy"}


def test_a_file_is_never_replaced_silently(tmp_path: Path) -> None:
    root = faults.make_ships(tmp_path / "ships")
    file = tmp_path / "found.json"
    file.write_text("mine")
    with pytest.raises(CobotError, match="exists: choose another name, or give --overwrite"):
        run(root, "--dataset", "SSDD", "--json", file)
    assert file.read_text() == "mine"
    run(root, "--dataset", "SSDD", "--json", file, "--overwrite")
    assert json.loads(file.read_text())["errors"] == 0


def test_an_unknown_dataset_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="unknown dataset 'mine': choose one of ADOME"):
        run(tmp_path, "--dataset", "mine")


def test_every_code_is_described() -> None:
    """docs/doctor.md has a row a code, under the heading of its severity."""
    text = (REPOSITORY / "docs" / "doctor.md").read_text()
    for title, codes in (("Errors", ERRORS), ("Warnings", WARNINGS), ("Notes", INFOS)):
        section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(codes)


def test_every_code_of_the_package_is_known() -> None:
    """A code that no table lists would silently be an error."""
    known = {*ERRORS, *WARNINGS, *INFOS}
    used = set()
    for room in ("doctor", "data"):
        for path in (REPOSITORY / "monai_cobot" / room).glob("*.py"):
            pattern = r'(?:Problem|aside|_finding|Finding\.of|Refused)\(\s*"(\w+)"'
            used |= set(re.findall(pattern, path.read_text()))
    assert used
    assert used <= known


def test_a_dataset_of_ones_own(tmp_path: Path) -> None:
    """A datalist of pictures with an organ table, clean and with a mask of another size."""
    entries = []
    for number in range(3):
        picture = save_picture(tmp_path / f"p{number}.png", seed=number)
        save_mask(tmp_path / f"m{number}.png", block(1, 1, 3, 4, 1))
        entries.append({"image": picture.name, "mask": f"m{number}.png"})
    datalist, table = tmp_path / "list.json", tmp_path / "table.json"
    datalist.write_text(json.dumps({"training": entries}))
    table.write_text(json.dumps({"modality": "US", "organs": {"cyst": 1}}))
    status, text = run(datalist, "--organ-table", table)
    assert (status, "0 errors" in text) == (0, True), text
    save_mask(tmp_path / "m0.png", block(1, 1, 3, 4, 255))  # numbers that are no label
    save_mask(tmp_path / "m1.png", np.ones((3, 3)))
    status, text = run(datalist, "--organ-table", table)
    assert status == 1
    assert "m1.png" in text
    assert "m0.png" in text
    for wrong in ((), ("--dataset", "adome", "--organ-table", table)):
        with pytest.raises(CobotError, match="give --dataset"):
            run(datalist, *wrong)
