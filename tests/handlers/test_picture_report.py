"""The report of pictures, against COCO's own program on COCO's own file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from monai_cobot.bundle import coco_ids
from monai_cobot.data import datasets
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.errors import CobotError
from monai_cobot.handlers import PictureReport
from monai_cobot.metrics import AP_SUMMARY, read_csv
from monai_cobot.transforms import decode_masks, instance_masks, targets
from tests.data.picture_files import annotation, block, image, save_mask, save_picture, write_coco
from tests.handlers.pictures import RUN, engines, shifted

# Both sides are the same program on the same numbers.
EXACT = 0.0


class WithoutFigures(PictureReport):
    """They are drawn in one test alone: they take most of the time."""

    def draw(self, figures: Path) -> None:
        pass


def report(cases: list[Case], spec: DatasetSpec, folder: Path, **options: Any) -> PictureReport:
    """The report of shifted truths, or another answer to them, written."""
    answer = options.pop("answer", shifted)
    handler = options.pop("kind", WithoutFigures)(
        spec.organs, RUN, folder, cases=cases, coco=coco_ids(cases, spec), **options
    )
    engine = None
    for engine in engines(cases, spec, answer):
        handler.entries.append(handler.entry(engine))
    handler.write(engine)
    return handler


def evaluated(truth_file: Path, results_file: Path) -> tuple[list[float], np.ndarray, list[str]]:
    """COCOeval as anybody runs it: its summary, the precision a category, the categories' names."""
    truth = COCO(str(truth_file))
    program = COCOeval(truth, truth.loadRes(str(results_file)), "segm")
    program.evaluate()
    program.accumulate()
    program.summarize()
    names = [truth.cats[id_]["name"] for id_ in program.params.catIds]
    return list(program.stats), program.eval["precision"][..., 0, -1], names


def check_ap(folder: Path, truth_file: Path) -> dict[str, Any]:
    """That `metrics.json` says what COCOeval says of the two files."""
    found = json.loads((folder / "metrics.json").read_text())["coco_ap"]
    stats, precision, names = evaluated(truth_file, folder / "coco_results.json")
    for name, value in zip(AP_SUMMARY, stats, strict=True):
        assert (-1.0 if found[name] is None else found[name]) == pytest.approx(value, abs=EXACT)
    for place, name in enumerate(names):
        known = precision[:, :, place][precision[:, :, place] > -1]
        assert found["classes"][name] == (pytest.approx(known.mean()) if known.size else None)
    return found


