"""The built page: it loads nothing from elsewhere, and is small."""

import gzip
import json
import re
from pathlib import Path

import pytest

from api.routes.page import STATIC

WEB = Path(__file__).parents[2] / "api" / "web"

# Names, not addresses to load: XML namespaces, and pages that messages point to.
NAMED_HOSTS = {"www.w3.org", "www.opengis.net", "openlayers.org", "github.com"}


@pytest.fixture
def built() -> dict[str, str]:
    """Text of the three files, by name."""
    names = ("index.html", "app.js", "app.css")
    if not all((STATIC / name).is_file() for name in names):
        pytest.skip("api/static is absent: the page is not built (make page)")
    return {name: (STATIC / name).read_text("utf-8") for name in names}


def test_markup_loads_only_its_own_bundle(built: dict[str, str]) -> None:
    loaded = re.findall(
        r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', built["index.html"]
    )
    assert [path for path in loaded if not path.startswith("data:")] == [
        "static/app.css",
        "static/app.js",
    ]


def test_markup_forbids_the_browser_other_hosts(built: dict[str, str]) -> None:
    policy = "default-src 'self'; img-src 'self' data:"
    assert (
        f'http-equiv="Content-Security-Policy" content="{policy}"'
        in built["index.html"]
    )


def test_style_loads_nothing(built: dict[str, str]) -> None:
    assert "@import" not in built["app.css"]
    assert "@font-face" not in built["app.css"]
    assert [
        url
        for url in re.findall(r"url\(([^)]*)\)", built["app.css"])
        if not url.strip("\"'").startswith("data:")
    ] == []


def test_code_names_no_host_to_load_from(built: dict[str, str]) -> None:
    hosts = set(re.findall(r"(?:https?:)?//([\w-]+(?:\.[\w-]+)+)", built["app.js"]))
    assert hosts - NAMED_HOSTS == set()


def test_bundle_is_at_most_200_kb_gzipped(built: dict[str, str]) -> None:
    packed = [gzip.compress(text.encode(), 6) for text in built.values()]
    assert sum(map(len, packed)) <= 200_000


def test_lock_names_only_the_public_registry_with_checksums() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert len(packages) > 4
    assert all(
        package["resolved"].startswith("https://registry.npmjs.org/")
        and package["integrity"].startswith("sha512-")
        for package in packages
    )


def test_libraries_are_pinned_to_exact_versions() -> None:
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert [v for v in versions.values() if not re.fullmatch(r"\d+\.\d+\.\d+", v)] == []
