"""The base model as it is, on real data that it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from segment_anything.modeling import Sam

from monai_cobot.data import datasets
from monai_cobot.errors import CobotError
from monai_cobot.evaluation.cases import BoxEvaluation
from monai_cobot.evaluation.mean_scores import JITTERS, MeanScore, mean_scores
from monai_cobot.metrics import Row, Run, write_csv
from monai_cobot.sam import BaseModel, predict_masks
from monai_cobot.transforms import BoxJitter

SUBSETS = ("BRAST", "SONAR", "NWPU", "COCO", "TRCAN", "MOMO", "ADOME")


def plain_run(base: BaseModel, jitter: BoxJitter, seed: int) -> Run:
    """The columns of a base model that is evaluated as it is, on no split."""
    return Run(
        method="zero_shot",
        orchestrate=False,
        seed=seed,
        split_hash="",
        split_by="patient",
        image_size=base.image_size,
        sam=base.sam,
        weights=base.weights,
        box_jitter=str(jitter),
    )


def zero_shot(
    sam: Sam,
    base: BaseModel,
    data_dir: str | Path,
    subsets: Sequence[str] = SUBSETS,
    output_dir: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Iterator[MeanScore]:
    """Mean Dice of SAM, filled box and ellipse for each jitter, a dataset after the other.

    Nothing is tuned and nothing is trained, so every labelled case is taken.

    Args:
        sam: the network.
        base: its identity.
        data_dir: holds a folder a dataset, named by its code.
        subsets: codes of datasets.
        output_dir: gets ``<code>/metrics.csv``.
        seed: of the jitter.
        progress: show bars.

    Raises:
        CobotError: a folder that is missing, an unknown dataset, or a table that is there already.
    """
    root = Path(data_dir).expanduser()
    missing = [code for code in subsets if not (root / datasets.get(code).code).is_dir()]
    if missing:
        raise CobotError(f"{root} has no folder {', '.join(missing)}: give others in --subsets")
    tables = (
        {code: Path(output_dir).expanduser() / code / "metrics.csv" for code in subsets}
        if output_dir is not None
        else {}
    )
    for table in tables.values():
        if table.exists():
            raise CobotError(f"{table} is there already: give another output folder, or remove it")
    network = partial(predict_masks, sam.eval())
    for code in subsets:
        spec = datasets.get(code)
        cases = spec.find_cases(root / code)
        rows: list[Row] = []
        for setting in JITTERS:
            jitter = BoxJitter.from_mapping(setting, base.image_size)
            evaluation = BoxEvaluation(
                network, plain_run(base, jitter, seed), jitter, seed, sam.device
            )
            found = evaluation.rows(spec, cases, progress)
            rows += found
            yield from mean_scores(code, found)
        if code in tables:
            write_csv(rows, tables[code])
