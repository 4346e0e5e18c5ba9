"""The query language of ``--units``: a condition per row, parsed by Python's parser and evaluated here.

Queries also come from configuration files and run directories, so they are never executed: each kind of expression
has an entry in ``_PIECES``, and all others are refused. Ids and columns are written as in pandas queries. Missing
values fail every comparison except ``!=`` and ``not in``, and count as false.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnnspike.trials.rows import closest, did_you_mean

#: Longest query, deepest nesting, and longest part of it repeated in a message.
MAX_CHARACTERS, MAX_DEPTH, MOST_SHOWN = 20_000, 50, 80

#: A row by column: numbers, text, booleans, None for missing values; other values can only be tested for presence.
Row = Mapping[str, Any]


class QueryError(ValueError):
    """A query that cannot be evaluated; the message names the part and the reason."""


class NumberedText(str):
    """A text that is also a number, as ids are if all of them are numbers."""

    number: float

    @classmethod
    def of(cls, text: str, number: float) -> NumberedText:
        """Return a text together with its number."""
        self = cls(text)
        self.number = number
        return self


def matching_rows(query: str, rows: Sequence[Row]) -> list[bool] | None:
    """Return which rows match a query; None if it is not true or false for each row.

    Parameters
    ----------
    query
        ``rate_hz > 1 and area == "V1"``: comparisons (``1 < depth < 3``), ``in``, ``and``, ``or``, ``not`` (``&``,
        ``|``, ``~``), arithmetic (``+ - * / // %``), names with spaces in backticks, ``index`` for the position of
        the row, ``abs(depth)``, and the methods of ``METHODS`` and ``TEXT_METHODS`` (``area.str.startswith("V")``).
    rows
        Values by column, with the same columns in each row.

    Raises
    ------
    QueryError
        For any other expression, an unknown column, text instead of a number and the like.
    """
    tree = _parsed(query)
    if not any(isinstance(node, ast.Name) for node in ast.walk(tree)):
        return None
    answers = [_value(tree, {"index": place, **row}) for place, row in enumerate(rows)]
    if not all(answer is None or isinstance(answer, bool) for answer in answers):
        return None
    return [bool(answer) for answer in answers]


# A quoted text, a name in backticks, pandas' & and |, white space.
_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?P<name>[^`]+)`|(?P<sign>[&|])|(?P<space>\s+)""", re.DOTALL
)
_WORDS = {"&": " and ", "|": " or "}
_BACKTICKED = re.compile(r"column_([0-9a-f]+)_backticked")


