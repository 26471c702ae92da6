"""``monai-cobot scene``: a georeferenced scene of any size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monai_cobot.errors import CobotError


def scene(
    source: Annotated[
        Path, typer.Argument(metavar="SCENE", help="A GeoTIFF, or another raster that GDAL reads.")
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for rasters, GeoJSON and summary.json.")
    ],
    bundle: Annotated[Path, typer.Option(help="Folder of a bundle of pictures.")],
    boxes: Annotated[
        Path | None,
        typer.Option(help="GeoJSON of boxes, or COCO results; else learned organ prompts."),
    ] = None,
    boxes_crs: Annotated[
        str | None, typer.Option(help="CRS of the GeoJSON, as EPSG:32633, where it does not say.")
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="Adapter file of a training; default: models/adapter.safetensors."),
    ] = None,
    sam: Annotated[
        str | None, typer.Option(help="Zero shot: small, vit_b, … as it is, without an adapter.")
    ] = None,
    sam_checkpoint: Annotated[
        str | None, typer.Option(help="Weights of SAM, the same file as in the training.")
    ] = None,
    organ_table: Annotated[
        Path | None, typer.Option(help="Your classes: the organ table of the training.")
    ] = None,
    bands: Annotated[str | None, typer.Option(help="One or three, as 4,3,2; from 1.")] = None,
    stretch: Annotated[
        str | None,
        typer.Option(help="Percentiles that become 0 and 255; default 2,98, and 8 bit as it is."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of a tile, pixels; default: the network's input.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Of two tiles, pixels; default: a quarter of a tile.")
    ] = None,
    merge_overlap: Annotated[
        float, typer.Option(help="Common share of the smaller mask above which two are one.")
    ] = 0.5,
    no_merge: Annotated[bool, typer.Option("--no-merge", help="Leave an instance a box.")] = False,
    min_area: Annotated[int, typer.Option(help="Instances of fewer pixels are dropped.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, …; default: CUDA if there is one.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
) -> None:
    """Segment a scene tile by tile; rasters and polygons come back in its CRS."""
    from monai_cobot import scenes, segmentation
    from monai_cobot.pretraining.training import checked_device

    settings = scenes.Settings(
        boxes=boxes,
        boxes_crs=boxes_crs,
        bands=None if bands is None else tuple(_numbers(bands, int, "--bands", "4,3,2")),
        stretch=None if stretch is None else _pair(stretch),
        tile=tile,
        overlap=overlap,
        merge=None if no_merge else merge_overlap,
        min_area=min_area,
    )
    chosen = segmentation.BundleInference(
        bundle,
        adapter,
        sam_checkpoint,
        None if device is None else checked_device(device),
        organ_table,
        dimensions=2,
        sam=sam,
    )
    try:
        summary = scenes.segment_scene(
            source,
            output,
            chosen.spec.labels,
            lambda: scenes.load_scene_model(chosen),
            settings,
            overwrite,
            progress=sys.stderr.isatty(),
        )
    except KeyboardInterrupt:
        typer.echo("stopped: nothing was written", err=True)
        raise typer.Exit(130) from None
    _print(summary)
    typer.echo(f"results: {output}")


def _print(summary: dict[str, Any]) -> None:
    for note in summary["notes"]:
        typer.echo(f"note: {note}", err=True)
    boxes = summary.get("boxes")
    if boxes is not None:
        typer.echo(
            f"{boxes['given']} boxes, {len(boxes['without_answer'])} without an answer, "
            f"{boxes['merged_away']} merged into others"
        )
    for name, found in summary["classes"].items():
        typer.echo(f"{name}: {found['instances']} instances, {found['pixels']} pixels")
    if not summary["classes"]:
        typer.echo("nothing was found")


def _pair(text: str) -> tuple[float, float]:
    numbers = _numbers(text, float, "--stretch", "2,98")
    if len(numbers) != 2:
        raise CobotError(f"--stretch {text}: give two percentiles, as 2,98")
    return numbers[0], numbers[1]


def _numbers(text: str, kind: type, option: str, example: str) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise CobotError(f"{option} {text}: give numbers with commas, as {example}") from None
