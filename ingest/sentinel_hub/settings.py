"""Who asks Sentinel Hub, where, and with how much patience."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr
from sentinelhub.config import SHConfig

from ingest.sentinel_hub.errors import HubSettingInvalid

__all__ = ["Deployment", "HubSettings", "Patience"]

Deployment = Literal["sentinel-hub", "copernicus"]

# https://docs.sentinel-hub.com/api/latest/ and
# https://documentation.dataspace.copernicus.eu/APIs/SentinelHub/Overview/Authentication
_ADDRESSES: Final = {
    "sentinel-hub": (
        "https://services.sentinel-hub.com",
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",
    ),
    "copernicus": (
        "https://sh.dataspace.copernicus.eu",
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    ),
}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Account and addresses; nothing is read from or written to the user's own files.

    Attributes
    ----------
    client_id : str
        Of an OAuth client of the account, kind "client credentials".
    client_secret : SecretStr
        Its secret; in no message, log or representation.
    deployment : str
        "sentinel-hub", or "copernicus" for the Copernicus Data Space Ecosystem.
    base_url, token_url : str or None
        None = those of the deployment. https, but for this machine itself.

    Raises
    ------
    HubSettingInvalid
        A credential is empty, the deployment unknown, or an address not https.
    """

    client_id: str
    client_secret: SecretStr
    deployment: Deployment = "sentinel-hub"
    base_url: str | None = None
    token_url: str | None = None

    def __post_init__(self) -> None:
        if not self.client_id.strip() or not self.client_secret.get_secret_value():
            raise HubSettingInvalid(
                "Sentinel Hub needs a client id and a client secret: create an OAuth "
                "client in the dashboard of your account and give both"
                " · Sentinel Hub 需要 client id 和 client secret，请在账户后台创建 "
                "OAuth 客户端并填写两者"
            )
        if self.deployment not in _ADDRESSES:
            raise HubSettingInvalid(
                f"unknown deployment {self.deployment!r}: choose "
                f"{' or '.join(_ADDRESSES)}"
                f" · 未知的服务部署 {self.deployment!r}，可选 {'、'.join(_ADDRESSES)}"
            )
        for url in (self.service, self.token_service):
            _check_address(url)

    @property
    def service(self) -> str:
        """Base address of catalogue and Process API, without a slash at its end."""
        return (self.base_url or _ADDRESSES[self.deployment][0]).rstrip("/")

    @property
    def token_service(self) -> str:
        """Address that gives tokens."""
        return self.token_url or _ADDRESSES[self.deployment][1]

    def config(self, timeout: float) -> SHConfig:
        """Make the library's configuration, in memory alone.

        Each request of the library is one try: how often, and how long to wait in
        between, is for `Patience` to say.
        """
        # With the defaults, neither ~/.config/sentinelhub nor SH_CLIENT_ID is read.
        return SHConfig(
            use_defaults=True,
            sh_client_id=self.client_id,
            sh_client_secret=self.client_secret.get_secret_value(),
            sh_base_url=self.service,
            sh_token_url=self.token_service,
            max_download_attempts=1,
            download_sleep_time=0.0,
            download_timeout_seconds=timeout,
        )


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    # User and password in an address would show in messages.
    if parts.username is None and (
        parts.scheme == "https"
        or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    ):
        return
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    raise HubSettingInvalid(
        f"Sentinel Hub address {shown}: the secret is sent there, so give an https "
        "address without user and password"
        f" · Sentinel Hub 地址 {shown}：密钥会发往该地址，请使用不含用户名和密码的 "
        "https 地址"
    )


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask, and how long to wait in between.

    Attributes
    ----------
    tries : int
        Of one request, the first included, while the service fails or is silent.
    first_wait : float
        Seconds after the first failure; doubled after each further one.
    longest_wait : float
        Seconds for which one request may be put off in all because too much was asked
        (status 429, ``Retry-After``); beyond, it is an error.
    timeout : float
        Seconds to wait for a connection, and for each part of an answer.
    stop : Event
        Once set, nobody waits or asks any more: a run is being ended.
    clock : callable
        In seconds, and set by nobody: tokens and waits are measured by it, so that a
        wrong date of this computer does no harm.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 300.0
    timeout: float = 120.0
    stop: Event = field(default_factory=Event)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.first_wait, self.longest_wait, self.timeout) <= 0:
            raise HubSettingInvalid(
                f"{self.tries} tries, waits of {self.first_wait} to "
                f"{self.longest_wait} s, timeout {self.timeout} s: give at least one "
                "try and positive seconds"
                f" · 尝试 {self.tries} 次、等待 {self.first_wait}–{self.longest_wait} "
                f"秒、超时 {self.timeout} 秒：次数至少为 1，秒数须为正"
            )

    def wait_after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return float(min(self.first_wait * 2 ** (failures - 1), self.longest_wait))
