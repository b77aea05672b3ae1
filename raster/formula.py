"""Formulas of spectral indices: read once, then run by a stack machine.

A formula such as ``(N - R) / (N + R)`` becomes a `Program`: a short list of steps on a
stack of pixel rows. One compiled kernel, `evaluate`, runs any program, so an index is
data: a new one needs no new code and no compilation.
"""

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raster.errors import SettingInvalid
from raster.jit import kernel

Float = NDArray[np.float32]
Int = NDArray[np.int32]

BANDS: Final = (
    *("A", "B", "G", "R", "RE1", "RE2", "RE3"),
    *("N", "N2", "WV", "S1", "S2", "T1"),
)
"""Letters of the bands, as in Awesome Spectral Indices (Montero et al. 2023).

By Sentinel-2: A B01, B B02, G B03, R B04, RE1 B05, RE2 B06, RE3 B07, N B08, N2 B8A,
WV B09, S1 B11, S2 B12; T1 is the first thermal band of Landsat.
"""

MAX_LENGTH: Final = 400
MAX_NESTING: Final = 64

_SMALLEST: Final = float(np.finfo(np.float32).tiny)
_LARGEST: Final = float(np.finfo(np.float32).max)

# Steps of the stack machine; the argument of the first two says which band or constant.
# Their order counts: up to _COPY the stack grows, from _ADD on it shrinks.
BAND_STEP: Final = 0
CONSTANT_STEP: Final = 1
_COPY: Final = 2
_NEGATE: Final = 3
_ROOT: Final = 4
_ADD: Final = 5
_SUBTRACT: Final = 6
_MULTIPLY: Final = 7
_DIVIDE: Final = 8

_BINARY: Final[dict[type[ast.operator], int]] = {
    ast.Add: _ADD,
    ast.Sub: _SUBTRACT,
    ast.Mult: _MULTIPLY,
    ast.Div: _DIVIDE,
}

_POWERS: Final = {
    0.5: (_ROOT,),
    1.0: (),
    2.0: (_COPY, _MULTIPLY),
    3.0: (_COPY, _COPY, _MULTIPLY, _MULTIPLY),
    4.0: (_COPY, _MULTIPLY, _COPY, _MULTIPLY),
}


# Arrays have no single truth of equality, and are left writeable on purpose: numba
# would compile every caller a second time for read-only ones.
@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A formula as steps of a stack machine, ready for `evaluate`.

    Attributes
    ----------
    bands
        Letters of the bands read, in the order of their first use.
    code
        int32 (steps, 2): operation and its argument.
    constants
        float32 (n,), the numbers of the formula.
    depth
        Rows of the stack that `evaluate` needs.
    """

    bands: tuple[str, ...]
    code: Int
    constants: Float
    depth: int


@lru_cache(maxsize=512)
def compile_formula(formula: str) -> Program:
    """Read a formula on reflectance.

    Parameters
    ----------
    formula
        Python's arithmetic, precedence included: ``+ - * /``, unary minus, brackets,
        numbers, the letters of `BANDS`, ``sqrt(...)``, and ``**`` with the exponent
        1, 2, 3, 4 or 0.5. At least one band, at most `MAX_LENGTH` characters.

    Raises
    ------
    SettingInvalid
        For anything else, naming the formula and the part that is at fault.

    Notes
    -----
    The text is parsed, never executed.
    """
    text = formula.strip()
    if not text:
        raise SettingInvalid(
            "the formula is empty: write one such as (N - R) / (N + R)"
            " · 公式为空，请填写，例如 (N - R) / (N + R)"
        )
    if len(text) > MAX_LENGTH:
        raise _fault(text, text, _TOO_LONG)
    writer = _Writer(text)
    writer.write(_parse(text), level=0)
    return writer.program()


_Reason = tuple[str, str]

_TOO_LONG: Final = (
    f"has more than {MAX_LENGTH} characters: shorten it",
    f"超过 {MAX_LENGTH} 个字符，请缩短",
)
_TOO_DEEP: Final = (
    f"lies more than {MAX_NESTING} levels deep: simplify the formula",
    f"嵌套超过 {MAX_NESTING} 层，请简化公式",
)
_NOT_ARITHMETIC: Final = (
    "is not arithmetic: check brackets, signs and full-width characters",
    "不是算式，请检查括号、运算符和全角字符",
)
_NOT_ALLOWED: Final = (
    "is not allowed: use + - * / **, sqrt(), numbers and bands only",
    "不允许使用，只能用 + - * / **、sqrt()、数字和波段",
)
_NO_BAND: Final = (
    f"is not a band: the bands are {' '.join(BANDS)}",
    f"不是波段，可用波段：{' '.join(BANDS)}",
)
_WITHOUT_BANDS: Final = (
    f"reads no band: use at least one of {' '.join(BANDS)}",
    f"没有用到波段，请至少使用一个：{' '.join(BANDS)}",
)
_NO_NUMBER: Final = (
    "is not a number that float32 can hold: write another",
    "不是 float32 能表示的数，请改写",
)
_NO_EXPONENT: Final = (
    "cannot be an exponent: use 1, 2, 3, 4 or 0.5",
    "不能作指数，请用 1、2、3、4 或 0.5",
)


def _fault(text: str, part: str, reason: _Reason) -> SettingInvalid:
    whole, part = _shortened(text), _shortened(part)
    english, chinese = reason
    return SettingInvalid(
        f"formula {whole!r}: {part!r} {english} · 公式 {whole!r}：{part!r} {chinese}"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        part = _from(text, error.lineno or 1, error.offset or 1)
        raise _fault(text, part, _NOT_ARITHMETIC) from error
    # Null characters, and nesting beyond what Python's own parser takes.
    except (ValueError, RecursionError, MemoryError) as error:
        raise _fault(text, text, _NOT_ARITHMETIC) from error


def _from(text: str, line: int, offset: int) -> str:
    """Text from a parser's position (both count from 1) on; all of it at its end."""
    rest = "\n".join(text.split("\n")[line - 1 :])
    return rest[offset - 1 :] or text


