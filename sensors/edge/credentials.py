"""Who of the farm's devices may come in: a password file as Mosquitto has it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sensors.edge.errors import ConfigInvalid
from sensors.endpoint.authentication import Login, Principal, Refusal
from sensors.passwords import NOBODY, matches

__all__ = ["FileAuthenticator", "read_credentials", "read_password"]


class FileAuthenticator:
    """Lets devices in by hashes ``$7$...``, read once; an `Authenticator`.

    Parameters
    ----------
    hashes
        Hash by device id.
    farm
        The farm of all of them.
    gateways
        Those that speak for others.
    """

    def __init__(
        self, hashes: Mapping[str, str], *, farm: str, gateways: Sequence[str] = ()
    ) -> None:
        self._hashes = dict(hashes)
        self._farm = farm
        self._gateways = frozenset(gateways)

    def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
        """Answer each login, in order."""
        return [self._answer(login) for login in logins]

    def _answer(self, login: Login) -> Principal | Refusal:
        device_id = login.device_id
        # An unknown device takes as long as a wrong password.
        right = matches(self._hashes.get(device_id, NOBODY), login.password)
        if not right or device_id not in self._hashes:
            return Refusal.CREDENTIALS
        return Principal(device_id, self._farm, device_id in self._gateways)


def read_credentials(path: Path) -> dict[str, str]:
    """Read lines ``device:$7$iterations$salt$hash``; empty ones and ``#`` are skipped.

    Raises
    ------
    ConfigInvalid
        A line is no such line, or a device occurs twice.
    """
    hashes: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        device_id, colon, hashed = line.strip().partition(":")
        usable = colon and device_id and not set(device_id) & set("/+#")
        if not usable or not hashed.startswith("$7$") or device_id in hashes:
            # Never the line itself: it may be a password.
            raise ConfigInvalid(
                f"{path} line {number} is not device:$7$... or names a device twice:"
                " export the file from the platform"
                f" · 凭据文件第 {number} 行格式不对或设备重复，请从平台重新导出"
            )
        hashes[device_id] = hashed
    return hashes


def read_password(path: Path) -> str:
    """Read the gateway's own password: the first line of a file.

    Raises
    ------
    ConfigInvalid
        The file cannot be read or is empty.
    """
    lines = _text(path).splitlines()
    if not lines or not lines[0].strip():
        raise ConfigInvalid(
            f"{path} is empty: put the gateway's password into its first line"
            f" · {path} 为空，请在第一行写入网关密码"
        )
    return lines[0].strip()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"{path} cannot be read as text: check its rights and that it is UTF-8"
            f" · 无法读取 {path}"
        ) from error
