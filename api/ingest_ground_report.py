"""What `heitu ingest` says of ground truth: the plan, the list, the report."""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ingest.ground.fates import Intake, Listed
    from ingest.ground.vector import Layer

__all__ = [
    "Outcome",
    "check_report",
    "tell_fates",
    "tell_kept",
    "tell_problems",
    "write_report",
]

Outcome = Sequence[tuple["Layer", "Intake[Any]"]]
"""Files and what they come to; the first one is stored."""

# On the screen; the report has them all.
SHOWN = 20


def tell_fates(outcome: Outcome) -> None:
    """Print what was understood of each file and what becomes of its rows."""
    for layer, intake in outcome:
        datum = ""
        if layer.converted_from:
            datum = f", {layer.converted_from} → WGS 84 · 已由 GCJ-02 转换"
        typer.echo(f"{layer.path.name}: {layer.crs}{datum}")
        typer.echo(
            f"  rows 行 {intake.rows}: stored 入库 {len(intake.stored_rows)}, "
            f"duplicate 重复 {len(intake.duplicates)}, "
            f"not taken 未采用 {len(intake.problems)}"
        )
        kinds = Counter(listed.kind for listed in intake.problems)
        for kind, count in sorted(kinds.items()):
            typer.echo(f"    {kind} {count}")
        for note in intake.notes:
            typer.echo(f"  {note}")
        remarks = Counter(str(remark) for remark in intake.remarks)
        for remark, count in remarks.items():
            typer.echo(f"  {count} × {remark}")


def tell_kept(gone: int, new: int) -> None:
    """Print that an import of fewer rows did not replace the earlier one."""
    typer.echo(
        f"nothing was replaced: {new} rows would take the place of {gone}, and some "
        "were not taken; mend them, or the options"
        f" · 未替换：新导入仅 {new} 行，原有 {gone} 行，且有行未采用，"
        "请改正文件或选项"
    )


def tell_problems(outcome: Outcome) -> int:
    """Print the rows that were not taken, the first ones of many; return how many."""
    problems = [
        (layer.path.name, listed)
        for layer, intake in outcome
        for listed in sorted(intake.problems, key=lambda listed: listed.row)
    ]
    for name, listed in problems[:SHOWN]:
        typer.echo(f"{name}\t{listed.row}\t{listed.kind}\t{listed}", err=True)
    if len(problems) > SHOWN:
        rest = len(problems) - SHOWN
        typer.echo(f"… {rest} more, all with --report · 其余见 --report", err=True)
    return len(problems)


def check_report(path: Path) -> None:
    """Refuse, before anything is stored, a report that cannot be written.

    Raises
    ------
    OptionInvalid
        Its folder is not there, or it is a folder itself.
    """
    from ingest.ground.errors import OptionInvalid

    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise OptionInvalid(
            f"--report {path}: no such folder, or nothing can be written there; choose "
            f"another · --report {path}：文件夹不存在或无法写入，请另选位置",
            path=path,
        )


def write_report(path: Path, outcome: Outcome) -> None:
    """Write every row that was not stored, or changed, as CSV (UTF-8 with a mark).

    Raises
    ------
    RasterError
        The file cannot be written; an older one is untouched.
    """
    # The rasters' libraries take seconds to import, and most runs write no report.
    from raster.files import replace_file

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("file", "row", "fate", "kind", "reason", "原因"))
    for layer, intake in outcome:
        fates: dict[str, Sequence[Listed]] = {
            "not taken": intake.problems,
            "duplicate": intake.duplicates,
            "remark": intake.remarks,
        }
        writer.writerows(
            (layer.path.name, one.row, fate, one.kind, one.english, one.chinese)
            for fate, listed in fates.items()
            for one in sorted(listed, key=lambda one: one.row)
        )
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    replace_file(path, text.getvalue().encode("utf-8-sig"))
