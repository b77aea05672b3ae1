from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from raster.errors import SettingInvalid
from raster.formula import BANDS, compile_formula, evaluate

Float = NDArray[np.float32]


def value_of(formula: str, **bands: float | list[float] | Float) -> Float:
    """What the kernel makes of a formula, (width,)."""
    program = compile_formula(formula)
    rows = [np.atleast_1d(bands[letter]) for letter in program.bands]
    planes = np.stack(rows).astype(np.float32)
    where = np.arange(len(rows), dtype=np.int32)
    stack = np.empty((program.depth, planes.shape[1]), np.float32)
    evaluate(program.code, program.constants, where, planes, stack)
    result: Float = stack[0]
    return result


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("N", 8),
        (" N\t", 8),
        ("N + R * B", 14),
        ("(N + R) * B", 30),
        ("N - R - B", 3),
        ("N - (R - B)", 9),
        ("N / R / 4", 1),
        ("N / R * 4", 16),
        ("-N + R", -6),
        ("R - -N", 10),
        ("B ** 2", 9),
        ("-B ** 2", -9),
        ("(-B) ** 2", 9),
        ("2 * B ** 2", 18),
        ("B ** 1", 3),
        ("B ** 3", 27),
        ("B ** 4", 81),
        ("B ** 2.0", 9),
        ("(N * R) ** 0.5", 4),
        ("sqrt(N * R)", 4),
        ("sqrt(N + 1) / B", 1),
        ("N * .5 + 1e1", 14),
        ("0 * N", 0),
        ("(((((((N)))))))", 8),
    ],
)
def test_value_of_a_formula(formula: str, expected: float) -> None:
    assert value_of(formula, N=8, R=2, B=3).tolist() == [expected]


@pytest.mark.parametrize("letter", BANDS)
def test_every_band_can_be_read(letter: str) -> None:
    assert value_of(f"{letter} + 1", **{letter: 2}).tolist() == [3]


def test_program_lists_each_band_once_in_order_of_first_use() -> None:
    program = compile_formula("(N - RE1) / (N + RE1 + S1)")

    assert program.bands == ("N", "RE1", "S1")


@pytest.mark.parametrize(
    ("formula", "depth"),
    [("N", 1), ("N + R + B", 2), ("N + (R + B)", 3), ("(N - R) / (N + R)", 3)],
)
def test_depth_is_what_the_stack_needs(formula: str, depth: int) -> None:
    assert compile_formula(formula).depth == depth


def test_arrays_of_a_program_have_the_types_of_the_kernel() -> None:
    program = compile_formula("2.5 * N")

    assert program.code.dtype == np.int32
    assert program.code.shape == (3, 2)
    assert program.constants.dtype == np.float32
    assert program.constants.tolist() == [2.5]


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ("NIR - R", "NIR"),
        ("n + R", "n"),
        ("N + foo", "foo"),
        ("abs(N - R)", "abs(N - R)"),
        ("__import__('os')", "__import__('os')"),
        ("N + sqrt(R, B)", "sqrt(R, B)"),
        ("sqrt(x=N)", "sqrt(x=N)"),
        ("sqrt(N, x=R)", "sqrt(N, x=R)"),
        ("N + sqrt()", "sqrt()"),
        ("sqrt", "sqrt"),
        ("R + N.real", "N.real"),
        ("R + N[0]", "N[0]"),
        ("N // R", "N // R"),
        ("N % R", "N % R"),
        ("N @ R", "N @ R"),
        ("+N", "+N"),
        ("~N", "~N"),
        ("R * (N > 1)", "N > 1"),
        ("N and R", "N and R"),
        ("N if R else B", "N if R else B"),
        ("lambda: N", "lambda: N"),
        ("(N := 1)", "N := 1"),
        ("[N for N in R]", "[N for N in R]"),
        ("N, R", "N, R"),
        ("N * True", "True"),
        ("N * None", "None"),
        ("N * 1j", "1j"),
        ("N * 'a'", "'a'"),
        ("N * 1e39", "1e39"),
        ("N * 1e-39", "1e-39"),
        ("N * 1e999", "1e999"),
        ("N * 1" + "0" * 330, "1" + "0" * 78 + "…"),
        ("N ** 5", "5"),
        ("N ** 0", "0"),
        ("N ** 1.5", "1.5"),
        ("N ** -1", "-1"),
        ("N ** R", "R"),
        ("N ** True", "True"),
        ("N ** 2 ** 2", "2 ** 2"),
        ("N R", "R"),
        ("N -", "N -"),
        ("R * (N - R", "(N - R"),
        ("N\n+ R", "+ R"),
        ("（N - R）", "（N - R）"),
        ("N \x00", "N \x00"),
        ("2 + 3", "2 + 3"),
    ],
)
def test_anything_else_is_refused_and_named(formula: str, part: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        compile_formula(formula)

    english, chinese = str(caught.value).split(" · ")
    assert f": {part!r} " in english
    assert repr(formula)[1:40] in english
    assert repr(formula)[1:40] in chinese


@pytest.mark.parametrize("formula", ["", " \n"])
def test_an_empty_formula_is_refused(formula: str) -> None:
    with pytest.raises(SettingInvalid, match="empty"):
        compile_formula(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "-" * 399 + "N",
        "N + " * 99 + "N",
        "N+(" * 90 + "N" + ")" * 90,
        "sqrt(" * 66 + "N" + ")" * 66,
        "(" * 100_000 + "N",
        "N" * 401,
    ],
)
def test_a_huge_formula_is_refused(formula: str) -> None:
    with pytest.raises(SettingInvalid, match=r"deep|characters"):
        compile_formula(formula)


