"""A bulletin as files: HTML that needs nothing else, and PDF with its own font."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, get_args

from api.bulletin.charts import draw, font_files
from api.bulletin.content import Bulletin
from api.bulletin.view import View, view
from api.bulletin.words import Language

__all__ = ["LANGUAGES", "Language", "html_of", "pdf_of", "write_bulletin"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_TEMPLATES = files("api.bulletin")


def write_bulletin(
    bulletin: Bulletin,
    folder: Path,
    *,
    languages: Iterable[Language] = LANGUAGES,
    html: bool = True,
    pdf: bool = True,
) -> list[Path]:
    """Write a bulletin into a folder; a bulletin of the same dekad is replaced.

    Returns
    -------
    list of Path
        Files, named ``bulletin-COUNTY-CROP-YYYYMMDD-LANGUAGE`` after the first day of
        the dekad.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = bulletin.request
    stem = f"bulletin-{request.place.key}-{bulletin.crop}-{request.dekad.start:%Y%m%d}"
    written = []
    for language in languages:
        told, charts = view(bulletin, language), draw(bulletin, language)
        base = folder / f"{stem}-{language}"
        if html:
            path = base.with_name(base.name + ".html")
            written.append(_replace(path, html_of(told, charts).encode()))
        if pdf:
            path = base.with_name(base.name + ".pdf")
            written.append(_replace(path, pdf_of(told, charts)))
    return written


def _replace(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
    return path


def html_of(told: View, charts: Mapping[str, str]) -> str:
    """Return the page: style and drawings within, no script, nothing fetched."""
    from jinja2 import Environment
    from markupsafe import Markup

    text = (_TEMPLATES / "bulletin.html.j2").read_text(encoding="utf-8")
    # Names of counties and fields come from files of others: all text is escaped.
    template = Environment(autoescape=True).from_string(text)
    drawn = {name: Markup(svg) for name, svg in charts.items()}
    return template.render(**asdict(told), charts=drawn)


def pdf_of(told: View, charts: Mapping[str, str]) -> bytes:
    """Return the PDF, set by Typst with Noto Sans SC embedded, on A4."""
    import typst

    with TemporaryDirectory(prefix="heitu-bulletin-") as name:
        folder = Path(name)
        for chart, svg in charts.items():
            (folder / f"{chart}.svg").write_text(svg, encoding="utf-8")
        content = asdict(told) | {"charts": sorted(charts)}
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (folder / "bulletin.json").write_text(text, encoding="utf-8")
        template = (_TEMPLATES / "bulletin.typ").read_text(encoding="utf-8")
        (folder / "bulletin.typ").write_text(template, encoding="utf-8")
        return bytes(
            typst.compile(
                folder / "bulletin.typ",
                root=folder,
                font_paths=[path.parent for path in font_files()],
                # What is on this machine must not change a document.
                ignore_system_fonts=True,
            )
        )