def _parsed(query: str) -> ast.expr:
    if len(query) > MAX_CHARACTERS:
        raise QueryError(f"is longer than {MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(_TOKEN.sub(_for_python, query).strip(), mode="eval").body
    except SyntaxError as error:
        rest = abbreviated((error.text or "")[max((error.offset or 1) - 1, 0) :].strip())
        raise QueryError(error.msg + (f" at {rest}" if rest else "")) from None
    except (ValueError, MemoryError, RecursionError):  # lone surrogates; nested too deeply for the parser
        raise QueryError("cannot be read as a condition") from None
    _check_depth(tree)
    return tree


def _for_python(token: re.Match[str]) -> str:
    """Return a token for Python's parser; ``&`` and ``|`` bind like ``and`` and ``or``, as in pandas."""
    if token["name"]:
        return f"column_{token['name'].encode('utf-8', 'surrogatepass').hex()}_backticked"
    return " " if token["space"] else _WORDS.get(token[0], token[0])


def _column(name: re.Match[str]) -> str:
    return bytes.fromhex(name[1]).decode("utf-8", "surrogatepass")


def _check_depth(tree: ast.AST) -> None:
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise QueryError(f"is nested more than {MAX_DEPTH} levels deep")


def abbreviated(text: str) -> str:
    """Return a query, or a part of it, shortened for a message."""
    text = _BACKTICKED.sub(lambda name: f"`{_column(name)}`", text)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _refused(node: ast.AST, why: str) -> QueryError:
    return QueryError(f"{abbreviated(ast.unparse(node))} {why}")


def _value(node: ast.expr, row: Row) -> Any:
    piece = _PIECES.get(type(node))
    if piece is None:
        raise _refused(node, "is not allowed in a query")
    return piece(node, row)


def _constant(node: ast.Constant, row: Row) -> Any:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        return node.value
    raise _refused(node, "is neither a number nor text")


def _name(node: ast.Name, row: Row) -> Any:
    name = _BACKTICKED.sub(_column, node.id)
    if name not in row:
        raise QueryError(", ".join(filter(None, (f"no column {name!r}", closest(name, row)))))
    return row[name]


def _list(node: ast.List | ast.Tuple | ast.Set, row: Row) -> list[Any]:
    return [_value(each, row) for each in node.elts]


def _both(node: ast.BoolOp, row: Row) -> bool:
    truths = [_truth(each, row) for each in node.values]
    return all(truths) if isinstance(node.op, ast.And) else any(truths)


def _unary(node: ast.UnaryOp, row: Row) -> Any:
    if isinstance(node.op, (ast.Not, ast.Invert)):
        return not _truth(node.operand, row)
    return _calculated(operator.neg if isinstance(node.op, ast.USub) else operator.pos, row, node.operand)


def _arithmetic(node: ast.BinOp, row: Row) -> Any:
    if type(node.op) not in _OPERATIONS:
        raise _refused(node, "has an operator other than + - * / // %")
    return _calculated(_OPERATIONS[type(node.op)], row, node.left, node.right)


def _calculated(operation: Callable[..., Any], row: Row, *nodes: ast.expr) -> Any:
    """Return the result of an operation on numbers; missing if one is, or if undefined (division by zero)."""
    numbers = [_number(each, row) for each in nodes]
    try:
        return None if None in numbers else operation(*numbers)
    except (ZeroDivisionError, OverflowError):
        return None


def _truth(node: ast.expr, row: Row) -> bool:
    value = _value(node, row)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _refused(node, "is neither true nor false")


def _number(node: ast.expr, row: Row) -> Any:
    value = _value(node, row)
    value = value.number if isinstance(value, NumberedText) else value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise _refused(node, "is not a number")


def _comparison(node: ast.Compare, row: Row) -> bool:
    sides = [_value(each, row) for each in (node.left, *node.comparators)]
    links = zip(node.ops, sides, sides[1:], strict=False)
    return all(_compared(node, sign, left, right) for sign, left, right in links)


def _compared(node: ast.Compare, sign: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(right, list) and isinstance(sign, (ast.In, ast.NotIn, ast.Eq, ast.NotEq)):
        return is_in(left, right) == isinstance(sign, (ast.In, ast.Eq))
    if type(sign) not in _SIGNS:
        raise _refused(node, 'needs a list, as area in ["V1", "V2"]; a single value is compared by == or !=')
    left, right = _as_compared(left, right), _as_compared(right, left)
    kinds = {_kind(each) for each in (left, right)} - {None}
    if object in kinds:
        raise _refused(node, "compares values that are neither numbers nor text")
    if len(kinds) > 1:
        raise _refused(node, 'compares text with a number (texts are written in quotes, "3", numbers without)')
    if isinstance(sign, (ast.Eq, ast.NotEq)):
        return bool(left == right) == isinstance(sign, ast.Eq)
    return None not in (left, right) and bool(_SIGNS[type(sign)](left, right))


def _kind(value: Any) -> type | None:
    if value is None:
        return None
    return str if isinstance(value, str) else float if isinstance(value, (bool, int, float)) else object


def _as_compared(value: Any, other: Any) -> Any:
    """Return a value for comparison with another: a text that is also a number as number if the other is one."""
    return value.number if isinstance(value, NumberedText) and _kind(other) is float else value


def _call(node: ast.Call, row: Row) -> Any:
    function = node.func
    if isinstance(function, ast.Name) and function.id == "abs" and len(node.args) == 1 and not node.keywords:
        return _calculated(abs, row, node.args[0])
    if not isinstance(function, ast.Attribute):
        raise _refused(node, "is not a call of a column's method")
    of, methods = function.value, METHODS
    if isinstance(of, ast.Attribute) and of.attr == "str":
        of, methods = of.value, TEXT_METHODS
    if function.attr not in methods:
        raise _refused(function, f"is not a known method {did_you_mean(function.attr, methods)}")
    value = _value(of, row)
    if methods is TEXT_METHODS and _kind(value) not in (str, None):
        raise _refused(of, "is not text")
    arguments = [_value(each, row) for each in node.args]
    named = {str(each.arg): _value(each.value, row) for each in node.keywords}
    try:
        return methods[function.attr](value, *arguments, **named)
    except (TypeError, AttributeError):
        raise _refused(node, "has arguments that the method does not accept") from None


def _attribute(node: ast.Attribute, row: Row) -> Any:
    known = ", ".join((*METHODS, *(f"str.{name}" for name in TEXT_METHODS)))
    raise _refused(node, f"is not a method call with arguments (there are {known})")


def is_in(value: Any, values: list[Any]) -> bool:
    """Return whether a list contains a value."""
    if not isinstance(values, list):
        raise TypeError("no list")
    return any(_as_compared(value, each) == each for each in values)


def _is_between(value: Any, low: Any, high: Any) -> bool:
    return value is not None and bool(low <= _as_compared(value, low) <= high)


def _contains(text: str | None, part: str, case: bool = True, na: bool = False, regex: bool = False) -> bool:
    """Return whether a text contains a part, literally: patterns from files could take forever."""
    if regex:
        raise TypeError("a pattern")
    if text is None:
        return bool(na)
    return part in text if case else part.casefold() in text.casefold()


def _begins(text: str | None, part: Any, na: bool = False) -> bool:
    return bool(na) if text is None else text.startswith(tuple(part) if isinstance(part, list) else part)


def _ends(text: str | None, part: Any, na: bool = False) -> bool:
    return bool(na) if text is None else text.endswith(tuple(part) if isinstance(part, list) else part)


#: Methods of a column, and of a text column after ``.str``; the first argument is the value of a row.
METHODS: dict[str, Callable[..., Any]] = {
    "isin": is_in,
    "between": _is_between,
    "isna": lambda value: value is None,
    "notna": lambda value: value is not None,
    "isnull": lambda value: value is None,
    "notnull": lambda value: value is not None,
}
TEXT_METHODS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": _begins,
    "endswith": _ends,
    "lower": lambda text: None if text is None else text.lower(),
    "upper": lambda text: None if text is None else text.upper(),
    "strip": lambda text: None if text is None else text.strip(),
    "len": lambda text: None if text is None else len(text),
}
_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_PIECES: dict[type[ast.expr], Callable[[Any, Row], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Set: _list,
    ast.BoolOp: _both,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.Compare: _comparison,
    ast.Call: _call,
    ast.Attribute: _attribute,
}
