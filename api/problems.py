"""Every error as a problem document (RFC 9457), from one table.

A handler is made for each row of `PROBLEMS`. The messages of a server's faults may hold
paths and addresses, so those rows have a text of their own and the message is logged.
"""

import logging
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rasterio.errors import RasterioIOError
from rio_tiler.errors import TileOutsideBounds
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import errors
from ingest.errors import (
    ArchiveDenied,
    ArchiveError,
    ArchiveUnreachable,
    BucketMissing,
)
from store import CountyUnknown, DatabaseUnavailable, DeviceUnknown, RunUnknown

__all__ = ["PROBLEMS", "PROBLEM_RESPONSES", "ProblemKind", "add_problem_handlers"]

MEDIA_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One row: how an exception is told to the client.

    Attributes
    ----------
    status
        HTTP status.
    title, title_zh
        Short summary of the kind of problem, the same for every occurrence.
    detail
        Fixed explanation; None shows the exception's own message.
    headers
        Header fields of the answer beside the usual.
    """

    status: int
    title: str
    title_zh: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


_DATABASE_DOWN = ProblemKind(
    503,
    "Database unavailable",
    "数据库不可用",
    "The database does not answer. Try again in a minute; if that does not help, "
    "restart the platform and read its log. · 数据库没有响应，请稍后再试或重启平台。",
)
_UNREADABLE = ProblemKind(
    500,
    "Raster unreadable",
    "栅格数据无法读取",
    "A file of the archive cannot be read; `heitu archive verify` says which."
    " · 档案中有文件无法读取，`heitu archive verify` 可查是哪一个。",
)

_STORAGE_DOWN = ProblemKind(
    503,
    "Archive unavailable",
    "影像档案不可用",
    "The archive's object storage does not answer as it should. Try again in a minute; "
    "if that does not help, read the platform's log."
    " · 影像档案的对象存储没有正常响应，请稍后再试，或查看平台日志。",
)

PROBLEMS: Mapping[type[Exception], ProblemKind] = {
    CountyUnknown: ProblemKind(404, "County unknown", "未知的县级行政区"),
    DeviceUnknown: ProblemKind(404, "Device unknown", "未知的设备"),
    RunUnknown: ProblemKind(404, "Run unknown", "未知的运行"),
    errors.ProductUnknown: ProblemKind(404, "Product unknown", "未知的产品"),
    errors.ProductInvalid: ProblemKind(500, "Product invalid", "产品描述不完整"),
    errors.ProductRunChanged: ProblemKind(
        404, "Product replaced", "产品已被新的运行替换"
    ),
    errors.NoDataForYear: ProblemKind(404, "No data for the year", "该年份没有数据"),
    errors.GrowthMissing: ProblemKind(404, "Growth not graded", "尚无长势评级"),
    errors.BulletinMissing: ProblemKind(404, "Bulletin missing", "尚无农情简报"),
    errors.PointOutside: ProblemKind(404, "Point outside", "位置超出范围"),
    TileOutsideBounds: ProblemKind(
        404,
        "Tile outside bounds",
        "瓦片超出范围",
        "The product does not reach this tile; its TileJSON gives the bounds."
        " · 产品不覆盖此瓦片。",
    ),
    errors.PeriodInvalid: ProblemKind(422, "Period invalid", "时间范围无效"),
    errors.SceneFailed: ProblemKind(500, "Scene unreadable", "影像无法读取"),
    ArchiveUnreachable: _STORAGE_DOWN,
    ArchiveDenied: _STORAGE_DOWN,
    BucketMissing: _STORAGE_DOWN,
    ArchiveError: _UNREADABLE,
    RasterioIOError: _UNREADABLE,
    errors.PageNotBuilt: ProblemKind(503, "Page not built", "网页尚未构建"),
    DatabaseUnavailable: _DATABASE_DOWN,
    psycopg.OperationalError: _DATABASE_DOWN,
    Exception: ProblemKind(
        500,
        "Internal error",
        "内部错误",
        "The server failed on this request; its log says why."
        " · 服务器处理此请求时出错，原因见日志。",
    ),
}

_INVALID = ProblemKind(422, "Parameter invalid", "参数无效")

_STATUS_ZH = {404: "未找到", 405: "不允许的请求方法"}

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (404, 422, 500, 503)
}
"""What each route declares in the OpenAPI document besides its success."""


def add_problem_handlers(
    app: FastAPI, *more: Mapping[type[Exception], ProblemKind]
) -> None:
    """Answer exceptions, and the framework's own errors, with a problem.

    Parameters
    ----------
    more
        Tables beside `PROBLEMS`, kept with the routes that need them.
    """
    for kind, problem in ChainMap(*map(dict, more), dict(PROBLEMS)).items():
        app.add_exception_handler(kind, _handler(kind, problem))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


Handler = Callable[[Request, Exception], Response]


def _handler(kind: type[Exception], problem: ProblemKind) -> Handler:
    def handle(request: Request, exc: Exception) -> Response:
        # Starlette logs what reaches its last handler itself.
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and kind is not Exception:
            logger.error("%s: %s", problem.title, exc, exc_info=exc)
        return _response(request, problem, detail=problem.detail or str(exc))

    return handle


def _invalid(request: Request, exc: Exception) -> Response:
    """Name each parameter that was refused, and what is allowed."""
    assert isinstance(exc, RequestValidationError)
    detail = "; ".join(_sentence(error) for error in exc.errors())
    return _response(request, _INVALID, detail=detail)


def _sentence(error: Mapping[str, Any]) -> str:
    place, *name = error["loc"]
    if not name:
        return _whole(place, error["msg"])
    text = f"{place} parameter {'.'.join(map(str, name))}: {error['msg']}"
    if error["type"] == "timezone_aware":
        # A bare + in an address is a blank, so the offset is lost without a word.
        text += ", for example 2026-07-01T08:00:00Z or 2026-07-01T16:00:00%2B08:00"
    # What is given when a field is missing is the whole body, secrets and all.
    if error["type"] == "missing":
        return text
    return f"{text} (given: {error['input']!r:.80})"


def _whole(place: str, message: str) -> str:
    """Tell a fault of all of a body; not what was given, which may hold secrets."""
    if place != "body":
        return f"{place}: {message}"
    return (
        f"body: {message}; send JSON with Content-Type: application/json"
        " · 请以 application/json 发送 JSON"
    )


def _http(request: Request, exc: Exception) -> Response:
    """Tell what the router or a static file refused."""
    assert isinstance(exc, HTTPException)
    title = HTTPStatus(exc.status_code).phrase
    title_zh = _STATUS_ZH.get(exc.status_code, "请求无法完成")
    response = _response(
        request,
        ProblemKind(exc.status_code, title, title_zh),
        detail=f"{request.method} {request.scope['path']}: {exc.detail}",
        kind="about:blank",
    )
    response.headers.update(exc.headers or {})
    return response


def _response(
    request: Request, problem: ProblemKind, *, detail: str, kind: str | None = None
) -> Response:
    slug = problem.title.lower().replace(" ", "-")
    body = {
        "type": kind or f"urn:problem-type:heitu:{slug}",
        "title": problem.title,
        "title_zh": problem.title_zh,
        "status": problem.status,
        "detail": detail,
        # Not request.url, which a malformed Host cannot make.
        "instance": request.scope["path"],
    }
    return JSONResponse(
        body,
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )
