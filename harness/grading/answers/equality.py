"""Compare two answers by their structure.

Every comparison has three results. True and False are certain. None means that
these rules do not know, and that a symbolic comparison may decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks import Conventions
from harness.grading.answers import (
    bindings,
    families,
    integration,
    regions,
    relations,
    vectors,
    wording,
)
from harness.grading.answers.effort import spend
from harness.grading.answers.expressions import equal_expressions, is_constant
from harness.grading.answers.quantities import equal_quantities, same_time
from harness.grading.answers.syntax import (
    EXPRESSIONS,
    Answer,
    Apply,
    Based,
    Cases,
    Compound,
    Difference,
    Expression,
    Intersection,
    Matrix,
    Opaque,
    Qualified,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)
from harness.grading.answers.tokens import DOTS
from harness.grading.answers.values import exact

Equality = bool | None
GOES_ON = Symbol(DOTS)
EMPTY = Words("no solution")
"""The empty set, and the statement that nothing is a solution."""


def equal(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    """Say whether the answer equals the gold; None if their structure does not decide it."""
    spend(1)
    gold, answer = _only(gold), _only(answer)
    if gold == answer:
        return True
    for kind, rule in _BY_KIND:
        if isinstance(gold, kind) or isinstance(answer, kind):
            return rule(gold, answer, conventions)
    return _expressions(gold, answer, conventions)  # type: ignore[arg-type]


def _expressions(gold: Expression, answer: Expression, conventions: Conventions) -> Equality:
    if families.is_residue(gold) or families.is_residue(answer):
        return families.same_residue(gold, answer)
    if is_constant(gold):
        answer = vectors.counted(answer)
        if _IMAGINARY in _parts(gold) and not is_constant(answer):
            answer = families.replaced(answer, {"j": _IMAGINARY})  # as engineers write it
    same = equal_expressions(gold, answer, conventions)
    if same or is_constant(gold) or is_constant(answer):
        return same
    if integration.same_constants(gold, answer):
        return True
    return families.same_family(gold, answer) or vectors.same_vector(gold, answer) or same


_IMAGINARY = Symbol("i")


def _parts(value: Expression) -> frozenset[Expression]:
    """Return the symbols and numbers of an expression."""
    if isinstance(value, Apply):
        return frozenset().union(*map(_parts, value.arguments))
    return frozenset((value,))


def _cases(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    """Compare functions in pieces, whose rows may stand in any order."""
    if not (isinstance(gold, Cases) and isinstance(answer, Cases)):
        return None
    if len(gold.rows) != len(answer.rows):
        return None
    wanted, given = ([Sequence("(", "|", row) for row in s.rows] for s in (gold, answer))
    if answer.rows[-1][1] == _REST and gold.rows[-1][1] != _REST:
        for place, (value, _) in enumerate(gold.rows):
            left = [*wanted[:place], *wanted[place + 1 :]]
            if equal(value, answer.rows[-1][0], conventions) and _matched(
                left, given[:-1], conventions
            ):
                return True
        return None
    return _matched(wanted, given, conventions) or None


_REST = Words("otherwise")


def _only(answer: Answer) -> Answer:
    """Return the item of a list, tuple or set that has one item; any other answer as it is."""
    while isinstance(answer, Sequence) and len(answer.items) == 1:
        inner = answer.items[0]
        if inner == EMPTY or (
            isinstance(inner, Sequence) and inner.opening == answer.opening == "{"
        ):
            break  # a set that holds a set is another one
        answer = answer.items[0]
    return answer


def _relation(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    exact_gold, exact_answer = relations.without_rounding(gold), relations.without_rounding(answer)
    if exact_gold is not gold or exact_answer is not answer:
        same = equal(exact_gold, exact_answer, conventions)
        rounding = None if same or exact_answer is answer else relations.rounding(answer)
        return same if rounding is None else equal(exact_gold, rounding, conventions) or same
    if regions.describes_set(gold) or regions.describes_set(answer):
        found = _same_set(gold, answer, conventions)
        if found is not None:
            return found
    records = bindings.read_record(gold, equal), bindings.read_record(answer, equal)
    if records != (None, None):
        return _records(gold, answer, *records, conventions)
    if bindings.define_one_function(gold, answer):
        return bindings.equal_definitions(gold, answer, conventions, equal)  # type: ignore[arg-type]
    return relations.equal(gold, answer, conventions, equal)


def _records(
    gold: Answer,
    answer: Answer,
    wanted: bindings.Record | None,
    given: bindings.Record | None,
    conventions: Conventions,
) -> Equality:
    """Compare two answers of which one or both give values to several names."""
    wanted = wanted or bindings.read_chain(gold)
    given = given or bindings.read_chain(answer)
    if wanted is not None and given is not None:
        return bindings.equal_records(wanted, given, conventions, equal)
    if _all_relations(gold) and _all_relations(answer):
        pass  # one of them gives several values to one name
    elif wanted is not None:
        gold = bindings.as_tuple(wanted)
    elif given is not None:
        ordered = isinstance(gold, Sequence) and gold.ordered
        answer = bindings.as_tuple(given) if ordered else Sequence("", "", tuple(given.values()))
    if isinstance(gold, Sequence) and isinstance(answer, Sequence):
        return _lists(gold, answer, conventions)
    return True if _states_each_time(gold, answer, conventions) else _of_other_kinds(gold, answer)


def _same_set(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    found = regions.same(gold, answer, conventions, equal)
    if found is not None:
        return found
    left, right = regions.written(gold), regions.written(answer)
    if left is None or right is None or (left, right) == ([gold], [answer]):
        return None
    matched = _matched(left, right, conventions)
    return matched if len(left) == len(right) == 1 else matched or None


def _set(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if gold == answer:
        return True
    found = _same_set(relations.member(gold), relations.member(answer), conventions)
    if found is None and any(map(_is_no_set, (gold, answer))):
        return False
    return found


def _is_no_set(answer: Answer) -> bool:
    """Say whether an answer was read and is certainly no set of real numbers."""
    if isinstance(answer, Sequence):
        return answer.ordered and len(answer.items) > 2
    if isinstance(answer, Union):  # "x = 6 or y = 1" says of neither what it is
        named = [part for part in answer.parts if isinstance(part, Relation)]
        names = {bindings.name_of(part) for part in named if part.signs == ("=",)}
        return len(named) == len(answer.parts) and len(names) > 1
    return isinstance(answer, Matrix | Based | Cases)


def _sequence(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if regions.describes_set(gold) or regions.describes_set(answer):
        found = _same_set(gold, answer, conventions)
        if found is not None:
            return found
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _matrix(gold, answer, conventions)
    records = bindings.read_record(gold, equal), bindings.read_record(answer, equal)
    if records != (None, None):
        return _records(gold, answer, *records, conventions)
    if not (isinstance(gold, Sequence) and isinstance(answer, Sequence)):
        return _listed_once(gold, answer, conventions)
    return _lists(gold, answer, conventions)


def _listed_once(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    """Compare a list or a tuple with an answer that is none."""
    listed, other = (gold, answer) if isinstance(gold, Sequence) else (answer, gold)
    if not isinstance(listed, Sequence) or GOES_ON in listed.items:
        return None
    if _states_each_time(gold, answer, conventions):
        return True
    declared = _without_declarations(listed)
    if declared is not None and isinstance(other, Apply) and not is_constant(other):
        wanted, given = (declared, other) if listed is gold else (other, declared)
        return equal(wanted, given, conventions) or None
    if isinstance(other, Apply) and listed.ordered:
        components = vectors.components(other, len(listed.items))
        if components is not None:
            if listed is gold:
                return _lists(listed, components, conventions)
            return _lists(components, listed, conventions)
    return _of_other_kinds(gold, answer)


def _without_declarations(listed: Sequence) -> Answer | None:
    """Return the answer before the sets of its letters, as in ``3n - 2, n \\in \\mathbb{N}``."""
    first, *rest = listed.items
    declares = [isinstance(item, Relation) and item.signs == ("in",) for item in rest]
    return first if listed.opening == "" and rest and all(declares) else None


def _of_other_kinds(gold: Answer, answer: Answer) -> Equality:
    """Return False if one side is a value and the other is several, or a region; else None."""
    sides = (gold, answer)
    values = [isinstance(side, (*EXPRESSIONS, Quantity, Based)) for side in sides]
    several = [isinstance(side, Sequence | Union | Matrix) for side in sides]
    stated = [isinstance(side, Words) for side in sides]
    kinds = (any(values), any(several), any(stated))
    return False if kinds.count(True) == 2 else None


def _lists(gold: Sequence, answer: Sequence, conventions: Conventions) -> Equality:
    """Compare two tuples, intervals, sets or lists."""
    wanted, given = gold.items, answer.items
    if not (_all_relations(gold) and _all_relations(answer)):
        wanted, given = _values(gold), _values(answer)
    if GOES_ON in wanted or GOES_ON in given:
        return _elided(wanted, given, conventions)
    if len(given) != 2 and answer.opening + answer.closing in ("(]", "[)"):
        return None  # neither an interval nor a tuple
    if gold.ordered and not (answer.opening == "{" and len(wanted) > 1):
        return _ordered(gold, answer, wanted, given, conventions)
    if gold.ordered or (gold.opening == "{" and answer.ordered):
        return False
    if answer.opening == "[" and len(given) == 2:
        return False  # an interval
    if len(set(wanted)) == len(wanted):  # the gold repeats nothing on purpose
        given = tuple(dict.fromkeys(given))
    return _matched(wanted, given, conventions)


def _elided(
    wanted: tuple[Answer, ...], given: tuple[Answer, ...], conventions: Conventions
) -> Equality:
    """Compare two lists of which one or both have dots for some of their items."""
    if GOES_ON in wanted and GOES_ON in given:
        pairs = zip(wanted, given, strict=False)
        same = relations.every(equal(left, right, conventions) for left, right in pairs)
        return (same if len(wanted) == len(given) else None) or None
    # A list without an end is no finite list; dots between items may stand for any of them.
    return False if GOES_ON in (wanted[-1], given[-1]) else None


def _all_relations(answer: Answer) -> bool:
    return isinstance(answer, Sequence) and all(isinstance(i, Relation) for i in answer.items)


def _states_each_time(gold: Answer, answer: Answer, conventions: Conventions) -> bool:
    """Say whether one side is a list of which every item equals the other side."""
    single, listed = (answer, gold) if isinstance(gold, Sequence) else (gold, answer)
    if not isinstance(listed, Sequence) or listed.ordered or single == EMPTY:
        return False
    return all(equal(single, item, conventions) for item in _values(listed))


def _ordered(
    gold: Sequence,
    answer: Sequence,
    wanted: tuple[Answer, ...],
    given: tuple[Answer, ...],
    conventions: Conventions,
) -> Equality:
    if len(wanted) != len(given):
        return False
    ends = (gold.opening, gold.closing), (answer.opening, answer.closing)
    if len(wanted) == 2 and answer.ordered and ends[0] != ends[1]:
        return False  # open or closed
    pairs = zip(wanted, given, strict=True)
    return relations.every(equal(left, right, conventions) for left, right in pairs)


def _values(sequence: Sequence) -> tuple[Answer, ...]:
    """Return the items, with each assignment (``x = 5``) replaced by its value."""
    return tuple(_grouped(item) for item in sequence.items)


def _grouped(item: Answer) -> Answer:
    """Return an assignment's value, and a list within a list as a tuple; a record as it is."""
    if bindings.read_record(item, equal) is not None:
        return item
    if isinstance(item, Sequence) and item.opening == "":
        return Sequence("(", ")", _values(item))
    value = relations.assigned(item, equal)
    return item if value is None else value


