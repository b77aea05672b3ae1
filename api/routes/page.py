"""The map page, as built into api/static."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from api.errors import PageNotBuilt

__all__ = ["STATIC", "add_page"]

STATIC = Path(__file__).parents[1] / "static"


def add_page(app: FastAPI, folder: Path = STATIC) -> None:
    """Serve the page at / and its bundle below /static/.

    Without a built page / answers how to build it, and the rest of the API works.
    """
    index = folder / "index.html"

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        if not index.is_file():
            raise PageNotBuilt("the page is not built; run `make page`, then restart")
        return FileResponse(index)

    if folder.is_dir():
        app.mount("/static", StaticFiles(directory=folder), name="static")