class _Writer:
    """Writes the steps of one formula."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bands: list[str] = []
        self._constants: list[float] = []
        self._code: list[tuple[int, int]] = []
        self._height = self._depth = 0

    def write(self, node: ast.expr, *, level: int) -> None:
        """Append the steps that put the value of `node` on the stack."""
        if level > MAX_NESTING:
            raise self._fault(node, _TOO_DEEP)
        match node:
            case ast.Name():
                self._step(BAND_STEP, self._band(node))
            case ast.Constant():
                self._constants.append(self._number(node))
                self._step(CONSTANT_STEP, len(self._constants) - 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.write(operand, level=level + 1)
                self._step(_NEGATE)
            case ast.Call(func=ast.Name(id="sqrt"), args=[operand], keywords=[]):
                self.write(operand, level=level + 1)
                self._step(_ROOT)
            case ast.BinOp(left=left, op=ast.Pow(), right=exponent):
                self.write(left, level=level + 1)
                for operation in self._power(exponent):
                    self._step(operation)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
                self.write(left, level=level + 1)
                self.write(right, level=level + 1)
                self._step(_BINARY[type(sign)])
            case _:
                raise self._fault(node, _NOT_ALLOWED)

    def program(self) -> Program:
        """Return what was written."""
        if not self._bands:
            raise _fault(self._text, self._text, _WITHOUT_BANDS)
        return Program(
            bands=tuple(self._bands),
            code=np.array(self._code, np.int32),
            constants=np.array(self._constants, np.float32),
            depth=self._depth,
        )

    def _step(self, operation: int, argument: int = 0) -> None:
        self._code.append((operation, argument))
        if operation <= _COPY:
            self._height += 1
        elif operation >= _ADD:
            self._height -= 1
        self._depth = max(self._depth, self._height)

    def _band(self, node: ast.Name) -> int:
        if node.id not in BANDS:
            raise self._fault(node, _NO_BAND)
        if node.id not in self._bands:
            self._bands.append(node.id)
        return self._bands.index(node.id)

    def _number(self, node: ast.Constant) -> float:
        value = node.value
        # True is an int to Python, and no number to a reader.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(node, _NO_NUMBER)
        # Compared before float(), which fails on the largest ints.
        if value == 0 or _SMALLEST <= value <= _LARGEST:
            return float(value)
        raise self._fault(node, _NO_NUMBER)

    def _power(self, exponent: ast.expr) -> tuple[int, ...]:
        value = exponent.value if isinstance(exponent, ast.Constant) else None
        for allowed, operations in _POWERS.items():
            if value == allowed and not isinstance(value, bool):
                return operations
        raise self._fault(exponent, _NO_EXPONENT)

    def _fault(self, node: ast.expr, reason: _Reason) -> SettingInvalid:
        part = ast.get_source_segment(self._text, node) or self._text
        return _fault(self._text, part, reason)


# Each step is one loop over rows that stay in the first cache, which LLVM vectorises.
@kernel
def evaluate(
    code: Int, constants: Float, where: Int, planes: Float, stack: Float
) -> None:
    """Run a program on rows of pixels; the result is left in ``stack[0]``.

    Parameters
    ----------
    code, constants
        Of a `Program`.
    where
        int32 (bands,): the row of `planes` that holds ``Program.bands[i]``, so that
        several programs share one set of planes.
    planes
        float32 (rows, at least width), reflectance, 1 = all light; not changed.
    stack
        float32 (at least ``Program.depth``, width), overwritten.

    Notes
    -----
    Sizes are not checked. A division by zero gives inf or NaN, the root of a negative
    number NaN, and a NaN in gives a NaN out, all without warning.
    """
    width = stack.shape[1]
    top = -1
    for i in range(code.shape[0]):
        operation, argument = code[i, 0], code[i, 1]
        if operation <= _COPY:
            top += 1
        elif operation >= _ADD:
            top -= 1
        if operation == BAND_STEP:
            row = where[argument]
            for k in range(width):
                stack[top, k] = planes[row, k]
        elif operation == CONSTANT_STEP:
            value = constants[argument]
            for k in range(width):
                stack[top, k] = value
        elif operation == _COPY:
            for k in range(width):
                stack[top, k] = stack[top - 1, k]
        elif operation == _NEGATE:
            for k in range(width):
                stack[top, k] = -stack[top, k]
        elif operation == _ROOT:
            for k in range(width):
                stack[top, k] = np.sqrt(stack[top, k])
        elif operation == _ADD:
            for k in range(width):
                stack[top, k] += stack[top + 1, k]
        elif operation == _SUBTRACT:
            for k in range(width):
                stack[top, k] -= stack[top + 1, k]
        elif operation == _MULTIPLY:
            for k in range(width):
                stack[top, k] *= stack[top + 1, k]
        else:
            for k in range(width):
                stack[top, k] /= stack[top + 1, k]
