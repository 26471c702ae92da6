"""All benchmarks, side by side with the peers that are installed: a table and a figure.

    python benchmarks/run_all.py --out OUT                    # ViT-B; hours on two cores
    python benchmarks/run_all.py --out OUT --only organs bf16
    python benchmarks/run_all.py --out OUT --quick            # does everything run?

Writes OUT/benchmarks.md, .csv, .json (with the machine's facts) and .png. A timed comparison
is kept in OUT/parts and not measured again, so that the same command goes on where it was stopped;
parts of other runs of this folder stay in the table. With one thread on a CPU ratios are of the
processor's time of this process, which others on the machine disturb less, and the wall clock
stands beside them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import torch
from authors import encoder_file
from harness import QUICK, Row, Settings
from keeping import kept, refuse_other
from machine import PEERS, missing
from tables import write

from monai_cobot.sam import SIZES

PARTS = (
    "encoders", "memory", "organs", "bf16", "orchestration", "data_path", "volume_inference",
    "scaling", "roof",
)  # fmt: skip


def main() -> None:
    given = arguments()
    settings = settings_of(given)
    torch.set_num_threads(given.threads)
    folder = given.out / "parts"
    rows: list[Row] = []
    asked = given.only or PARTS
    done = [part for part in PARTS if (folder / f"{part}.json").is_file()]
    for part in done:
        if not (given.again and part in asked):
            refuse_other(folder / f"{part}.json", settings)
    for part in PARTS:
        chosen = part in asked
        if not chosen and part not in done:
            continue
        print(f"{part} ...", file=sys.stderr, flush=True)
        measure = importlib.import_module(part).measure
        rows += kept(folder, part, settings, measure, again=chosen and given.again)
    print(write(given.out, rows, settings))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="tiny problems, no measurement")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--again", action="store_true", help="measure parts that are done again")
    parser.add_argument("--authors", default="", help="checkout of the authors' code, a peer")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sam", choices=tuple(SIZES), help="default vit_b")
    parser.add_argument("--sides", type=int, nargs="+", help="default 256 512 1024")
    parser.add_argument("--side", type=int, help="of parts that take one; default 512")
    parser.add_argument("--blocks", type=int, help="of A B B A; default 9")
    return parser.parse_args()


def settings_of(given: argparse.Namespace) -> Settings:
    """What was given, over the defaults; whatever can be refused is refused here.

    Raises:
        SystemExit: a value is refused, or a library is not installed that a part cannot do without.
    """
    if given.blocks is not None and given.blocks < 1:
        raise SystemExit(f"--blocks {given.blocks}: give at least 1, and 9 for an interval")
    if given.threads < 1:
        raise SystemExit(f"--threads {given.threads}: give at least 1")
    if given.device not in ("cpu", "cuda"):
        raise SystemExit(f"--device {given.device}: give cpu or cuda")
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"--device {given.device}: PyTorch sees no GPU, give --device cpu")
    if given.authors:
        encoder_file(given.authors)
    absent = [PEERS[name] for name in missing()]
    if "scikit-image" in absent and "data_path" in (given.only or PARTS):
        raise SystemExit(
            'data_path needs scikit-image: pip install -e ".[benchmarks]", or leave it out (--only)'
        )
    if absent:
        print(
            f"left out, for they are not installed: {', '.join(absent)} "
            '(pip install -e ".[benchmarks]")',
            file=sys.stderr,
        )
    chosen = {"device": given.device, "threads": given.threads, "authors": given.authors}
    for name in ("sam", "side", "blocks"):
        if (value := getattr(given, name)) is not None:
            chosen[name] = value
    if given.sides:
        chosen["sides"] = tuple(sorted(given.sides))
    settings = replace(QUICK if given.quick else Settings(), **chosen)
    patch = SIZES[settings.sam].patch
    for side in (*settings.sides, settings.side):
        if side < patch or side % patch:
            raise SystemExit(f"a side of {side}: give multiples of {patch}, the patch of SAM")
    return settings


if __name__ == "__main__":
    main()
