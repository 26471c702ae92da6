"""The resident memory of a process (Linux), with an allocator that gives back what is freed."""

from __future__ import annotations

import os
from pathlib import Path

# glibc then gives what is freed back at once, so that the resident set is what lives.
AT_ONCE = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}


def resident(field: str) -> int:
    """A field of this process's status in bytes, such as VmRSS, or its peak VmHWM."""
    file = Path("/proc/self/status")
    for line in file.read_text().splitlines() if file.is_file() else ():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise SystemExit("memory on a CPU is measured on Linux alone: leave this part out")


def peak_anew() -> None:
    """Let VmHWM start at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
