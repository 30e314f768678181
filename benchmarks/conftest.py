"""Writes what the benchmarks found into the book's pages on speed, weight, and grading."""

import platform
from pathlib import Path

import numpy as np
import pytest
import torch

APPENDIX = Path(__file__).parents[1] / "appendix"
PAGE = APPENDIX / "speed.md"
HEAD = """# How fast?

Value and gradient of each loss in float32: `lossutils` beside PyTorch's eager forward and backward pass. The two run
alternately in one process, and a ratio above 1 means that `lossutils` is faster. *Floor* is the time it would take to
read the arguments and write the gradient once, at the speed at which this machine copies memory. *Memory* is the peak
beyond arguments and gradient, of `lossutils`. `lossutils` computes on one thread; PyTorch on as many as stated.

This page is written by `make bench`. Times differ between machines, and from run to run; ratios differ less.

"""
WEIGHT_HEAD = """# How heavy?

What each page of this book asks of its reader: bytes on a first visit, as stored and as gzip sends them; bytes
when another page has been read before; and the time from navigation until the first figure answers, in Chromium on the
machine that measured. Bytes are exact; times differ between machines. No page asks another server for anything.

| page | first visit, KB | gzip, KB | after another page, KB | gzip, KB | first figure, ms |
|---|--:|--:|--:|--:|--:|
"""
GRADING_HEAD = """# How fast is grading?

Hand-ins of each assignment, all solved, that a core grades in a minute: by one worker, and by as many workers as the
machine has cores. *Memory* is an upper bound of what the sandbox of one hand-in takes: what its processes share is
counted for each of them. An endless loop costs ten seconds more, but only the worker that meets it. A run begins with
the self-test of the sandbox, and the first one of a course makes its gradebook; both take a few seconds and aren't
counted here.

This page is written by `make bench`. Rates differ between machines, and from run to run.

| assignment | one worker, a minute | all cores busy, a minute a core | memory, MB |
|---|--:|--:|--:|
"""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    """Write the pages on weight and on grading, if all of it was measured."""
    passed = terminalreporter.getreports("passed")
    for kind, file, head, line in [
        ("page", "weight.md", WEIGHT_HEAD, weight_row),
        ("assignment", "grading-speed.md", GRADING_HEAD, grading_row),
    ]:
        rows = [value for report in passed for key, value in getattr(report, "user_properties", []) if key == kind]
        if rows and not config.option.keyword:
            (APPENDIX / file).write_text(head + "".join(map(line, rows)))


def weight_row(row):
    sizes = " | ".join(f"{size / 1000:,.0f}" for size in (*row["first"], *row["next"]))
    return f"| `{row['name']}` | {sizes} | {row['ready'] or '–'} |\n"


def grading_row(row):
    return f"| `{row['name']}` | {row['alone']:.0f} | {row['each']:.0f} | {row['peak'] / 1e6:,.0f} |\n"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    benchmarks = getattr(session.config, "_benchmarksession", None)
    rows = [b.extra_info for b in getattr(benchmarks, "benchmarks", []) if "ratio" in b.extra_info]
    if not rows or session.config.option.keyword:
        return  # a part of the benchmarks makes no page
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__.split('+')[0]}"
    PAGE.write_text(
        HEAD + f"Measured with {versions} on {platform.machine()}.\n" + "".join(map(table, (1, 2), [rows] * 2))
    )


def table(threads, rows):
    lines = [
        f"\n## PyTorch on {threads} thread{'s' * (threads > 1)}\n",
        "| loss | shape | PyTorch | lossutils | ratio | floor | memory |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if row["threads"] == threads:
            times = " | ".join([duration(row["torch"]), duration(row["ours"]), f"{row['ratio']:.2f}"])
            memory = f"{row['memory'] / 2**20:.1f} MiB"
            lines.append(f"| `{row['loss']}` | {row['shape']} | {times} | {duration(row['floor'])} | {memory} |")
    return "\n".join(lines) + "\n"


def duration(seconds):
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
