"""Puts a comparison of recipes on the page: its headline, its tables, its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks import UserError
from harness.analysis.recipes import RecipeComparison, compare_recipes, recipe_name
from harness.reporting.html.overview import (
    MOST_CHANGES,
    TONES,
    Cell,
    Headline,
    Overview,
    Section,
    Table,
)
from harness.reporting.text.recipes import (
    HEADERS,
    SPLIT_HEADERS,
    advice,
    difference_rows,
    score_headers,
    score_rows,
    sentence,
    split_rows,
    tests,
)
from harness.runs.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipePair:
    """Two recipes and their comparison."""

    a: str
    b: str
    comparison: RecipeComparison | None
    """None if the two cannot be compared."""
    refusal: str = ""
    """The reason why they cannot be compared."""

    @property
    def title(self) -> str:
        """What is compared, in a few words."""
        return f"recipe {self.b} against {self.a}"


def compare_recipes_with_first(
    groups: Sequence[Sequence[Result]], *, anyway: bool
) -> list[RecipePair]:
    """Compare every further recipe with the first; the report also shows those that cannot be."""
    first, *others = groups
    return [_pair(first, other, anyway=anyway) for other in others]


def _pair(a: Sequence[Result], b: Sequence[Result], *, anyway: bool) -> RecipePair:
    try:
        found = compare_recipes(a, b, anyway=anyway)
    except UserError as refused:
        names = (recipe_name([result.name for result in group]) for group in (a, b))
        return RecipePair(
            **dict(zip("ab", names, strict=True)), comparison=None, refusal=str(refused)
        )
    return RecipePair(a=found.a.name, b=found.b.name, comparison=found)


def with_recipes(page: Overview, pairs: Sequence[RecipePair]) -> Overview:
    """Return the overview with the recipes' headlines and sections before all others."""
    if not pairs:
        return page
    sections = [_section(pair, pair.comparison) for pair in pairs if pair.comparison is not None]
    if sections:
        sections[0] = replace(sections[0], anchor="recipes")
    names = ", ".join([pairs[0].a, *(pair.b for pair in pairs)])
    return replace(
        page,
        title=f"recipes {names}",
        verdicts=(*map(_headline, pairs), *page.verdicts),
        sections=(*sections, *page.sections),
    )


def _headline(pair: RecipePair) -> Headline:
    found = pair.comparison
    if found is None:
        return Headline(subject=pair.title, word="not compared", sentence=pair.refusal)
    caveat = " They were not measured alike: see the note under the scores."
    return Headline(
        subject=pair.title,
        word=found.whole.verdict,
        sentence=sentence(found) + caveat * bool(found.mismatches),
        tone=TONES.get(found.whole.verdict, "none"),
    )


def _section(pair: RecipePair, found: RecipeComparison) -> Section:
    changes = tuple(
        (Cell(text=change.field), Cell(text=change.a), Cell(text=change.b))
        for change in found.changes[:MOST_CHANGES]
    )
    return Section(
        title=pair.title,
        tables=(_differences(pair, found), _trainings(found), _split(found)),
        paragraphs=tuple(_paragraphs(found)),
        changes=Table(
            caption="Settings that differ between the recipes, the same in all trainings of each",
            heads=("setting", pair.a, pair.b),
            rows=changes,
            numeric=False,
        )
        if changes
        else None,
    )


def _differences(pair: RecipePair, found: RecipeComparison) -> Table:
    names = {"A %": pair.a, "B %": pair.b, "B - A": "difference", "B is": f"verdict on {pair.b}"}
    rows = [
        (
            *(Cell(text=text) for text in row[:-1]),
            Cell(text=row[-1], tone=TONES.get(row[-1], "none")),
        )
        for row in difference_rows(found)
    ]
    return Table(
        caption="Mean accuracy in per cent, differences in percentage points, 95 % intervals",
        heads=tuple(names.get(head, head) for head in HEADERS),
        rows=tuple(rows),
        total=found.average is not None,
    )


def _trainings(found: RecipeComparison) -> Table:
    named = {"A": found.a.name, "B": found.b.name}
    rows = (
        (Cell(text=row[1], detail=named[row[0]]), *(Cell(text=text) for text in row[2:]))
        for row in score_rows(found)
    )
    return Table(
        caption="The accuracy of each training, in per cent",
        heads=tuple(score_headers(found)[1:]),
        rows=tuple(rows),
    )


def _split(found: RecipeComparison) -> Table:
    return Table(
        caption="Where the uncertainty comes from, and the standard error in points with more data",
        heads=SPLIT_HEADERS,
        rows=tuple(tuple(Cell(text=text) for text in row) for row in split_rows(found)),
        total=found.average is not None,
    )


def _paragraphs(found: RecipeComparison) -> Iterator[str]:
    if found.mismatches:
        yield (
            "NOT MEASURED ALIKE: a difference may come from these settings, not from the recipes: "
            f"{'; '.join(map(str, found.mismatches))}"
        )
    yield from tests(found)
    yield from advice(found)
    yield from found.notes
    if len(found.changes) > MOST_CHANGES:
        more = len(found.changes) - MOST_CHANGES
        yield f"{more} more settings differ; diff --json of the same groups lists them"
