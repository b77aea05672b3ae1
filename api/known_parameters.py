"""A misspelt parameter is refused: ignored, it would answer another question."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError

__all__ = ["refuse_unknown_parameters"]


async def refuse_unknown_parameters(request: Request) -> None:
    """Dependency of every route: the OpenAPI document says what it takes.

    Raises
    ------
    RequestValidationError
        The address has a query parameter that the route does not know; answered 422.
    """
    if not request.query_params:
        return
    known = _documented(request)
    faults = [
        {
            "type": "unknown_parameter",
            "loc": ("query", name),
            "msg": f"not known here; known: {', '.join(sorted(known)) or 'none'}",
            "input": value,
        }
        for name, value in request.query_params.items()
        if name not in known
    ]
    if faults:
        raise RequestValidationError(faults)


def _documented(request: Request) -> set[str]:
    path = request.scope["route"].path
    operation = request.app.openapi()["paths"][path][request.method.lower()]
    parameters = operation.get("parameters", [])
    return {p["name"] for p in parameters if p["in"] == "query"}
