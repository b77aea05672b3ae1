"""XML metadata by tag name, whatever the version of the namespace.

A document type declaration is refused before it is read: no producer writes one, and
a few lines of nested entities fill the memory ("billion laughs").
"""

from collections.abc import Iterator
from xml.etree import ElementTree

from ingest.folders.errors import ProductInvalid
from ingest.folders.product import invalid

__all__ = ["all_of", "parse_xml", "required", "tag_of", "text_of"]


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError(f"document type declaration {name}")


def parse_xml(content: bytes, *, product: str, file: str) -> ElementTree.Element:
    """Parse a file of metadata.

    Raises
    ------
    ProductInvalid
        It is cut off, no XML, or has a document type declaration.
    """
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        parser.feed(content)
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as exc:
        raise invalid(
            product,
            file,
            f"is no XML that can be read ({exc}); copy or download it again",
            "元数据 XML 无法读取，请重新复制或下载",
        ) from exc
    return root


def tag_of(element: ElementTree.Element) -> str:
    """Name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def all_of(root: ElementTree.Element, *tags: str) -> Iterator[ElementTree.Element]:
    """All elements of these names, in the order of the document."""
    return (element for element in root.iter() if tag_of(element) in tags)


def text_of(root: ElementTree.Element, *tags: str) -> str | None:
    """Text of the first element of these names; None if there is none or no text."""
    for element in all_of(root, *tags):
        return (element.text or "").strip() or None
    return None


def required(root: ElementTree.Element, *tags: str, product: str, file: str) -> str:
    """Text of the first element of these names.

    Raises
    ------
    ProductInvalid
        There is none.
    """
    text = text_of(root, *tags)
    if text is None:
        raise missing(tags[0], product=product, file=file)
    return text


def missing(tag: str, *, product: str, file: str) -> ProductInvalid:
    """Say that metadata lack something that cannot be guessed."""
    return invalid(
        product,
        file,
        f"does not give {tag}; get the product again from its producer",
        f"元数据缺少 {tag}，请重新获取该产品",
    )
