"""The small language of rules: arithmetic and comparisons over named numbers.

``0.8*t + rh/100*(t - 14.4) + 46.4 > 78`` is parsed by Python's own parser, checked
against a list of allowed nodes, and then walked by the code below: no text is ever
compiled or executed.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sensors.alerts.errors import ExpressionInvalid

__all__ = ["MAX_LENGTH", "MAX_NODES", "Expression", "parse"]

MAX_LENGTH = 500
MAX_NODES = 120
# Python's parser takes a few hundred levels; people need a handful.
MAX_DEPTH = 25

_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked condition; two are equal when their texts are."""

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(compare=False, repr=False)

    def holds(self, values: Mapping[str, float]) -> bool | None:
        """Tell whether the condition holds; None where it has no finite value.

        Parameters
        ----------
        values
            A finite number for each of `names`.
        """
        try:
            return bool(_number(self._tree, values))
        except (ArithmeticError, _NotFinite):
            return None


class _NotFinite(Exception):
    """A step gave an infinity or NaN, which no comparison may see."""


def parse(text: str, *, names: Collection[str]) -> Expression:
    """Check a condition and keep it ready for evaluation.

    Parameters
    ----------
    text
        At most `MAX_LENGTH` characters: numbers, names, ``+ - * /``, comparisons,
        ``and or not``, ``min max abs``, parentheses. The whole is true or false.
    names
        The names that may stand in it.

    Raises
    ------
    ExpressionInvalid
        It is too long or too deep, is no condition, or holds anything else.
    """
    if len(text) > MAX_LENGTH:
        raise _invalid(text, f"longer than {MAX_LENGTH} characters", "表达式过长")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _invalid(text, f"cannot be read ({error})", "无法解析") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise _invalid(text, f"more than {MAX_NODES} parts", "表达式过于复杂")
    _check(tree, text, frozenset(names), MAX_DEPTH)
    if not _is_condition(tree):
        raise _invalid(text, "no condition: compare it, as in x > 5", "缺少比较")
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return Expression(text.strip(), frozenset(used - _FUNCTIONS.keys()), tree)


def _check(node: ast.expr, text: str, names: frozenset[str], depth: int) -> None:
    """Refuse every node that is not of the language."""
    if not depth:
        raise _invalid(text, f"nested deeper than {MAX_DEPTH}", "嵌套过深")
    for child in _parts(node, text, names):
        _check(child, text, names, depth - 1)


def _parts(node: ast.expr, text: str, names: frozenset[str]) -> list[ast.expr]:
    """Return the operands of an allowed node."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            return [left, right]
        case ast.UnaryOp(ast.USub() | ast.UAdd() | ast.Not(), operand):
            return [operand]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left, ops, right) if all(type(op) in _COMPARE for op in ops):
            return [left, *right]
        case ast.Call(ast.Name(name), arguments, []) if name in _FUNCTIONS:
            return _arguments(name, arguments, text)
        case ast.Name(name):
            if name not in names:
                known = ", ".join(sorted(names)) or "none"
                raise _invalid(
                    text,
                    f"name {name!r} is unknown; known: {known}",
                    f"未知名称 {name}",
                )
            return []
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            _check_number(number, text)
            return []
    raise _invalid(
        text,
        f"{ast.unparse(node)[:60]!r} is not allowed; use numbers, names, + - * /,"
        " comparisons, and, or, not, min, max, abs",
        "含有不允许的内容",
    )


def _check_number(number: float, text: str) -> None:
    try:
        finite = math.isfinite(float(number))
    except OverflowError:
        finite = False
    if not finite:
        raise _invalid(text, "holds a number that is too large", "数值过大")


def _arguments(name: str, arguments: list[ast.expr], text: str) -> list[ast.expr]:
    fits = len(arguments) == 1 if name == "abs" else len(arguments) >= 2
    if not fits:
        wanted = "one argument" if name == "abs" else "two or more arguments"
        raise _invalid(text, f"{name} takes {wanted}", f"{name} 的参数个数不对")
    return arguments


def _is_condition(node: ast.expr) -> bool:
    match node:
        case ast.Compare():
            return True
        case ast.BoolOp(values=values):
            return all(map(_is_condition, values))
        case ast.UnaryOp(ast.Not(), operand):
            return _is_condition(operand)
    return False


def _number(node: ast.expr, values: Mapping[str, float]) -> float:
    """Evaluate a checked node; conditions are 0 or 1."""
    match node:
        case ast.Constant(int() | float() as number):
            return float(number)
        case ast.Name(name):
            return values[name]
        case ast.BinOp(left, op, right):
            return _finite(
                _BINARY[type(op)](_number(left, values), _number(right, values))
            )
        case ast.UnaryOp(op, operand):
            value = _number(operand, values)
            return _unary(op, value)
        case ast.BoolOp(op, operands):
            # All of them, so that a fault is never hidden behind the first.
            truths = [bool(_number(operand, values)) for operand in operands]
            return float(all(truths) if isinstance(op, ast.And) else any(truths))
        case ast.Compare(left, ops, right):
            return float(_compared(ops, [_number(n, values) for n in (left, *right)]))
        case ast.Call(ast.Name(name), arguments):
            return _FUNCTIONS[name](*(_number(a, values) for a in arguments))
    raise AssertionError(f"unchecked node {node!r}")  # pragma: no cover


def _unary(op: ast.unaryop, value: float) -> float:
    if isinstance(op, ast.Not):
        return float(not value)
    return -value if isinstance(op, ast.USub) else value


def _compared(ops: list[ast.cmpop], numbers: list[float]) -> bool:
    pairs = zip(ops, numbers, numbers[1:], strict=False)
    return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise _NotFinite
    return number


def _invalid(text: str, reason: str, reason_zh: str) -> ExpressionInvalid:
    return ExpressionInvalid(
        f"the expression {text[:80]!r} is refused: {reason} · 表达式无效：{reason_zh}",
        field="expression",
    )
