"""Who may change something over HTTP, and how a refusal is told.

With a token (``HEITU_TOKEN``), whoever shows it. Without one, programs on this machine
alone; and since a web page anywhere can make the browser here send requests, only
requests that such a page cannot send: of JSON, to a name of the loopback (a page whose
name was rebound to 127.0.0.1 sends its own), and from no other origin.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from pydantic import SecretStr

from api.errors import ApiError
from api.problems import PROBLEM_RESPONSES, ProblemKind
from api.services import UseServices
from sensors.errors import DeviceKindUnknown, QuantityUnknown
from store import DeviceExists, RowRefused

__all__ = [
    "DEVICE_PROBLEMS",
    "WRITE_RESPONSES",
    "ClaimLocked",
    "ClaimRefused",
    "MayWrite",
    "TokenWrong",
    "WriteRefused",
]


class WriteRefused(ApiError):
    """A request to change something does not come from this machine's own user."""


class TokenWrong(ApiError):
    """A request to change something does not show the token."""


class ClaimRefused(ApiError):
    """A claim code is unknown, used up or expired."""


class ClaimLocked(ApiError):
    """Too many wrong claim codes came from an address."""


DEVICE_PROBLEMS: Mapping[type[Exception], ProblemKind] = {
    WriteRefused: ProblemKind(403, "Write refused", "不允许写入"),
    TokenWrong: ProblemKind(
        401, "Token wrong", "令牌无效", headers={"WWW-Authenticate": "Bearer"}
    ),
    ClaimRefused: ProblemKind(403, "Claim refused", "认领码无效"),
    ClaimLocked: ProblemKind(
        429, "Too many claims", "尝试次数过多", headers={"Retry-After": "900"}
    ),
    DeviceExists: ProblemKind(409, "Device exists", "设备已存在"),
    DeviceKindUnknown: ProblemKind(422, "Device kind unknown", "未知的设备类型"),
    QuantityUnknown: ProblemKind(422, "Quantity unknown", "未知的测量量"),
    RowRefused: ProblemKind(422, "Refused by the store", "数据不符合要求"),
}
"""Rows for the table of problems."""

WRITE_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {**PROBLEM_RESPONSES[404], "description": HTTPStatus(status).phrase}
    for status in (401, 403)
}
"""What a route that changes something declares in the OpenAPI document besides."""


# Not `def`: nothing here waits, and no thread of the pool is needed.
async def _may_write(request: Request, services: UseServices) -> None:
    """Refuse a request that may not change anything.

    Raises
    ------
    TokenWrong, WriteRefused
    """
    if services.token is not None:
        check_token(request.headers.get("authorization"), services.token)
    else:
        check_local(request)


MayWrite = Depends(_may_write)
"""Dependency of every route that changes something."""


def check_token(header: str | None, token: SecretStr) -> None:
    """Compare the header ``Authorization: Bearer TOKEN``, in constant time.

    Raises
    ------
    TokenWrong
    """
    scheme, _, shown = (header or "").partition(" ")
    wanted = token.get_secret_value().encode()
    right = hmac.compare_digest(shown.strip().encode(), wanted)
    if scheme.lower() != "bearer" or not right:
        raise TokenWrong(
            "show the token of this platform: Authorization: Bearer TOKEN, with the"
            " TOKEN that HEITU_TOKEN was set to · 请在 Authorization 头中给出令牌"
        )


def check_local(request: Request) -> None:
    """Take only what a program on this machine sent of its own accord.

    Raises
    ------
    WriteRefused
    """
    headers = request.headers
    client = request.client.host if request.client else ""
    if not _is_loopback(client) or _PROXIED & set(headers):
        raise _refused(f"the request comes from {client or 'elsewhere'}")
    host = headers.get("host", "")
    if not _is_loopback_name(_hostname(host)):
        raise _refused(f"it asks for host {host!r}")
    origin = headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{host}":
        raise _refused(f"a page of {origin!r} sent it")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise _refused("a page elsewhere sent it")
    # Forms, the one thing a page sends unasked, cannot be of this type.
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "DELETE" and kind != "application/json":
        raise _refused("its content type is not application/json")


_PROXIED = {"forwarded", "x-forwarded-for", "x-real-ip"}


def _refused(why: str) -> WriteRefused:
    return WriteRefused(
        f"{why}: without HEITU_TOKEN only programs on this machine may change"
        " something, by http://127.0.0.1 and with JSON. Set HEITU_TOKEN and send it as"
        " Authorization: Bearer TOKEN · 未设置 HEITU_TOKEN 时只允许本机程序写入"
    )


def _hostname(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return (mapped or parsed).is_loopback
