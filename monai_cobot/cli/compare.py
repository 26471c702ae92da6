"""``monai-cobot compare``: methods x datasets x seeds in one table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_cobot.errors import CobotError

if TYPE_CHECKING:
    from monai_cobot.comparison import Plan
    from monai_cobot.comparison.jobs import Jobs


def compare(
    file: Annotated[Path, typer.Argument(help="YAML of the comparison, see docs/compare.md.")],
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Evaluate jittered, scaled and shifted boxes, too.")
    ] = False,
    without_broken: Annotated[
        bool,
        typer.Option("--without-broken", help="Read the test part although a training is broken."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at a time on this machine; default one by one.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Runs as jobs of Ray: local, auto (the cluster that runs here) or HOST:PORT.",
        ),
    ] = None,
) -> None:
    """Try rates, train, evaluate on the test part at the end, and write tables and a page."""
    from monai_cobot.comparison import Comparison, load_plan, write_report

    plan = load_plan(file)
    try:
        tell = lambda line: typer.echo(line, err=True)  # noqa: E731
        carry_out = _jobs(plan, jobs, ray)
        compared = Comparison(plan, tell, prompts, without_broken, carry_out).run()
        files = write_report(plan, compared)
    except KeyboardInterrupt:
        typer.echo("stopped: the same command goes on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"wrote {', '.join(map(str, files))}")
    held = "; the test part was not read: --without-broken reads it" if compared.withheld else ""
    if compared.broken:
        raise CobotError(
            f"{len(compared.broken)} runs are broken: {'; '.join(compared.broken)}. Mend the "
            f"cause, then the same command runs them alone{held}"
        )


def _jobs(plan: Plan, jobs: int | None, ray: str | None) -> Callable[[], Jobs]:
    """What makes the jobs, when the comparison has been checked."""
    from monai_cobot.comparison.jobs import OneByOne
    from monai_cobot.comparison.local_jobs import LocalJobs
    from monai_cobot.comparison.ray_jobs import RayJobs, import_ray

    if jobs is not None and ray is not None:
        raise CobotError("--jobs and --ray exclude each other: Ray decides how many run at a time")
    if ray is not None:
        import_ray()
        return partial(RayJobs, ray, plan.resources, plan.out)
    return OneByOne if jobs is None else partial(LocalJobs, jobs, plan.resources)
