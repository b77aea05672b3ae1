"""What object storage answers when it does not do what it is asked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from ingest.errors import (
    ArchiveDenied,
    ArchiveError,
    ArchiveUnreachable,
    BucketMissing,
)

__all__ = ["told"]

# The answers of S3 are XML: Amazon S3 API Reference, "Error responses".
CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
# Also where a machine of AWS asks for its own credentials when none are given.
NO_KEY = re.compile(r"//169\.254\.\d+\.\d+/|AssumeRole|Missing(Secret)?AccessKey")
ADDRESS = re.compile(r"https?://(?:[^/@\s]*@)?([^/\s]+)")


@contextmanager
def told(location: str) -> Iterator[None]:
    """Turn errors of obstore into those of the archive.

    A file that is not there stays a FileNotFoundError, and a condition of a PUT that
    does not hold stays obstore's: they are answers.

    Raises
    ------
    ArchiveDenied
        Credentials are missing or refused.
    BucketMissing
        There is no such bucket.
    ArchiveUnreachable
        Anything else: no answer, or none that can be used.
    """
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except InvalidPathError as exc:
        raise FileNotFoundError(str(exc)) from exc
    except (BaseError, FileNotFoundError, PermissionError) as exc:
        found = _error(location, exc)
        if found is None:
            raise
        # Without the cause: a refused signature quotes the key's id.
        raise found from None


def _error(location: str, exc: Exception) -> ArchiveError | None:
    text = str(exc)
    code = CODE.search(text)
    if code and code[1] == "NoSuchBucket":
        return _no_bucket(location)
    if isinstance(exc, FileNotFoundError):
        return None
    status = STATUS.search(text)
    reason = code[1] if code else status[1].strip() if status else _sentence(text)
    refused = isinstance(exc, PermissionDeniedError | UnauthenticatedError)
    if NO_KEY.search(text):
        return _denied(location, "no credentials are set, and none are to be had here")
    if refused or (status and status[1][:3] in {"401", "403"}):
        return _denied(location, reason)
    return ArchiveUnreachable(
        f"{location}: object storage does not do what it is asked ({reason}); check "
        "the network and, for a store other than AWS, AWS_ENDPOINT_URL, then run again:"
        " what is stored is kept"
        f" · {location}：对象存储无法访问（{reason}），请检查网络和 AWS_ENDPOINT_URL 后"
        "重新运行，已存内容会保留"
    )


def _denied(location: str, reason: str) -> ArchiveDenied:
    return ArchiveDenied(
        f"{location}: access refused ({reason}); check AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION, the rights on the "
        "bucket, and this machine's clock"
        f" · {location}：拒绝访问（{reason}），请检查 AWS_ACCESS_KEY_ID、"
        "AWS_SECRET_ACCESS_KEY、AWS_SESSION_TOKEN、AWS_REGION、存储桶权限和本机时钟"
    )


def _no_bucket(location: str) -> BucketMissing:
    return BucketMissing(
        f"{location}: there is no such bucket; create it, or correct the name and "
        f"AWS_ENDPOINT_URL · {location}：存储桶不存在，请先创建，或更正名称与 "
        "AWS_ENDPOINT_URL"
    )


def _sentence(text: str) -> str:
    """Last words of the first line of an error of obstore, and whom it asked."""
    words = text.split("\n", 1)[0].rsplit(" - ", 1)[-1][:200]
    address = ADDRESS.search(text)
    return f"{words}, asking {address[1]}" if address else words
