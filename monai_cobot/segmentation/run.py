"""Case by case through a bundle: one that fails is reported, and the rest go on."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.segmentation.inference import BundleInference
from monai_cobot.segmentation.notes import collected_notes
from monai_cobot.segmentation.output import Output
from monai_cobot.segmentation.prompting import CasePrompts
from monai_cobot.segmentation.results import (
    DONE,
    FAILED,
    SKIPPED,
    CaseResult,
    Summary,
    organ_volumes,
    sha256,
)
from monai_cobot.segmentation.sources import Source, find_sources

ONE_UNUSABLE = "1 unusable case(s):\n  "
"""How the check of a folder's cases begins, where only one is checked."""


def segment(
    input_path: str | Path,
    output: Output,
    bundle: BundleInference,
    prompts_file: str | Path | None = None,
    series: str | None = None,
    progress: bool = False,
) -> Summary:
    """Segment a NIfTI file, a folder of them, a DICOM series, or a folder of series.

    Args:
        input_path: see :func:`~monai_cobot.segmentation.sources.find_sources`.
        output: gets ``<case>_seg.nii.gz`` in the source's geometry, and ``summary.json``, which is
            written anew after every case.
        bundle: its network is built here, once.
        prompts_file: boxes of the cases, where the bundle needs some.
        series: SeriesInstanceUID, where the input is a folder of several series.
        progress: show a bar on stderr.

    Returns:
        what became of every case; those that failed are in it, and raise nothing.

    Raises:
        CobotError: what is wrong for all cases: nothing to segment, no adapter or weights, unusable
            prompts, or results that would be replaced. No case is begun then.
    """
    sources = find_sources(input_path, bundle.spec, series, truth=prompts_file is None)
    cases = [source.case for source in sources]
    output.check(input_path, cases)
    prompts = None
    if prompts_file is not None:
        prompts = CasePrompts(prompts_file, bundle.spec.labels, cases)
    bundle.build_network()
    summary = _begin(bundle, prompts, sources)
    of_other_prompts = output.has_other_prompts(summary.made_with)
    summary.cases = output.begin(summary.made_with, cases)
    for source in tqdm(sources, desc="cases", unit="case", disable=not progress):
        result = _run_case(source, output, bundle, prompts)
        if result.status == SKIPPED and of_other_prompts:
            result.notes.append("this result was made with another prompts file")
        summary.cases[source.case] = result
        summary.waiting.remove(source.case)
        summary.save(output.folder)
    return summary


def _begin(
    bundle: BundleInference, prompts: CasePrompts | None, sources: Sequence[Source]
) -> Summary:
    """The summary before the first case; CobotError where there are no prompts and must be."""
    items = [source.planned() for source in sources]
    file = None if prompts is None else prompts.path
    made_with = {
        **bundle.made_with(),
        "prompts": bundle.prompts(items) if prompts is None else "boxes of a prompts file",
        "prompts_file": None if file is None else str(file),
        "prompts_sha256": sha256(file),
    }
    return Summary(made_with, dict(bundle.spec.labels), waiting=[source.case for source in sources])


def _run_case(
    source: Source, output: Output, bundle: BundleInference, prompts: CasePrompts | None
) -> CaseResult:
    """One case, whatever happens; only an interruption comes out."""
    file, start = output.file(source.case), perf_counter()
    result = CaseResult(str(source.path), FAILED)
    skipped = output.skip_existing and file.exists()
    known: dict[str, str] = {}
    with collected_notes() as notes:
        try:
            if not skipped:
                _infer(source, output, bundle, prompts, known)
            result.volumes_ml = organ_volumes(file, bundle.spec.labels)
            result.status, result.file = SKIPPED if skipped else DONE, file.name
        except Exception as error:
            reason, result.traceback = _describe(error, source.case)
            result.error = _renamed(reason, known)
            if file.exists():
                result.error += f" ({file} is of an earlier run)"
    result.notes = [_renamed(note, known) for note in notes]
    result.seconds = round(perf_counter() - start, 2)
    return result


def _infer(
    source: Source,
    output: Output,
    bundle: BundleInference,
    prompts: CasePrompts | None,
    known: dict[str, str],
) -> None:
    """Runs the bundle on a case. ``known`` gets the user's names for temporary files."""
    with TemporaryDirectory(prefix="monai_cobot_") as folder:
        item = source.item(Path(folder))
        known[str(item["image"])] = str(source.path)
        own = None
        if prompts is not None:
            own = prompts.write(source.case, Path(folder))
            known[str(own)] = str(prompts.path)
        bundle.segment(item, output.folder, own, output.overwrite)


def _describe(error: Exception, case: str) -> tuple[str, str]:
    """Reason for the user, and the traceback where the mistake is none of the user's."""
    if isinstance(error, CobotError):
        return str(error).removeprefix(f"{ONE_UNUSABLE}{case}: "), ""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    where = "".join(traceback.format_exception(error))
    return f"{type(cause).__name__}: {cause} (the traceback is in summary.json)", where


def _renamed(text: str, known: dict[str, str]) -> str:
    """The text with the names that the user knows instead of those of temporary files."""
    for temporary, name in known.items():
        text = text.replace(temporary, name)
    return text
