"""What an item of the archive may be called, and what may be said of it."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ingest.errors import NameInvalid, PropertyInvalid

__all__ = ["NAME_PATTERN", "calendar_year", "check_properties", "checked_name"]

# File systems end a name at 255 bytes, and half-written files have a longer one.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def checked_name(name: str) -> str:
    """Give a name back that can be that of a folder or a key.

    Raises
    ------
    NameInvalid
        It cannot.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise NameInvalid(
            f"{name!r} cannot name a collection, item or band: use letters, digits, "
            "'.', '_' and '-', beginning with a letter or digit, up to 200 characters"
            f" · 名称 {name!r} 不可用，请用字母、数字和 . _ -，以字母或数字开头，"
            "不超过 200 个字符"
        )
    return name


def check_properties(item_id: str, properties: Mapping[str, Any]) -> None:
    """See that properties can be written.

    Raises
    ------
    PropertyInvalid
        They are not plain JSON.
    """
    try:
        json.dumps(dict(properties), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise PropertyInvalid(
            f"{item_id}: its properties cannot be written as JSON ({exc}); give plain "
            "numbers, and leave unknown ones out"
            f" · {item_id}：属性无法写成 JSON（{exc}），请给出普通数值，未知的不写"
        ) from exc


def calendar_year(product_id: str, year: object) -> tuple[datetime, datetime]:
    """First and last second of a year, UTC.

    Raises
    ------
    PropertyInvalid
        `year` is not one of this era.
    """
    if not isinstance(year, int) or not 1900 <= year <= 2999:
        raise PropertyInvalid(
            f"{product_id}: property 'heitu:year' is {year!r}; give the product's year"
            f" · {product_id}：属性 heitu:year 为 {year!r}，请给出产品年份"
        )
    return (
        datetime(year, 1, 1, tzinfo=UTC),
        datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC),
    )
