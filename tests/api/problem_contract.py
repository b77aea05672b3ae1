"""What every error answer must be, whatever went wrong."""

import re
from typing import Any

from httpx2 import Response

FIELDS = {"type", "title", "title_zh", "status", "detail", "instance"}

SERVER_PATH = re.compile(r"/(tmp|work|home|root|var|usr|opt|private|Users)/")


def assert_problem(response: Response, status: int, title: str, *mentions: str) -> None:
    """Check the whole contract and that the detail names what it is about."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert set(body) == FIELDS
    assert body["status"] == status
    assert body["title"] == title
    assert re.search(r"[\u4e00-\u9fff]", body["title_zh"])
    assert body["instance"] == response.request.url.path
    assert re.fullmatch(r"about:blank|urn:problem-type:heitu:[a-z-]+", body["type"])
    assert not SERVER_PATH.search(response.text)
    for mention in mentions:
        assert mention in body["detail"]
