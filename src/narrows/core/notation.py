"""Read a setting from text, as command lines and TOML files write it."""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from narrows.core.checks import nearest
from narrows.core.spec import Spec
from narrows.errors import ParameterError


def parse(text: str) -> Any:
    """Return the value a person wrote on a command line or in a TOML string.

    ``"WeightDecay(1e-4) + WeightDecay(weight=1)"``, ``"(256, 64)"``, ``"0.01"``, ``"true"``,
    ``"none"``; a single bare word that is none of these stays a string. Nothing is evaluated: the
    text may hold literals, lists, and parts from the register, added with ``+``.

    Parameters
    ----------
    text : str
        What was written.

    Raises
    ------
    ParameterError
        If it is no such thing; an unknown part is answered with the nearest name.

    Examples
    --------
    >>> from narrows.core.notation import parse
    >>> parse("WeightDecay(1e-3)"), parse("(256, 64)"), parse("cross_entropy"), parse("true")
    (WeightDecay(weight=0.001), (256, 64), 'cross_entropy', True)
    """
    stripped = text.strip()
    try:
        tree = ast.parse(stripped, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if "(" in stripped or "+" in stripped:
            raise ParameterError(
                f"{text!r} cannot be read as a setting; write for example 0.01, true, (256, 64) "
                "or WeightDecay(1e-4)"
            ) from None
        return stripped
    return _Reader(text).read(tree.body)


_WORDS = {"true": True, "false": False, "none": None, "null": None}


class _Reader:
    """Turns a parsed expression into a value, node by node; refuses whatever else it may hold."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, node: ast.AST) -> Any:
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        return self._refuse() if reader is None else reader(node)

    def _refuse(self) -> NoReturn:
        raise ParameterError(
            f"{self.text!r} holds something that is not a literal or a part of narrows; "
            "write for example 0.01, true, (256, 64) or WeightDecay(1e-4)"
        )

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        return _WORDS.get(node.id.lower(), node.id)

    def _tuple(self, node: ast.Tuple | ast.List) -> Any:
        return tuple(self.read(item) for item in node.elts)

    _list = _tuple

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.read(node.operand)
        if not isinstance(node.op, ast.USub) or not isinstance(value, (int, float)):
            return self._refuse()
        return -value

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.read(node.left), self.read(node.right)
        if isinstance(node.op, ast.Add) and isinstance(left, Spec) and isinstance(right, Spec):
            return left + right
        if isinstance(left, str) and isinstance(right, str):
            return self.text.strip()  # a word with a dash or a path, not an expression
        return self._refuse()

    def _attribute(self, node: ast.Attribute) -> str:
        return self.text.strip()  # a file name such as data.csv

    def _call(self, node: ast.Call) -> Any:
        known = Spec.classes()
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in known:
            advice = nearest(name, known)
            listed = ", ".join(sorted(known))
            raise ParameterError(
                f"{name!r} in {self.text!r} is no part of narrows; there are {listed}"
                + (f"; {advice}" if advice else "")
            )
        arguments = [self.read(item) for item in node.args]
        named = {item.arg or "**": self.read(item.value) for item in node.keywords}
        try:
            return known[name](*arguments, **named)
        except TypeError as error:
            raise ParameterError(f"{self.text!r}: {error}") from error
