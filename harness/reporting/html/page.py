"""Write the HTML file, which holds our own style and script, KaTeX, and the data.

The parts come in the order in which a browser needs them: style, skeleton, scores and plots, the
scripts, and then the responses and their index. The content security policy in the head names
the two scripts by their checksums. The browser runs no other script and loads no other file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import IO

from benchmarks import UserError
from benchmarks.hints import usual
from harness.common.environment import harness_version
from harness.common.files import reader_left, refuse_overwriting, replacing
from harness.common.progress import Progress, silent
from harness.reporting.html.comparing import (
    RankedVersions,
    VersionPair,
    compare_with_first,
    rank_all,
)
from harness.reporting.html.embedding import all_visible, data_element
from harness.reporting.html.facts import labelled
from harness.reporting.html.figures import embedded, plots, save_plots
from harness.reporting.html.overview import overview
from harness.reporting.html.recipes import (
    RecipePair,
    compare_recipes_with_first,
    with_recipes,
)
from harness.reporting.html.samples import write_samples
from harness.runs.results import Result

HERE = Path(__file__).parent
KATEX = HERE / "vendor" / "katex"
SCRIPTS = ("data.js", "maths.js", "overview.js", "state.js", "list.js", "viewer.js", "page.js")
"""Our own scripts, which are joined into one; each may use the ones before it."""
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; font-src data:; "
    "img-src data:; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page's content security policy.

Because of its last two rules the browser refuses to parse any string as HTML, from KaTeX too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """The file of a report that was written."""

    path: Path
    size: int
    """The size in bytes."""
    plots: int
    """The number of plots in it."""
    refused: tuple[str, ...] = ()
    """What could not be compared or ranked; the page says why."""


def write_report(
    results: Sequence[Result],
    path: Path,
    *,
    recipes: Sequence[Sequence[Result]] = (),
    anyway: bool = False,
    margin: float | None = None,
    data_dir: Path | None = None,
    png: Path | None = None,
    progress: Progress = silent,
    published: Iterable[Path] = (),
) -> WrittenReport:
    """Write a report on one or several results, each of them compared with the first.

    Args:
        results: the results to report on.
        recipes: groups of these results, each of the trainings of one recipe. Then each further
            recipe is compared with the first, and no single results are.
        path: the HTML file; an existing file is replaced when the new one is complete, and a pipe
            is written into.
        anyway: also compare results that were not measured alike.
        margin: a difference that does not matter, as a fraction.
        data_dir: the folder that questions are read from instead of the cache.
        png: a folder into which every plot is also written as a file.
        progress: is called with the stages of the work.
        published: the files of published results, which the page must not replace.

    Raises:
        UserError: a run's files cannot be read, or the report cannot be written.
        WrongValueError: ``path`` is one of the files that are read.
    """
    refuse_overwriting(path, [*_files_read(results, data_dir), *published])
    with open_report(path) as page:
        versions = labelled(results)
        progress.stage("comparing")
        made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, harness {harness_version()}"
        with usual():
            pairs = [] if recipes else compare_with_first(versions, anyway=anyway, margin=margin)
            ranked = None if recipes else rank_all(versions, anyway=anyway)
            compared = compare_recipes_with_first(recipes, anyway=anyway) if recipes else []
            summary = asdict(with_recipes(overview(versions, pairs, made, ranked), compared))
        progress.stage("drawing plots")
        drawn = plots(versions, pairs, ranked, compared)
        if png is not None:
            save_plots(drawn, png)
        head, tail = _skeleton()
        page.write(head)
        page.write(data_element("overview", all_visible(summary)))
        page.write(data_element("plots", all_visible(embedded(drawn))))
        page.write(_scripts())
        index = write_samples(page.write, versions, data_dir=data_dir, progress=progress)
        page.write(data_element("index", index))
        page.write(tail)
    refused = tuple(_refused(pairs, ranked, compared))
    return WrittenReport(path=path, size=page.size, plots=len(drawn), refused=refused)


def _refused(
    pairs: Sequence[VersionPair], ranked: RankedVersions | None, recipes: Sequence[RecipePair]
) -> Iterator[str]:
    """Yield in words what could not be compared or ranked."""
    names = [f"{pair.b.label} against {pair.a.label}" for pair in pairs if pair.comparison is None]
    names += [pair.title for pair in recipes if pair.comparison is None]
    if names:
        yield f"not compared: {', '.join(names)}"
    if ranked is not None and ranked.ranking is None:
        yield f"not ranked: {', '.join(ranked.labels.values())}"


def _files_read(results: Iterable[Result], data_dir: Path | None) -> Iterator[Path]:
    """Yield the files of the runs, and those that questions are read from."""
    for result in results:
        if result.path is not None:
            yield from result.path.iterdir()
    if data_dir is not None:
        yield from data_dir.glob("*/*")


class Page:
    """An HTML file that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        """The bytes that were written; a pipe could not tell them afterwards."""
        self._file = file

    def write(self, text: str) -> None:
        """Write a part of the page.

        Raises:
            OSError: it cannot be written.
        """
        self.size += self._file.write(text.encode())


@contextmanager
def open_report(path: Path) -> Iterator[Page]:
    """Open a new page, which replaces ``path`` when it is closed without an error.

    Raises:
        UserError: the file cannot be written; an existing file is left unchanged.
    """
    try:
        with replacing(path) as file:
            yield Page(file)
    except OSError as error:
        if reader_left(error, path):
            raise
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def policy() -> str:
    """Return the page's content security policy."""
    sums = " ".join(f"'sha256-{_sum(script)}'" for script in (katex_script(), own_script()))
    return POLICY.format(scripts=sums)


def _skeleton() -> tuple[str, str]:
    """Return the page before and after the data."""
    template = Template((HERE / "assets" / "page.html").read_text(encoding="utf-8"))
    style = (HERE / "assets" / "page.css").read_text(encoding="utf-8")
    page = template.substitute(policy=policy(), style=f"{katex_style()}\n{style}")
    head, tail = page.split("<!-- data -->\n")
    return head, tail


def _scripts() -> str:
    return "".join(f"<script>{script}</script>\n" for script in (katex_script(), own_script()))


@cache
def katex_script() -> str:
    """Return KaTeX's published script, unchanged."""
    return (KATEX / "katex.min.js").read_text(encoding="utf-8")


@cache
def own_script() -> str:
    """Return our own script, which joins the files of `SCRIPTS`."""
    parts = [(HERE / "assets" / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return '"use strict";\n' + "\n".join(parts)


@cache
def katex_style() -> str:
    """Return KaTeX's style sheet and licence, with its woff2 fonts inside it.

    Other font formats are left out.
    """
    licence = (KATEX / "LICENSE").read_text(encoding="utf-8")
    style = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    inlined = re.sub(r"src:url\(([^)]*\.woff2)\)[^}]*", _font, style)
    return f"/* KaTeX, its style and its fonts:\n\n{licence}*/\n{inlined}"


def _font(source: re.Match[str]) -> str:
    content = base64.b64encode((KATEX / source[1]).read_bytes()).decode()
    return f'src:url(data:font/woff2;base64,{content}) format("woff2")'


def _sum(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
