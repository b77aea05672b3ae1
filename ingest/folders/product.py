"""What looks like one product of a producer, before it is read."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ingest.folders.errors import ProductInvalid
from ingest.naming import NAME_PATTERN
from ingest.offer import SceneOffer

__all__ = [
    "SOURCE",
    "Product",
    "checked_id",
    "day_of",
    "invalid",
    "known",
    "moment",
    "not_usable",
    "number",
]

SOURCE = "folder"
_DAY = re.compile(r"(?<!\d)(20\d\d|19\d\d)([01]\d)([0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Product:
    """Files that belong together.

    Attributes
    ----------
    name : str
        As far as the files' names show it.
    files : frozenset of str
        Names of all its files, also of those that are not read.
    read : callable
        Describes the scene with all bands that its metadata list, present or not: a
        band whose file is not there has no size. Raises ProductInvalid.
    day : date or None
        First day of acquisition, as the name tells it: a product that cannot be read
        is of no concern to who asks for other days.
    """

    name: str
    files: frozenset[str]
    read: Callable[[], SceneOffer]
    day: date | None = None


def invalid(product: str, file: str, english: str, chinese: str) -> ProductInvalid:
    """Say in both languages why a product cannot be used, naming it and the file."""
    where = product if file == product else f"{product}, {file}"
    return ProductInvalid(
        f"{where}: {english} · {where}：{chinese}", product=product, file=file
    )


def not_usable(product: str, english: str, chinese: str) -> Callable[[], SceneOffer]:
    """Give a reader that always refuses, for what is told by its name alone."""

    def refuse() -> SceneOffer:
        raise invalid(product, product, english, chinese)

    return refuse


def checked_id(name: str) -> str:
    """Give a product's name, if the archive can use it as an id.

    Raises
    ------
    ProductInvalid
    """
    if NAME_PATTERN.fullmatch(name):
        return name
    raise invalid(
        name,
        name,
        "this name cannot be an id in the archive: rename it with letters, digits, "
        "'.', '_' and '-', up to 200 characters",
        "该名称不能作为影像编号，请改用字母、数字和 . _ - 命名，不超过 200 个字符",
    )


def known(values: Mapping[str, Any | None]) -> dict[str, Any]:
    """Leave out what a product does not say."""
    return {key: value for key, value in values.items() if value is not None}


def number(text: str | None) -> float | None:
    """Read a finite number; None of anything else."""
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def moment(text: str, *, product: str, file: str) -> datetime:
    """Read an ISO 8601 time; without zone it is UTC, as all producers here mean it.

    Raises
    ------
    ProductInvalid
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise invalid(
            product, file, f"{text!r} is no time: get the product again", "时间无法识别"
        ) from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day_of(name: str) -> date | None:
    """First YYYYMMDD in a name."""
    found = _DAY.search(name.replace("T", " "))
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
