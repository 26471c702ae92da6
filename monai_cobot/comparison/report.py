"""Everything that a comparison leaves to read: tables, figures, one page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from monai_cobot.comparison import tables
from monai_cobot.comparison.answers import collect
from monai_cobot.comparison.comparing import Compared
from monai_cobot.comparison.differences import differences
from monai_cobot.comparison.figures import draw_figures
from monai_cobot.comparison.plan import Plan
from monai_cobot.comparison.prompts import prompt_lines, prompt_scores
from monai_cobot.comparison.published import read_published
from monai_cobot.metrics import write_json
from monai_cobot.whole_file import whole_file

PAIRED = (
    "Differences are paired by patient, over targets and the seeds that both have averaged; the "
    "interval is a percentile bootstrap of 2000 resamples of the patients, and p that of a "
    "two-sided Wilcoxon signed-rank test, from six patients on, not corrected for the number of "
    "pairs. Neither says how a result varies with the seeds of the trainings."
)
PUBLISHED = (
    "Rows marked (published) are as printed: other splits, other weights, other boxes. They "
    "cannot be compared row by row."
)
WITHHELD = (
    "Trainings are broken, and the test part was not read: rows are of earlier evaluations alone. "
    "Mend the cause and give the same command again, or give --without-broken."
)
WITHOUT_BROKEN = (
    "Evaluated without the broken trainings (--without-broken): the test part was read before all "
    "of them were done."
)


def write_report(plan: Plan, compared: Compared) -> list[Path]:
    """Write ``comparison.csv``, ``.json``, ``.md``, ``.html`` and ``figures/`` into the folder.

    Earlier ones of the same comparison are replaced.

    Returns:
        the files, without the figures.
    """
    answers, published = collect(compared), read_published(plan)
    found = differences(plan, answers)
    sections: dict[str, Sequence[tables.Line]] = {
        "Scores": tables.table_lines(answers, published),
        "Paired differences": tables.difference_lines(found),
        "Trials": tables.trial_lines(compared),
    }
    prompted = prompt_scores(compared)
    if prompted:
        sections["Dice by box, %, first seed"] = prompt_lines(prompted)
    notes = [
        *tables.captions(compared, answers),
        tables.NOTES,
        PAIRED,
        *([PUBLISHED] if published else []),
        *([WITHHELD] if compared.withheld else []),
        *([WITHOUT_BROKEN] if compared.without_broken else []),
    ]
    table, numbers, text, page = (
        plan.out / f"comparison.{e}" for e in ("csv", "json", "md", "html")
    )
    figures = list(draw_figures(compared, answers, _emptied(plan.out / "figures")))
    tables.write_csv(answers, table)
    write_json(tables.as_json(compared, answers, found), numbers)
    broken = [f"Broken and missing: {line}" for line in compared.broken]
    _write(text, tables.markdown(sections, [*notes, *broken]))
    _write(page, page_text(sections, notes, figures, compared.broken))
    return [table, numbers, text, page]


def page_text(
    sections: Mapping[str, Sequence[tables.Line]],
    notes: Sequence[str],
    figures: Sequence[tuple[str, Path]],
    broken: Sequence[str],
) -> str:
    """One page that needs nothing else: the PNG files are in it, and there are no scripts."""
    loader = jinja2.PackageLoader("monai_cobot.comparison", "")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    images = [
        (headline, base64.b64encode(file.read_bytes()).decode()) for headline, file in figures
    ]
    return environment.get_template("page.html").render(
        sections=sections,
        notes=notes,
        figures=images,
        broken=broken,
        text_columns=tables.TEXT_COLUMNS,
    )


def _emptied(folder: Path) -> Path:
    """The folder of the figures without earlier ones, of which some may not be drawn again."""
    for file in folder.glob("*.png"):
        file.unlink()
    return folder


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write_text(text, encoding="utf-8")
