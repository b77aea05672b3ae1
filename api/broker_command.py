"""`heitu broker-config`: the configuration of a Mosquitto for the devices."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Data
from api.settings import command_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensors.broker_config import Listener
    from store.credentials import Access

__all__ = ["broker_config"]

Certificate = Annotated[
    Path | None, typer.Option("--cert", help="Certificate chain, PEM · 证书")
]
Key = Annotated[Path | None, typer.Option("--key", help="Its key, PEM · 证书私钥")]
Authority = Annotated[
    Path | None,
    typer.Option("--client-ca", help="Ask devices for certificates · 设备证书签发者"),
]


def broker_config(
    out: Annotated[Path, typer.Option("--out", help="Folder to write · 输出目录")],
    host: Annotated[
        str, typer.Option(help="Numeric address to listen on · 监听地址")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Without TLS, 0 = none · 明文端口")
    ] = 1883,
    tls_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="With TLS · 加密端口")
    ] = 8883,
    cert: Certificate = None,
    key: Key = None,
    client_ca: Authority = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Ingest workers · 接入进程数")
    ] = 1,
    user: Annotated[
        str | None, typer.Option(help="System user of Mosquitto · 运行用户")
    ] = None,
    data: Data = None,
) -> None:
    """Write the configuration of a Mosquitto 2 for the devices · 生成 MQTT 服务配置.

    Passwords and rights are those of the devices at this moment: run it again after
    changes, then send Mosquitto a SIGHUP. Secrets of the ingest workers
    and of heitu-monitor, who reads $SYS/#, are kept.
    """
    from sensors.broker_config import exportable, ingest_users
    from store import credentials, open_store

    listeners = _listeners(host, port, tls_port, cert, key, client_ca)
    settings = command_settings(data)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        devices, left_out = exportable(credentials.exported(conn))
    out = out.expanduser().resolve()
    _write(out, listeners, devices, ingest_users(workers), user)
    typer.echo(f"{len(devices)} devices · 个设备: {out / 'mosquitto.conf'}")
    for device_id in left_out:
        typer.echo(
            f"left out: {device_id!r}; Mosquitto takes no colon or blank in a name"
            " · 编号或农场名含冒号或空格，已跳过",
            err=True,
        )


def _listeners(
    host: str,
    port: int,
    tls_port: int,
    cert: Path | None,
    key: Path | None,
    client_ca: Path | None,
) -> "list[Listener]":
    """Turn the options into listeners; wrong usage where they do not fit together."""
    import ipaddress

    from sensors.broker_config import Listener, TlsFiles

    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise typer.BadParameter(
            f"--host {host!r}: give a numeric address, for example 0.0.0.0"
            " · 请给出数字形式的地址"
        ) from error
    if (cert is None) != (key is None) or (client_ca is not None and cert is None):
        raise typer.BadParameter("give both --cert and --key · 请同时给出证书与私钥")
    listeners = [Listener(host, port)] if port else []
    if cert is not None and key is not None:
        ca = client_ca.resolve() if client_ca else None
        tls = TlsFiles(cert.resolve(), key.resolve(), ca)
        listeners.append(Listener(host, tls_port, tls))
    if not listeners:
        raise typer.BadParameter(
            "nothing to listen on: give --port, or --cert and --key · 没有监听端口"
        )
    return listeners


def _write(
    out: Path,
    listeners: "Sequence[Listener]",
    devices: "Sequence[Access]",
    ingest: "Sequence[str]",
    user: str | None,
) -> None:
    from sensors.broker_config import (
        MONITOR_USER,
        Files,
        access_list,
        configuration,
        password_file,
    )

    files = Files(out / "passwords", out / "acl", out / "state")
    files.state.mkdir(parents=True, exist_ok=True)
    users = (*ingest, MONITOR_USER)
    secrets = [(name, _secret(out / f"{name}.secret")) for name in users]
    texts = {
        files.passwords: password_file(devices, secrets),
        files.access_list: access_list(devices, ingest),
        out / "mosquitto.conf": configuration(listeners, files, user=user),
    }
    for path, text in texts.items():
        _replace(path, text)
    # Root can give what Mosquitto reads to its user; anybody else runs it himself.
    if user is not None and os.geteuid() == 0:
        for path in (*texts, files.state, out):
            shutil.chown(path, user)


def _secret(path: Path) -> str:
    """Return the secret in a file, made where there is none."""
    from sensors.passwords import make_secret

    if not path.exists():
        _replace(path, f"{make_secret()}\n")
    return path.read_text().strip()


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
