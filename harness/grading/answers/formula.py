r"""Parse the tokens of one formula into an expression, by recursive descent.

The parser accepts what people write for a value: implicit products, ``\frac12``,
mixed numbers, ``\sin^2 2x``, ``3!``, ``|x|``, and ``sqrt(3)/2`` in plain text.
"""

from __future__ import annotations

from fractions import Fraction

from harness.grading.answers.digits import read_digits
from harness.grading.answers.splitting import step
from harness.grading.answers.syntax import Apply, Expression, Number, Symbol
from harness.grading.answers.tokens import FUNCTIONS, Token, TooDeepError, UnreadableError

MAXIMUM_DEPTH = 30
"""The deepest nesting that is read. It bounds the recursion of the parser."""
MAXIMUM_LEVELS = 100
"""The most levels of an expression; a product of n factors has n. It bounds the functions that
walk an expression: a model that repeats a letter writes products of hundreds of factors."""

_ACCENTS = frozenset("dot ddot hat bar vec overline overrightarrow widehat tilde".split())
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}
CROSS = "\u00d7"
"""Stands for the product of two vectors, of which the order counts."""
CALLED = frozenset(("f", "g", "h", "u", "F", "G", "H", CROSS))
"""Letters that name a function when a parenthesis follows; other letters are factors."""
_CALLED_BY_NAME = frozenset(("abs", "floor", "ceil"))
_OF_LISTS = frozenset(("\\max", "\\min", "\\gcd", "\\lcm"))
_END = Token("end of formula", "")


def parse_formula(tokens: list[Token]) -> Expression:
    """Return the expression that the tokens form.

    Raises:
        UnreadableError: a token is left over.
        TooDeepError: the expression has too many levels.
    """
    reader = _Reader(tokens)
    expression = reader.sum(MAXIMUM_DEPTH)
    if reader.next.text == "mod":
        expression = reader.modulo(expression)
    if reader.next is not _END:
        raise UnreadableError(f"{reader.next.text!r} follows the formula")
    if _is_deep(expression):
        raise TooDeepError(f"more than {MAXIMUM_LEVELS} levels")
    return expression


def _is_deep(expression: Expression) -> bool:
    level = [expression]
    for _ in range(MAXIMUM_LEVELS):
        level = [part for node in level if isinstance(node, Apply) for part in node.arguments]
        if not level:
            return False
    return True


