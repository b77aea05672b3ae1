import pytest

from api.negotiation import preferred

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("text/*", CSV),
        ("text/csv;q=0.5, application/json", JSON),
        ("application/json;q=0.5, text/csv", CSV),
        ("text/csv; charset=utf-8; q=0.9, application/json; q=0.8", CSV),
        ("*/*, application/json;q=0", CSV),
        ("text/csv;q=high, */*", JSON),
        # What a browser sends when the address is typed.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        # Nothing acceptable: the standard allows to answer all the same.
        ("image/png", JSON),
    ],
)
def test_the_type_with_the_highest_quality_wins(accept: str, expected: str) -> None:
    assert preferred(accept, (JSON, CSV)) == expected
