"""Every issue of an estimate in order, with what changed from one to the next and why.

A run names what it read by checksums, so two runs tell by themselves which of their
ingredients differ; the runs of their seasons name the scenes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from psycopg import Connection

from store import runs
from store.estimates import Issue
from store.runs import Run

__all__ = ["Change", "Step", "changes", "steps"]

Kind = Literal[
    "first",
    "published",
    "again",
    "later-data",
    "scenes",
    "statistics",
    "weather",
    "areas",
    "features",
    "model",
    "code",
    "parameters",
]

FindRun = Callable[[str], Run]


@dataclass(frozen=True, slots=True)
class Change:
    """One reason why an issue differs from the one before, in both languages."""

    kind: Kind
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Step:
    """One issue, how far its value moved from the one before, and why."""

    issue: Issue
    difference: float | None
    """In the unit of the estimate; None without two values to compare."""

    changes: tuple[Change, ...]


def steps(conn: Connection, issues: Iterable[Issue]) -> list[Step]:
    """Tell of issues, in their order, what each changed.

    Raises
    ------
    store.RunUnknown
    """
    known: dict[str, Run] = {}

    def find(run_id: str) -> Run:
        if run_id not in known:
            known[run_id] = runs.get(conn, run_id)
        return known[run_id]

    told: list[Step] = []
    estimated: Issue | None = None
    published: Issue | None = None
    for issue in issues:
        # An estimate revised when the statistics are out is no change of those.
        if issue.estimate.status == "final":
            told.append(_step(published or estimated, issue, find))
            published = issue
        else:
            told.append(_step(estimated, issue, find))
            estimated = issue
    return told


def _step(before: Issue | None, issue: Issue, find: FindRun) -> Step:
    after = find(issue.estimate.run_id)
    if before is None:
        return Step(issue, None, (Change("first", "first issue", "首次发布"),))
    told = changes(find(before.estimate.run_id), after, find)
    return Step(issue, _difference(before, issue), told)


def _difference(before: Issue, issue: Issue) -> float | None:
    old, new = before.estimate, issue.estimate
    if old.value is None or new.value is None:
        return None
    return round(new.value - old.value, 6)


def changes(before: Run, after: Run, find: FindRun) -> tuple[Change, ...]:
    """Return what differs between two runs that estimate the same.

    Parameters
    ----------
    before, after
    find
        Gives a run by its id, to look into the runs that these two read.
    """
    if before.run_id == after.run_id:
        return (_AGAIN,)
    if after.kind == "published-statistics":
        if before.kind == after.kind:
            return (Change("published", "statistics corrected", "统计数据已更正"),)
        return (_PUBLISHED,)
    told = [*_below(before, after, find), *_own_changes(before, after, find)]
    return tuple(dict.fromkeys(told)) or (_OTHERWISE,)


def _below(before: Run, after: Run, find: FindRun) -> list[Change]:
    """Tell what changed in the yields that a production was made from."""
    if "yields" not in before.inputs or "yields" not in after.inputs:
        return []
    return _own_changes(
        find(before.inputs["yields"]), find(after.inputs["yields"]), find
    )


_AGAIN = Change(
    "again", "its inputs are again what they were then", "输入数据恢复为当时的状态"
)
_OTHERWISE = Change("parameters", "other parameters", "参数不同")
_PUBLISHED = Change(
    "published", "the statistics of the year are out", "当年统计数据已公布"
)


def _own_changes(before: Run, after: Run, find: FindRun) -> list[Change]:
    told = [*_day(before, after), *_scenes(before, after, find)]
    if before.inputs.get("statistics") != after.inputs.get("statistics"):
        told.append(_table("statistics", "statistics", "统计", before, after))
    # A later day has more weather by itself.
    moved = before.parameters.get("as_of") != after.parameters.get("as_of")
    if not moved and before.inputs.get("weather") != after.inputs.get("weather"):
        told.append(_table("weather", "weather", "气象", before, after))
    if surveyed := _areas(before, after):
        told.append(surveyed)
    if before.parameters.get("features") != after.parameters.get("features"):
        told.append(Change("features", "other features", "所用特征不同"))
    if before.model_version != after.model_version:
        versions = f"{before.model_version} → {after.model_version}"
        told.append(Change("model", f"model {versions}", f"模型 {versions}"))
    if before.code_version != after.code_version:
        versions = f"{before.code_version} → {after.code_version}"
        told.append(Change("code", f"code {versions}", f"程序 {versions}"))
    return told


def _day(before: Run, after: Run) -> list[Change]:
    old, new = (run.parameters.get("as_of") for run in (before, after))
    if old == new:
        return []
    return [
        Change(
            "later-data",
            f"data up to {new} instead of {old or 'an unknown day'}",
            f"数据截止日由 {old or '不详'} 变为 {new}",
        )
    ]


def _table(kind: Kind, en: str, zh: str, before: Run, after: Run) -> Change:
    """Tell that a table differs, and by how many rows where both runs counted them."""
    old, new = (_rows(run, kind) for run in (before, after))
    if old is None or new is None or old == new:
        return Change(kind, f"{en} corrected", f"{zh}数据已更正")
    change = f"{new - old:+d}"
    return Change(kind, f"{en} {change} rows", f"{zh}数据 {change} 行")


def _areas(before: Run, after: Run) -> Change | None:
    """Tell that the surveys of areas differ that two runs of production read."""
    old, new = (
        {n for n in run.inputs if n.startswith("areas/")} for run in (before, after)
    )
    if new - old:
        return Change("areas", "a survey of areas came in", "新增面积抽样调查")
    if old - new:
        return Change(
            "areas", "a survey of areas is no longer used", "不再使用面积抽样调查"
        )
    return None


def _rows(run: Run, kind: Kind) -> int | None:
    counted = run.parameters.get("rows")
    # Other kinds of run, and older ones, count otherwise or not at all.
    rows: int | None = counted.get(kind) if isinstance(counted, Mapping) else None
    return rows


def _scenes(before: Run, after: Run, find: FindRun) -> list[Change]:
    """Tell which scenes came and went.

    Of the same day those of past years too, which the model learns from; up to a later
    day every year has more of them, and only the year's own are told.
    """
    moved = before.parameters.get("as_of") != after.parameters.get("as_of")
    only = after.parameters.get("year") if moved else None
    old, new = (_scenes_of(run, find, only=only) for run in (before, after))
    came = {name for name in new if new[name] != old.get(name)}
    gone = old.keys() - new.keys()
    if not came and not gone:
        return []
    replaced = came & old.keys()
    parts = [
        (len(came - replaced), "new scenes", "新增影像"),
        (len(replaced), "scenes made anew", "重制影像"),
        (len(gone), "scenes no longer used", "不再使用的影像"),
    ]
    given = [(count, en, zh) for count, en, zh in parts if count]
    english = ", ".join(f"{en}: {count}" for count, en, _ in given)
    chinese = "，".join(f"{zh} {count} 景" for count, _, zh in given)
    return [Change("scenes", english, chinese)]


def _scenes_of(run: Run, find: FindRun, *, only: int | None) -> dict[str, str]:
    """Return scene -> checksum over the seasons that a run read."""
    scenes: dict[str, str] = {}
    for name, run_id in run.inputs.items():
        if name.startswith("season/") and only in (None, int(name[7:])):
            read = find(run_id).inputs
            scenes |= {n: sha for n, sha in read.items() if _is_scene(n)}
    return scenes


def _is_scene(name: str) -> bool:
    """Whether an input of a season's run is a scene; else the outlines or a map."""
    return name != "counties" and not name.startswith("crop-map")