def test_division_by_zero_and_roots_below_zero_are_silent() -> None:
    nan, inf = np.nan, np.inf
    with np.errstate(all="raise"):
        ratio = value_of("N / R", N=[1, -1, 0, nan], R=[0, 0, 0, 1])
        root = value_of("sqrt(N)", N=[-1, 0, 4, inf])

    np.testing.assert_array_equal(ratio, [inf, -inf, nan, nan])
    np.testing.assert_array_equal(root, [nan, 0, 2, inf])


def test_programs_share_planes_that_stay_as_they_are() -> None:
    planes = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    program = compile_formula("N - R * R")
    stack = np.full((program.depth + 2, 3), 99, np.float32)
    where = np.array([2, 0], np.int32)

    evaluate(program.code, program.constants, where, planes, stack)

    assert stack[0].tolist() == [6, 4, 0]
    assert stack[program.depth :].tolist() == [[99] * 3] * 2
    assert planes.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_only_the_width_of_the_stack_is_computed() -> None:
    planes = np.arange(8, dtype=np.float32).reshape(1, 8)
    program = compile_formula("N * 2")
    stack = np.zeros((program.depth, 3), np.float32)

    evaluate(
        program.code, program.constants, np.zeros(1, np.int32), planes[:, 5:], stack
    )

    assert stack[0].tolist() == [10, 12, 14]


def test_other_kernels_call_it() -> None:
    @njit(nogil=True)
    def twice(code: Any, constants: Any, where: Any, planes: Any, stack: Any) -> None:
        evaluate(code, constants, where, planes, stack)
        for k in range(stack.shape[1]):
            stack[0, k] *= 2

    program = compile_formula("N / R")
    planes = np.array([[6, 1], [3, 0]], np.float32)
    stack = np.empty((program.depth, 2), np.float32)

    twice(program.code, program.constants, np.arange(2, dtype=np.int32), planes, stack)

    assert stack[0].tolist() == [4, np.inf]


LETTERS = ("B", "R", "N", "S1")
CONSTANTS = st.integers(0, 9999).map(lambda n: f"{n / 1000}")
SIGNS = st.sampled_from("+-*/")
POWERS = st.sampled_from(["1", "2", "0.5"])


def _joined(parts: tuple[str, str, str, bool]) -> str:
    left, sign, right, bracketed = parts
    # Without brackets it is precedence that decides what belongs together.
    return f"({left} {sign} {right})" if bracketed else f"{left} {sign} {right}"


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, SIGNS, inner, st.booleans()).map(_joined),
        inner.map("-{}".format),
        inner.map("sqrt({})".format),
        st.tuples(inner, POWERS).map(lambda p: f"({p[0]}) ** {p[1]}"),
    )


FORMULAS = st.recursive(st.sampled_from(LETTERS) | CONSTANTS, _grown, max_leaves=12)
WIDTH = 37


@settings(max_examples=300, deadline=None)
@given(FORMULAS, st.integers(0, 2**32 - 1))
def test_any_formula_has_the_value_numpy_gives_it(formula: str, seed: int) -> None:
    assume(len(formula) <= 400 and any(letter in formula for letter in LETTERS))
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-0.1, 1, (len(LETTERS), WIDTH)).astype(np.float32)
    bands = dict(zip(LETTERS, rows, strict=True))

    found = value_of(formula, **bands)

    np.testing.assert_array_equal(found, _by_numpy(formula, bands))


def _by_numpy(formula: str, bands: dict[str, Float]) -> Any:
    # Numbers become rows too: numpy then rounds each step to float32, as the kernel.
    words = formula.replace("(", " ( ").replace(")", " ) ").replace("-", " - ").split()
    for i, word in enumerate(words):
        if word[0].isdigit() and words[i - 1 : i] != ["**"]:
            words[i] = f"row({word})"
    names = {"sqrt": np.sqrt, "row": lambda v: np.full(WIDTH, v, np.float32)}
    with np.errstate(all="ignore"):
        return eval(" ".join(words), names | bands)
