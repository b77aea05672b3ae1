"""Files on object storage: the path and the options that GDAL reads them by."""

import re
from collections.abc import Mapping

from raster.errors import SettingInvalid

_S3 = "s3://"

# A service's own address goes before that of all services, as in every AWS SDK.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

_ADDRESS = re.compile(r"(https?)://([^\s/?#@]+)/?", re.IGNORECASE)
_USER = re.compile(r"//[^/@]*@")


def gdal_path(href: str) -> str:
    """Give the path by which GDAL opens an href.

    ``s3://bucket/key`` is ``/vsis3/bucket/key``, which GDAL reads with the credentials
    of the AWS variables and files by itself; given the URL, rasterio asks boto3.

    Parameters
    ----------
    href
        A path, a URL or a path of a GDAL virtual file system.

    Returns
    -------
    str
        The href as it is, unless it is an S3 one.
    """
    scheme, key = href[: len(_S3)], href[len(_S3) :]
    return f"/vsis3/{key}" if scheme.lower() == _S3 else href


def s3_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the GDAL options for an object store that is not that of AWS.

    GDAL knows the standard variables of the AWS SDKs for credentials, region and
    profile, but not those for the address of the service.

    Parameters
    ----------
    environ
        Environment variables. ``AWS_ENDPOINT_URL_S3``, or else ``AWS_ENDPOINT_URL``,
        is the address, e.g. ``http://127.0.0.1:9000``; empty counts as absent.

    Returns
    -------
    dict[str, str]
        For `rasterio.Env`, to open paths of `gdal_path` under; empty where no address
        is set. Buckets are sought in the path, as MinIO and most others have them.

    Raises
    ------
    SettingInvalid
        The address is no http:// or https:// host.
    """
    name = next((name for name in _ENDPOINTS if environ.get(name)), None)
    if name is None:
        return {}
    address = _ADDRESS.fullmatch(environ[name].strip())
    if address is None:
        shown = _USER.sub("//***@", environ[name])
        raise SettingInvalid(
            f"{name} is {shown!r}, not the address of an object store: write "
            "http://HOST:PORT or https://HOST"
            f" · {name} 的值 {shown!r} 不是对象存储地址，请写成 http://主机:端口 或 "
            "https://主机"
        )
    scheme, host = address.groups()
    return {
        "AWS_S3_ENDPOINT": host,
        "AWS_HTTPS": "YES" if scheme.lower() == "https" else "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
