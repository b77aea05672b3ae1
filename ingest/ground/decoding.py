"""Decoding the text of DBF tables, whose encoding is often stated wrongly or not."""

import codecs
from collections.abc import Iterable
from pathlib import Path

from ingest.ground.errors import EncodingWrong

__all__ = ["encoding_of"]

# In this order: Chinese text in GBK is all but never valid UTF-8, while UTF-8 often
# passes as GBK and comes out as other characters. GB 18030 holds all of GBK.
USUAL = ("utf-8", "gb18030")


def encoding_of(
    texts: Iterable[bytes], *, declared: str | None, by: str, path: Path
) -> str:
    """Name the encoding of a table's texts.

    Parameters
    ----------
    texts : iterable of bytes
        Names and values as they stand in the file.
    declared : str or None
        Encoding somebody stated; None tries UTF-8, then GB 18030.
    by : str
        Who stated it, for the message, e.g. ``"fields.cpg"``.
    path : Path
        The file, for the message.

    Raises
    ------
    EncodingWrong
        The texts are not in the declared encoding, or in none of the usual ones.
    """
    special = [text for text in texts if not text.isascii()]
    if declared is None:
        fitting = [name for name in USUAL if _fits(special, name)]
        if not fitting:
            raise EncodingWrong(
                f"{path}: the text is neither UTF-8 nor GBK; name its encoding with "
                f"--encoding · {path.name} 的文字既非 UTF-8 也非 GBK，"
                "请用 --encoding 指明编码",
                path=path,
            )
        return fitting[0]
    name = _codec(declared, by=by, path=path)
    taken_for_another = special and name != "utf-8" and _fits(special, "utf-8")
    if taken_for_another or not _fits(special, name):
        better = next((other for other in USUAL if _fits(special, other)), "?")
        raise EncodingWrong(
            f"{path}: {by} says {declared}, but the text is not in it; it reads as "
            f"{better}: give --encoding {better}, or mend {by}"
            f" · {by} 标明 {declared}，但文字并非此编码，更像 {better}，"
            f"请用 --encoding {better}",
            path=path,
        )
    return name


def _codec(declared: str, *, by: str, path: Path) -> str:
    # A .cpg may hold a bare Windows code page number.
    spelled = f"cp{declared}" if declared.isdecimal() else declared
    if spelled in ("cp65001", "cp936"):
        spelled = {"cp65001": "utf-8", "cp936": "gb18030"}[spelled]
    try:
        name = codecs.lookup(spelled).name
    except LookupError:
        raise EncodingWrong(
            f"{path}: {by} names the encoding {declared!r}, which is not known; give "
            f"--encoding UTF-8 or GBK · {by} 标明的编码 {declared} 无法识别，"
            "请用 --encoding 指明 UTF-8 或 GBK",
            path=path,
        ) from None
    return "gb18030" if name in ("gbk", "gb2312") else name


def _fits(texts: Iterable[bytes], name: str) -> bool:
    # A DBF field cuts text at its width, in the middle of a character too: an
    # incremental decoder leaves such a tail out instead of refusing it.
    try:
        for text in texts:
            codecs.getincrementaldecoder(name)().decode(text)
    except UnicodeDecodeError:
        return False
    return True
