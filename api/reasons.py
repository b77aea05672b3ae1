"""Reasons of several parts, each "English · 中文"."""

__all__ = ["join_reasons"]


def join_reasons(*texts: str | None) -> str | None:
    """Return the texts that are given as one, None where none is."""
    parts = [text.partition(" · ") for text in texts if text]
    if not parts:
        return None
    english = "; ".join(en for en, _, _ in parts)
    chinese = "；".join(zh or en for en, _, zh in parts)
    return f"{english} · {chinese}"