def _matched(
    wanted: Iterable[Answer], given: Iterable[Answer], conventions: Conventions
) -> Equality:
    """Compare two collections whose order does not matter."""
    left = list(wanted)
    unknown = False
    for item in given:
        results = [equal(candidate, item, conventions) for candidate in left]
        if True in results:
            del left[results.index(True)]
        elif None in results:
            unknown = True
        else:
            return False
    if unknown:
        return None
    return not left


def _matrix(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if isinstance(gold, Matrix) and isinstance(answer, Apply) and _is_vector(gold):
        entries = [entry for row in gold.rows for entry in row]
        answer = vectors.components(answer, len(entries)) or answer
    left, right = _entries(gold), _entries(answer)
    if left is None or right is None:
        return _of_other_kinds(gold, answer)
    shapes = [len(row) for row in left], [len(row) for row in right]
    flat = [[entry for row in side for entry in row] for side in (left, right)]
    both_vectors = sum(_is_vector(side) for side in (gold, answer)) == 2
    both_vectors &= not (isinstance(gold, Matrix) and isinstance(answer, Matrix))
    if shapes[0] != shapes[1] and not (both_vectors and len(flat[0]) == len(flat[1])):
        return False
    return relations.every(equal(a, b, conventions) for a, b in zip(*flat, strict=True))


def _is_vector(answer: Answer) -> bool:
    """Say whether an answer is a tuple, or a matrix of one row or one column."""
    if isinstance(answer, Matrix):
        return len(answer.rows) == 1 or len(answer.rows[0]) == 1
    return isinstance(answer, Sequence) and not isinstance(answer.items[0], Sequence)


def _entries(answer: Answer) -> tuple[tuple[Answer, ...], ...] | None:
    """Return the rows of a matrix; a tuple or list is a vector, and counts as one row."""
    if isinstance(answer, Matrix):
        return answer.rows
    if not isinstance(answer, Sequence) or answer.opening == "{":
        return None
    if all(isinstance(item, Sequence) for item in answer.items):
        return tuple(item.items for item in answer.items if isinstance(item, Sequence))
    return (answer.items,)


def _words(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if isinstance(gold, Words) and isinstance(answer, Words):
        return wording.same(gold.text, answer.text)
    word, other = (gold, answer) if isinstance(gold, Words) else (answer, gold)
    if other == Symbol("\\infty") and isinstance(word, Words):
        return wording.is_infinity(word.text)
    if isinstance(word, Words) and len(word.text) <= 4 and _may_be_letters(other):
        return None  # "abc" may be a product
    return False


def _may_be_letters(answer: Answer) -> bool:
    """Say whether letters may spell the answer; a number such as ``-12`` equals no word."""
    return isinstance(answer, Relation) or (isinstance(answer, Apply) and exact(answer) is None)


def _based(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if isinstance(gold, Based) and isinstance(answer, Based):
        return (gold.digits.lstrip("0"), gold.base) == (answer.digits.lstrip("0"), answer.base)
    based, other = (gold, answer) if isinstance(gold, Based) else (answer, gold)
    value = exact(other) if isinstance(other, EXPRESSIONS) else None
    if value is None or not isinstance(based, Based):
        return _of_other_kinds(gold, answer)
    if answer is based:  # a question that names no base asks for the number
        return _value_in_base(based) == value
    if value.denominator.bit_length() + value.numerator.bit_length() > 4 * len(based.digits) + 2:
        return False  # it has more digits, and Python refuses to write very many
    return str(value) == based.digits.lstrip("0")  # the question names the base


def _value_in_base(based: Based) -> int | None:
    try:
        return int(based.digits, based.base)
    except ValueError:
        return None


def _ratio(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        if len(gold.terms) != len(answer.terms):
            return False
        if gold.clock and answer.clock:
            return same_time(gold, answer)
    quotients = [_quotients(side) for side in (gold, answer)]
    if quotients[0] is None or quotients[1] is None:
        return None
    if len(quotients[0]) != len(quotients[1]):
        return False
    pairs = zip(*quotients, strict=True)
    return relations.every(equal(left, right, conventions) for left, right in pairs)


def _quotients(answer: Answer) -> list[Answer] | None:
    if isinstance(answer, EXPRESSIONS):
        return [answer]
    if not isinstance(answer, Ratio):
        return None
    terms = [term for term in answer.terms if isinstance(term, EXPRESSIONS)]
    if len(terms) != len(answer.terms):
        return None
    return [Apply("/", (term, terms[-1])) for term in terms[:-1]]


def _compound(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    """Compare 2 hours 30 minutes, which may stand for 150 and for 2.5 if no unit is asked for."""
    one, other = (
        side.readings if isinstance(side, Compound) else (side,) for side in (gold, answer)
    )
    results = [equal(left, right, conventions) for left in one for right in other]
    return True if True in results else None if None in results else False


def _qualified(gold: Answer, answer: Answer, conventions: Conventions) -> Equality:
    """Compare two answers of which one or both have a remark, which may be left out."""
    sides = [side.value if isinstance(side, Qualified) else side for side in (gold, answer)]
    same = equal(sides[0], sides[1], conventions)
    conditions = {
        side.remark for side in (gold, answer) if isinstance(side, Qualified) and side.is_condition
    }
    return None if same and len(conditions) > 1 else same


_BY_KIND: tuple[
    tuple[type[Answer] | tuple[type, ...], Callable[[Answer, Answer, Conventions], Equality]], ...
] = (
    ((Qualified,), _qualified),
    ((Compound,), _compound),
    ((Union, Intersection, Difference), _set),
    ((Relation,), _relation),
    ((Cases,), _cases),
    ((Sequence, Matrix), _sequence),
    ((Words,), _words),
    ((Based,), _based),
    ((Ratio,), _ratio),
    ((Quantity,), equal_quantities),
    ((Opaque,), lambda gold, answer, conventions: None),
)