class _Reader:
    """Reads tokens from left to right; each method consumes the part that it is named after.

    ``depth`` is how many more levels may be nested.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._bars = 0

    @property
    def next(self) -> Token:
        return self._peek(0)

    def _peek(self, ahead: int) -> Token:
        index = self._position + ahead
        return self._tokens[index] if index < len(self._tokens) else _END

    def _take(self) -> Token:
        token = self.next
        self._position += 1
        return token

    def _expect(self, kind: str) -> None:
        if self._take().kind != kind:
            raise UnreadableError(f"{kind!r} is missing")

    def sum(self, depth: int) -> Expression:
        if depth <= 0:
            raise UnreadableError("nested too deeply")
        terms = [self._signed(depth)]
        while self.next.kind in ("+", "-"):
            terms.append(self._signed(depth))
        return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))

    def modulo(self, value: Expression) -> Expression:
        r"""Read the modulus after a value, as in ``3 \bmod 7``."""
        self._take()
        return Apply("mod", (value, self.sum(MAXIMUM_DEPTH)))

    def _signed(self, depth: int) -> Expression:
        negative = False
        while self.next.kind in ("+", "-"):
            negative ^= self._take().kind == "-"
        term = self._product(depth)
        return Apply("-", (term,)) if negative else term

    def _product(self, depth: int) -> Expression:
        result = self._power(depth)
        while True:
            kind = self.next.kind
            if kind in ("*", "/"):
                self._take()
                right = self._factor_after_sign(depth)
                result = Apply(kind, (result, right))
            elif self.next.text == "cross":
                self._take()
                result = Apply(f"call:{CROSS}", (result, self._power(depth)))
            elif self.next.text == "angle":  # r at an angle
                self._take()
                result = Apply("*", (result, Apply("cis", (self._power(depth),))))
            elif self._begins_factor() or self._is_power_before_number(result):
                result = Apply("*", (result, self._power(depth)))
            else:
                return result

    def _is_power_before_number(self, result: Expression) -> bool:
        """Say whether a number follows as a factor, as in ``2^6 3^5`` but not in ``2 3``."""
        return self.next.kind == "number" and isinstance(result, Apply)

    def _factor_after_sign(self, depth: int) -> Expression:
        if self.next.kind == "-":  # 2 * -3
            self._take()
            return Apply("-", (self._power(depth),))
        return self._power(depth)

    def _begins_factor(self) -> bool:
        token = self.next
        if token.kind == "|":
            return self._bars == 0
        if token.kind == "command":
            return token.text not in (
                "rfloor",
                "rceil",
                "cup",
                "cap",
                "setminus",
                "pm",
                "mp",
                "mod",
                "cross",
            )
        return token.kind in ("symbol", "(", "[", "{")

    def _power(self, depth: int) -> Expression:
        base = self._postfix(self._atom(depth - 1))
        while self.next.kind == "^":
            self._take()
            if self._is_degree_sign():
                base = Apply("degrees", (base,))
                continue
            if self._is_prime():
                base = _primed(base)
                continue
            base = self._postfix(Apply("^", (base, self._exponent(depth - 1))))
        return base

    def _exponent(self, depth: int) -> Expression:
        if self.next.kind == "-":
            self._take()
            return Apply("-", (self._exponent(depth),))
        base = self._postfix(self._atom(depth))
        if self.next.kind == "^" and "\\circ" not in (self._peek(1).text, self._peek(2).text):
            # Plain text writes towers without braces.
            self._take()
            return Apply("^", (base, self._exponent(depth - 1)))
        return base

    def _is_degree_sign(self) -> bool:
        for skip, closes in ((0, False), (1, True)):
            if self._peek(skip).text == "\\circ" and (not closes or self.next.kind == "{"):
                self._position += skip + 1
                if closes:
                    self._expect("}")
                return True
        return False

    def _is_prime(self) -> bool:
        if self.next.kind == "'":
            self._take()
            return True
        if self.next.kind == "{" and self._peek(1).kind == "'" and self._peek(2).kind == "}":
            self._position += 3
            return True
        return False

    def _postfix(self, value: Expression) -> Expression:
        while self.next.kind in ("!", "'"):
            if self._take().kind == "'":
                value = _primed(value)
            elif self.next.kind == "!":
                raise UnreadableError("a double factorial")
            else:
                value = Apply("!", (value,))
        return value

    def _atom(self, depth: int) -> Expression:
        if depth <= 0:
            raise UnreadableError("nested too deeply")
        token = self._take()
        if token.kind == "number":
            return self._mixed(read_digits(token.text), token)
        if token.kind == "symbol":
            return self._symbol(token, depth)
        if token.kind in ("(", "[", "{"):
            return self._group(token.kind, depth)
        if token.kind == "|":
            return self._absolute(depth)
        if token.kind == "command":
            return self._command(token.text, depth)
        raise UnreadableError(f"{token.text!r} cannot begin a value")

    def _group(self, opening: str, depth: int) -> Expression:
        bars, self._bars = self._bars, 0
        value = self.sum(depth)
        self._bars = bars
        self._expect({"(": ")", "[": "]", "{": "}"}[opening])
        return value

    def _absolute(self, depth: int) -> Expression:
        self._bars += 1
        value = self.sum(depth)
        self._bars -= 1
        self._expect("|")
        return Apply("abs", (value,))

    def _mixed(self, whole: Number, token: Token) -> Expression:
        r"""Read ``1 1/2`` and ``1\frac{1}{2}`` as three halves."""
        if whole.decimals is not None or not token.text.isdecimal():
            return whole
        below = above = None
        slashed = self.next.kind == "number" and self.next.spaced and self._peek(1).kind == "/"
        if slashed and self._peek(2).kind == "number":
            above, below = self.next.text, self._peek(2).text
            length = 3
        elif self.next.text == "frac" and self.next.kind == "command":
            above, below, length = self._plain_fraction()
        if not (above and below and above.isdecimal() and below.isdecimal()):
            return whole
        if len(above + below) > 100 or not 0 < int(above) < int(below):
            return whole
        self._position += length
        return Number(whole.value + Fraction(int(above), int(below)))

    def _plain_fraction(self) -> tuple[str | None, str | None, int]:
        r"""Return the two integers of the ``\frac`` that comes next, and its length in tokens."""
        kinds = [self._peek(offset) for offset in range(1, 7)]
        shape = "".join("n" if t.kind == "number" else t.kind[:1] for t in kinds)
        if shape == "{n}{n}":
            return kinds[1].text, kinds[4].text, 7
        if shape.startswith("n{n}"):  # \frac9{19}
            return kinds[0].text if len(kinds[0].text) == 1 else None, kinds[2].text, 5
        if shape.startswith("{n}n") and len(kinds[3].text) == 1:
            return kinds[1].text, kinds[3].text, 5
        if shape.startswith("n") and len(kinds[0].text) == 2:  # \frac12
            return kinds[0].text[0], kinds[0].text[1], 2
        return None, None, 0

    def _symbol(self, token: Token, depth: int) -> Expression:
        name = token.text
        while self.next.kind in ("_", "'"):
            name += "'" if self._take().kind == "'" else "_" + self._subscript()
        if name in _OF_LISTS and self.next.kind in ("(", "\\{"):
            return self._of_list(name.removeprefix("\\"), depth)
        if self._is_call(token.text):
            self._take()
            arguments = [self.sum(depth)]
            while self.next.kind in (",", ";"):
                self._take()
                arguments.append(self.sum(depth))
            self._expect(")")
            return Apply(f"call:{name}", tuple(arguments))
        return Symbol(name)

    def _of_list(self, name: str, depth: int) -> Expression:
        closing = ")" if self._take().kind == "(" else "\\}"
        value = self.sum(depth)
        while self.next.kind == ",":
            self._take()
            value = Apply(name, (value, self.sum(depth)))
        self._expect(closing)
        return value

    def _is_call(self, letter: str) -> bool:
        if self.next.kind != "(":
            return False
        if letter in CALLED or letter in ("\\Phi", "\\Gamma", "\\delta"):
            return True
        lone = self._peek(2).kind == ")" and self._peek(1).kind == "number"
        return letter.isalpha() and (lone or (letter.isupper() and self._has_pair()))

    def _has_pair(self) -> bool:
        """Say whether the bracket that comes next holds two things with a comma between them."""
        depth = 0
        for token in self._tokens[self._position :]:
            depth += step(token)
            if depth == 1 and token.kind in (",", ";"):
                return True
            if depth == 0:
                return False
        return False

    def _subscript(self) -> str:
        token = self._take()
        if token.kind != "{":
            return token.text
        text = ""
        while self.next.kind != "}":
            if self.next is _END:
                raise UnreadableError("a subscript is not closed")
            text += self._take().text
        self._take()
        return text.removeprefix("\\")

    def _command(self, name: str, depth: int) -> Expression:
        if name == "frac":
            return Apply("/", (self._argument(depth), self._argument(depth)))
        if name in ("binom", "dbinom", "tbinom"):
            return Apply("binom", (self._argument(depth), self._argument(depth)))
        if name in ("lfloor", "lceil"):
            value = self.sum(depth)
            if self._take().text != name.replace("l", "r", 1):
                raise UnreadableError("a floor or ceiling is not closed")
            return Apply(name[1:], (value,))
        if name == "sqrt":
            return self._root(depth)
        if name in _CALLED_BY_NAME:
            return self._called(name, depth)
        if name in FUNCTIONS:
            return self._function(_ALIASES.get(name, name), depth)
        if name in _ACCENTS:
            return self._accented(name, depth)
        raise UnreadableError(f"{name} is not a value")

    def _argument(self, depth: int) -> Expression:
        r"""Read ``{…}``, or one digit or letter as TeX does: ``\frac12``."""
        token = self.next
        if token.kind == "number" and len(token.text) > 1 and token.text.isdecimal():
            rest = Token("number", token.text[1:])
            self._tokens = [*self._tokens]
            self._tokens[self._position] = rest
            return read_digits(token.text[0])
        if token.kind == "number":
            return read_digits(self._take().text)
        return self._atom(depth - 1)

    def _root(self, depth: int) -> Expression:
        if self.next.kind == "[":
            self._take()
            index = self.sum(depth)
            self._expect("]")
            return Apply("root", (self._atom(depth - 1), index))
        if self.next.kind == "number":
            return Apply("sqrt", (read_digits(self._take().text),))
        return Apply("sqrt", (self._atom(depth - 1),))

    def _function(self, name: str, depth: int) -> Expression:
        base: Expression | None = None
        power: Expression | None = None
        for _ in range(2):
            if self.next.kind == "_" and name == "log" and base is None:
                self._take()
                base = self._argument(depth)
            elif self.next.kind == "^" and power is None:
                self._take()
                power = self._exponent(depth - 1)
        if power == Apply("-", (Number(Fraction(1), None, 1),)) and name in _INVERSE:
            name, power = _INVERSE[name], None
        argument = self._function_argument(depth)
        value = Apply(name, (argument,) if base is None else (argument, base))
        return value if power is None else Apply("^", (value, power))

    def _function_argument(self, depth: int) -> Expression:
        r"""Read a bracketed argument, or the factors up to the next sign: ``\sin 2x``."""
        if self.next.kind in ("(", "[", "{"):
            return self._power_of_group(depth)
        factors = [self._power(depth - 1)]
        while self.next.kind in ("symbol", "number", "*", "(") or self.next.text == "frac":
            if self.next.kind == "*":
                break
            factors.append(self._power(depth - 1))
        value = factors[0]
        for factor in factors[1:]:
            value = Apply("*", (value, factor))
        if self.next.kind == "/" and self._peek(1).kind in ("number", "symbol"):
            self._take()
            value = Apply("/", (value, self._power(depth - 1)))
        return value

    def _called(self, name: str, depth: int) -> Expression:
        """Read the argument in brackets of a function that plain text calls by its name."""
        if self.next.kind != "(":
            raise UnreadableError(f"{name} without a bracket")
        return Apply(name, (self._atom(depth - 1),))

    def _power_of_group(self, depth: int) -> Expression:
        value = self._atom(depth - 1)
        if self.next.kind == "^" and self._peek(1).text == "\\circ":
            self._position += 2
            return Apply("degrees", (value,))
        return value

    def _accented(self, name: str, depth: int) -> Expression:
        inner = self._argument(depth)
        letters = "".join(_letters_of(inner))
        if not letters:
            raise UnreadableError(f"{name} over no name")
        while self.next.kind == "_":
            self._take()
            letters += "_" + self._subscript()
        return Symbol(f"{name} {letters}")


def _letters_of(expression: Expression) -> list[str]:
    if isinstance(expression, Symbol):
        return [expression.name]
    if isinstance(expression, Apply) and expression.function == "*":
        return [name for part in expression.arguments for name in _letters_of(part)]
    return []


def _primed(value: Expression) -> Expression:
    if isinstance(value, Symbol):
        return Symbol(value.name + "'")
    if isinstance(value, Apply) and value.function.startswith("call:"):
        return Apply(value.function + "'", value.arguments)
    raise UnreadableError("a prime after something that is not a name")
