"""What the HTTP face tells of a product beside its numbers."""

from typing import Annotated

from pydantic import BaseModel, Field

__all__ = ["MapAccuracy", "Notice", "ProductClass", "Share"]


class ProductClass(BaseModel):
    """A class of a map: its stored number, its names, and its colour on the tiles."""

    value: int
    name: str
    name_en: str
    name_zh: str
    colour: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]


class Notice(BaseModel):
    """What a reader of the map has to know."""

    en: str
    zh: str


class Share(BaseModel):
    """A share with its interval; null where nothing is known."""

    value: float | None
    lower: float | None
    upper: float | None
    n: int


class MapAccuracy(BaseModel):
    """The accuracy that a class map is published with, and how it was found."""

    method: str
    independent: Annotated[bool, Field(description="No sample of it trained the map")]
    years: list[int]
    n: Annotated[int, Field(description="Samples")]
    interval: Annotated[float, Field(description="Probability of the bounds")]
    classes: Annotated[list[str], Field(description="Order of the lists below")]
    confusion: Annotated[
        list[list[int]], Field(description="Samples: rows mapped, columns ground")
    ]
    overall: Share
    users: list[Share]
    producers: list[Share]
