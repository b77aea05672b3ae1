"""What a reader has to know, in both languages, and reasons of several parts."""

from dataclasses import dataclass

__all__ = ["Warned", "join_reasons"]


@dataclass(frozen=True, slots=True)
class Warned:
    """What a reader of the map has to know, in both languages."""

    english: str
    chinese: str

    def __str__(self) -> str:
        return f"{self.english} · {self.chinese}"


def join_reasons(*texts: str | None) -> str | None:
    """Return the texts that are given as one, None where none is."""
    parts = [text.partition(" · ") for text in texts if text]
    if not parts:
        return None
    english = "; ".join(en for en, _, _ in parts)
    chinese = "；".join(zh or en for en, _, zh in parts)
    return f"{english} · {chinese}"
