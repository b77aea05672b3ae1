"""Asking again, with the patience of `ingest.http.Web`, where asking again can help."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ingest.http import TRANSIENT, Web, retry_after, shown
from ingest.source_errors import SourceBusy, SourceError, SourceStopped
from ingest.stac_api.errors import ApiRefuses

__all__ = ["Transient", "patiently", "refusal"]

Answer = TypeVar("Answer")


class Transient(Exception):
    """A failure that may pass; `error` is what it is when it does not."""

    def __init__(self, error: SourceError, *, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


def patiently(web: Web, ask: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer, or patience ends.

    Raises
    ------
    SourceError
        That of the last `Transient`; of the first, if it asks for too long a wait.
    SourceStopped
        A run that is being ended.
    """
    for attempt in range(web.tries):
        try:
            return ask()
        except Transient as exc:
            last = attempt + 1 == web.tries or (exc.wait or 0) > web.longest_wait
            if last:
                raise exc.error from exc
            web.pause(attempt, exc.wait)
            if web.stop.is_set():
                raise SourceStopped(
                    "stopped; run again to go on · 已停止，重新运行即可继续",
                    href=exc.error.href,
                ) from exc
    raise AssertionError("tries is at least 1")


def refusal(
    status: int, *, href: str, headers: Mapping[str, str], words: str = ""
) -> Transient | ApiRefuses:
    """Say what an answer other than success means.

    Parameters
    ----------
    status
        HTTP status.
    href
        What was asked; shown without its query.
    headers
        Of the answer: Retry-After, Date.
    words
        The server's own, if they hold no secret.
    """
    name = shown(href)
    if status in TRANSIENT:
        wait = retry_after(headers)
        when = "" if wait is None else f" and wants to be left alone for {wait:g} s"
        busy = SourceBusy(
            f"{name}: the server is busy ({status}){when}; run again later"
            f" · {name}：服务器繁忙（{status}），请稍后重新运行",
            href=name,
        )
        return Transient(busy, wait=wait)
    said = f": {words}" if words else ""
    return ApiRefuses(
        f"{name} refuses ({status}){said}; check the address, the collection and the "
        f"credentials · {name} 拒绝请求（{status}），请检查地址、影像集和凭据",
        href=name,
        status=status,
    )