@pytest.fixture(scope="module")
def coco(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    """The report of COCO's validation pictures, and the pictures."""
    spec, folder = datasets.get("COCO"), tmp_path_factory.mktemp("report")
    cases = [c for c in spec.find_cases(real_data / "COCO") if c["part"] == "test"]
    report(cases, spec, folder)
    return folder, cases


def test_ap_is_that_of_cocoeval_on_cocos_own_file(
    coco: tuple[Path, list[Case]], real_data: Path
) -> None:
    folder, _ = coco
    original = real_data / "COCO" / "annotations" / "instances_val2017.json"
    assert any(a["iscrowd"] for a in json.loads(original.read_text())["annotations"])
    found = check_ap(folder, original)
    assert 0.1 < found["AP"] < 0.9  # neither all right nor all wrong
    assert check_ap(folder, folder / "coco_truth.json") == found


def test_rows_of_real_pictures_have_the_iou_of_pycocotools(coco: tuple[Path, list[Case]]) -> None:
    folder, cases = coco
    rows = {(r.case, r.instance): r for r in read_csv(folder / "metrics.csv") if r.method == "lora"}
    found = json.loads((folder / "coco_results.json").read_text())
    count = 0
    for case in cases:
        crowds = {str(i["instance"]) for i in case["instances"] if i.get("crowd")}
        assert not crowds & {instance for name, instance in rows if name == case["case"]}
        for instance in targets(case["instances"]):
            size = tuple(instance["size"])
            truth = instance_masks([instance], size).numpy().transpose(1, 2, 0)
            entry = found[count]
            assert entry["image_id"] == case["image_id"]
            (iou,) = coco_mask.iou([entry["segmentation"]], coco_mask.encode(
                np.asfortranarray(truth)), [0])[0]  # fmt: skip
            assert rows[case["case"], str(instance["instance"])].iou == iou
            count += 1
    assert count == len(found) == len(rows)


def small_coco(folder: Path) -> list[Case]:
    """Two pictures: a person, a car and a crowd; and nothing."""
    for name in ("000000000007", "000000000012"):
        save_picture(folder / "val2017" / f"{name}.jpg")
    crowd = {"counts": [0, 6, 42], "size": [6, 8]}
    write_coco(
        folder / "annotations" / "instances_val2017.json",
        [image(7, "000000000007.jpg"), image(12, "000000000012.jpg")],
        [
            annotation(31, 7, 2, area=7.5),
            annotation(32, 7, 1),
            annotation(33, 7, 1, iscrowd=1, segmentation=crowd, area=6),
        ],
        ("car", "person"),
    )
    return datasets.get("COCO").find_cases(folder)


def test_ids_areas_and_crowds_are_the_files_own(tmp_path: Path) -> None:
    cases = small_coco(tmp_path / "data")
    handler = report(cases, datasets.get("COCO"), tmp_path / "run")
    truth = json.loads((tmp_path / "run" / "coco_truth.json").read_text())
    assert [(i["id"], i["file_name"]) for i in truth["images"]] == [
        (7, "000000000007.jpg"), (12, "000000000012.jpg"),
    ]  # fmt: skip
    assert [(a["id"], a["category_id"], a["iscrowd"]) for a in truth["annotations"]] == [
        (31, 2, 0), (32, 1, 0), (33, 1, 1),
    ]  # fmt: skip
    assert [a["area"] for a in truth["annotations"]][::2] == [7.5, 6]
    found = json.loads((tmp_path / "run" / "coco_results.json").read_text())
    assert [(e["image_id"], e["category_id"]) for e in found] == [(7, 2), (7, 1)]
    for entry, kept in zip(found, handler.kept["box", "000000000007"].predictions, strict=True):
        mask = decode_masks([kept], (6, 8))[0]
        rows, columns = np.nonzero(mask)
        assert entry["bbox"] == [
            columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1,
        ]  # fmt: skip
        assert entry["segmentation"]["counts"] == kept["counts"]
        assert entry["score"] == entry["quality"]
    assert [row.instance for row in handler.rows if row.method == "lora"] == ["31", "32"]


def test_an_annotation_0_counts(tmp_path: Path) -> None:
    """COCOeval takes it for none, so it is numbered anew."""
    small_coco(tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "instances_val2017.json"
    path.write_text(path.read_text().replace('"id": 31', '"id": 0'))
    spec = datasets.get("COCO")
    report(spec.find_cases(tmp_path / "data"), spec, tmp_path, answer=np.copy)
    truth = json.loads((tmp_path / "coco_truth.json").read_text())
    assert [a["id"] for a in truth["annotations"]] == [1, 2, 3]
    assert check_ap(tmp_path, tmp_path / "coco_truth.json")["AP"] == pytest.approx(1)


def sonar(folder: Path) -> list[Case]:
    """Two pictures of index masks, as a datalist of one's own has them."""
    cases = []
    for number in (1, 2):
        mask = block(0, 0, 3, 4, value=3) + block(4, 5, 6, 8, value=9)
        cases.append(
            {
                "case": f"p{number}",
                "patient": f"p{number}",
                "image": str(save_picture(folder / f"p{number}.png")),
                "instances": [
                    {"instance": 1, "organ": "Chain", "value": 3},
                    {"instance": 2, "organ": "Tire", "value": 9},
                ],
            }
        )
        path = save_mask(folder / f"m{number}.png", mask)
        for instance in cases[-1]["instances"]:
            instance["index_mask"] = str(path)
    return cases


def test_a_truth_is_made_of_other_masks(tmp_path: Path) -> None:
    spec = datasets.get("SONAR")
    report(sonar(tmp_path), spec, tmp_path / "run")
    truth = json.loads((tmp_path / "run" / "coco_truth.json").read_text())
    assert [i["id"] for i in truth["images"]] == [1, 2]
    assert [(a["id"], a["image_id"], a["category_id"]) for a in truth["annotations"]] == [
        (1, 1, 3), (2, 1, 9), (3, 2, 3), (4, 2, 9),
    ]  # fmt: skip
    assert [a["area"] for a in truth["annotations"]] == [12, 6, 12, 6]
    (chain, tire) = truth["annotations"][:2]
    expected = np.stack([block(0, 0, 3, 4, value=1), block(4, 5, 6, 8, value=1)])
    found = [coco_mask.decode(each["segmentation"]) for each in (chain, tire)]
    np.testing.assert_array_equal(found, expected)
    check_ap(tmp_path / "run", tmp_path / "run" / "coco_truth.json")


def test_the_papers_protocol_of_pictures(tmp_path: Path) -> None:
    spec = datasets.get("SONAR")
    report(sonar(tmp_path), spec, tmp_path / "run", paper_protocol=True)
    rows = read_csv(tmp_path / "run" / "metrics.csv")

    def dice(protocol: str) -> list[tuple[str, str, str, float]]:
        return [(r.case, r.instance, r.method, r.dice) for r in rows if r.protocol == protocol]

    assert dice("paper") == dice("clinical")
    assert len(dice("paper")) == 3 * 4
    groups = json.loads((tmp_path / "run" / "metrics.json").read_text())["groups"]
    own = [r.dice for r in rows if (r.method, r.protocol) == ("lora", "paper")]
    (group,) = [g for g in groups if (g["method"], g["protocol"]) == ("lora", "paper")]
    assert group["mdice_over_instances"]["mean"] == pytest.approx(np.mean(own))


def test_what_cannot_be_reported_is_refused(tmp_path: Path) -> None:
    spec, jittered = datasets.get("SONAR"), replace(RUN, box_jitter="outward 50 px at 1024")
    with pytest.raises(CobotError, match="eval_box_jitter is outward 50 px at 1024: set its size"):
        PictureReport(spec.organs, jittered, tmp_path, paper_protocol=True)
    with pytest.raises(CobotError, match="paper_protocol: an instance needs a box"):
        PictureReport(spec.organs, RUN, tmp_path, paper_protocol=True, prompts="organ")
    ids = coco_ids(sonar(tmp_path), spec)
    with pytest.raises(CobotError, match="coco_ap: an instance needs a box"):
        PictureReport(spec.organs, RUN, tmp_path, coco=ids, prompts="organ")


def test_no_mask_is_kept_as_pixels(tmp_path: Path) -> None:
    """So that 5000 pictures fit: of a kept picture there are run lengths and boxes."""
    spec = datasets.get("SONAR")
    handler = report(sonar(tmp_path), spec, tmp_path / "run", kind=PictureReport)
    kept = handler.kept["box", "p1"]
    arrays = [value for value in vars(kept).values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in arrays] == [(2, 4)]
    assert [set(run) for run in kept.truths + kept.predictions] == [{"size", "counts"}] * 4
    assert sorted(path.name for path in (tmp_path / "run" / "figures").iterdir()) == [
        "best_p1.png", "dice.png", "worst_p2.png",
    ]  # fmt: skip
