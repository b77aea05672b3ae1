"""The bulletins that were written, found by their file names."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from api.bulletin.words import Language

__all__ = ["Form", "Kept", "kept_bulletins"]

Form = Literal["html", "pdf"]

_NAME = re.compile(
    r"bulletin-(?P<county>\d{6})-(?P<crop>[a-z]+)-(?P<day>\d{8})"
    r"-(?P<language>zh|en)\.(?P<form>html|pdf)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A bulletin on disk; `day` is the first of its dekad."""

    county: str
    crop: str
    day: date
    language: Language
    form: Form
    path: Path


def kept_bulletins(folder: Path | None, *, county: str) -> list[Kept]:
    """Return the bulletins of a county, the newest first."""
    if folder is None or not folder.is_dir():
        return []
    found = [
        kept
        for path in folder.glob(f"bulletin-{county}-*")
        if (kept := _kept(path)) is not None
    ]
    order = {"zh": 0, "en": 1, "html": 0, "pdf": 1}
    found.sort(key=lambda one: (one.crop, order[one.language], order[one.form]))
    return sorted(found, key=lambda one: one.day, reverse=True)


def _kept(path: Path) -> Kept | None:
    named = _NAME.fullmatch(path.name)
    if named is None:
        return None
    try:
        day = date.fromisoformat(named["day"])
    except ValueError:
        return None
    return Kept(
        county=named["county"],
        crop=named["crop"],
        day=day,
        language=named["language"],  # type: ignore[arg-type] # the pattern's words
        form=named["form"],  # type: ignore[arg-type]
        path=path,
    )
