"""``monai-cobot methods``: what can be fine-tuned, and with how many parameters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from monai_cobot.peft import Method


@dataclass(frozen=True)
class MethodRow:
    """One method on one SAM; the mask decoder is not counted.

    ``foldable``: there is an orchestration, and it folds into the plain method. ``mergeable``: the
    method goes into SAM's own weights (after folding). ``identity_at_start``: ``exact`` where an
    untrained model gives SAM's output to the bit, else ``no``. ``reasons``: why a property is not
    there, by its name.
    """

    method: str
    orchestrate: bool
    parameters: int
    trains_decoder: bool
    foldable: bool
    mergeable: bool
    orchestratable: bool
    identity_at_start: str
    reasons: dict[str, str]
    summary: str


def method_rows(sam: str) -> list[MethodRow]:
    """A row a method, and one more where it can be orchestrated; no weights are made.

    Args:
        sam: name of a SAM size; CobotError for an unknown one.
    """
    from monai_cobot import peft  # torch takes seconds to import: not for --help

    return [
        _row(sam, peft.get(name), orchestrate)
        for name in peft.names()
        for orchestrate in (False, True)
        if not orchestrate or peft.get(name).orchestratable
    ]


def _row(sam: str, method: Method, orchestrate: bool) -> MethodRow:
    properties = ("identity_at_start", "follows_base", "mergeable", "orchestratable")
    declared = {name: getattr(method, name) for name in properties}
    return MethodRow(
        method.name,
        orchestrate,
        _count(sam, method.name, orchestrate),
        method.trains_decoder,
        method.foldable and orchestrate,
        bool(method.mergeable),
        bool(method.orchestratable),
        "exact" if method.identity_at_start else "no",
        {name: found.reason for name, found in declared.items() if not found},
        method.summary,
    )


def methods(
    sam: Annotated[str, typer.Option(help="vit_b, vit_l, vit_h or small.")] = "vit_b",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the fine-tuning methods with their trainable parameters (decoder not counted)."""
    rows = method_rows(sam)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table(title=f"Methods on {sam} (the mask decoder is not counted)", title_justify="left")
    for column in ("method", "orchestrated", "parameters", "decoder", "folds", "merges"):
        table.add_column(
            column, justify="right" if column == "parameters" else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(
            row.method,
            _yes(row.orchestrate),
            f"{row.parameters:,}",
            "trained" if row.trains_decoder else "frozen",
            _yes(row.foldable),
            _yes(row.mergeable),
        )
    Console().print(table)


def _count(sam: str, method: str, orchestrate: bool) -> int:
    import torch

    from monai_cobot.sam import BaseModel, CobotSAM, build_architecture, get_size

    size = get_size(sam)
    with torch.device("meta"):
        base = BaseModel(size.name, size.image_size, "none", "")
        model = CobotSAM(build_architecture(size), base, method, orchestrate=orchestrate)
    counts = model.trainable_parameters()
    return counts["peft"] + counts["orchestration"]


def _yes(value: bool) -> str:
    return "yes" if value else ""
