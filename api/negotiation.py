"""Choice of a media type by the Accept header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

__all__ = ["preferred"]


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that the client likes best.

    Parameters
    ----------
    accept
        The Accept header; empty when the client sent none.
    offered
        Media types without parameters, the server's favourite first.

    Returns
    -------
    str
        Of the types with the highest quality the first offered; the favourite when
        nothing offered is acceptable, which the standard allows and old clients need.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    return max(offered, key=lambda media: _quality(media, ranges))


def _range(part: str) -> tuple[str, float]:
    """Split one media range into its name and quality; an unreadable quality is 0."""
    name, *parameters = (word.strip().lower() for word in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, _number(value)
    return name, 1.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that holds `media`, else 0."""
    kind = media.split("/")[0]
    for name in (media, f"{kind}/*", "*/*"):
        for candidate, quality in ranges:
            if candidate == name:
                return quality
    return 0.0
