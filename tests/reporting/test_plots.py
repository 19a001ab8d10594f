"""The figures: what is in them, that they are the same each time, and that names stay names."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from xml.dom import minidom

import matplotlib
import pytest
from matplotlib.figure import Figure
from stored import store_run, verdict_rows

from harness.analysis.compare import compare
from harness.analysis.many import rank
from harness.reporting.plots import (
    accuracy_figure,
    budget_figure,
    curves_figure,
    difference_figure,
    groups_figure,
    lengths_figure,
    ranks_figure,
    save_png,
    svg,
)
from harness.reporting.plots.drawing import COLOURS, versions
from harness.runs.results import Result
from harness.runs.spec import Sampling

HOSTILE = "</svg><script>alert('$x$')</script> \x1b[2J\u202e"
SIZES = {"math500": 40, "gsm8k": 60, "aime24": 30}


def marks(seed: int, share: float, n: int = 1) -> dict[str, list[list[bool]]]:
    draw = random.Random(seed)
    return {
        benchmark: [[draw.random() < share for _ in range(n)] for _ in range(size)]
        for benchmark, size in SIZES.items()
    }


def lineage(reward: list[float | None], length: list[float | None]) -> bytes:
    curves = {"step": list(range(len(reward))), "reward": reward, "response_length": length}
    return json.dumps({"schema_version": 1, "curves": curves}).encode()


def store(
    results: Path, name: str, *, seed: int = 1, share: float = 0.3, **fields: object
) -> Result:
    return store_run(results, name, verdict_rows(marks(seed, share)), **fields)  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path) -> list[Result]:
    """A version, and one that is clearly better; both with their training."""
    curve: list[float | None] = [0.1 + step / 100 for step in range(60)]
    lengths: list[float | None] = [200.0 + step for step in range(60)]
    limit = Sampling(max_tokens=1000)
    v1 = store(tmp_path, "v1", sampling=limit, lineage=lineage(curve, lengths))
    v4 = store(
        tmp_path, "v4", seed=2, share=0.8, sampling=limit, lineage=lineage(curve[::-1], lengths)
    )
    return [v1, v4]


def every_figure(results: list[Result]) -> dict[str, Figure]:
    figures = {
        "difference": difference_figure(compare(*results[:2])),
        "accuracy": accuracy_figure(results),
        "groups": groups_figure(results, "math500", "subject"),
        "lengths": lengths_figure(results),
        "budget": budget_figure(results),
        "curves": curves_figure(results),
        "ranks": ranks_figure(rank(results[:2])),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def row_names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def legend_names(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_the_difference_is_a_row_a_benchmark_and_the_average(pair: list[Result]) -> None:
    comparison = compare(*pair)
    figure = difference_figure(comparison)
    (axes,) = figure.axes
    assert row_names(figure) == ["math500 (40)", "gsm8k (60)", "aime24 (30)", "average"]
    assert axes.get_title(loc="left") == "v4 − v1"
    drawn = [bar.lines[0].get_xdata()[0] for bar in axes.containers]
    expected = [100 * row.difference.difference for row in comparison.rows]
    assert comparison.average is not None
    assert drawn == pytest.approx([*expected, 100 * comparison.average.difference.difference])
    ends = [segment[:, 0] for bar in axes.containers for segment in bar.lines[2][0].get_segments()]
    first = comparison.rows[0].difference
    assert list(ends[0]) == pytest.approx([100 * first.low, 100 * first.high])
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first benchmark is on top"


def test_the_bar_of_the_margins_interval_ends_where_that_ends(pair: list[Result]) -> None:
    comparison = compare(*pair, margin=0.02)
    (axes,) = difference_figure(comparison).axes
    thick = [line for line in axes.lines if line.get_linewidth() == 3.5]
    tested = [row.margin.test for row in comparison.rows if row.margin is not None]
    assert len(thick) == len(tested) + 1
    for line, test in zip(thick, tested, strict=False):
        assert list(line.get_xdata()) == pytest.approx([100 * test.low, 100 * test.high])
        assert line.get_solid_capstyle() == "butt", "another cap makes it longer"


@pytest.mark.parametrize("length", [4, 13, 40])
def test_a_legend_names_every_version_within_the_figure(tmp_path: Path, length: int) -> None:
    curve: list[float | None] = [0.1, 0.2, 0.3]
    runs = [
        store_run(
            tmp_path,
            f"v{number}-".ljust(length, "w"),
            verdict_rows({"math500": marks(number, 0.3)["math500"]}),
            lineage=lineage(curve, curve),
        )
        for number in range(7)
    ]
    for name, figure in every_figure(runs).items():
        if name == "ranks":  # it names its rows
            continue
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x0 >= 0, name
        assert box.x1 <= figure.bbox.width, name
        assert box.y1 <= figure.bbox.height, name
        assert all(axes.get_window_extent().y1 <= box.y0 for axes in figure.axes), name
        if name != "difference":
            assert legend_names(figure) == [run.name for run in runs]


def test_a_verdict_is_told_by_its_marker_too(pair: list[Result], tmp_path: Path) -> None:
    rows = verdict_rows({"gsm8k": [[True], [False]]})
    alike = [store_run(tmp_path / "alike", name, rows) for name in ("one", "other")]
    better = difference_figure(compare(*pair))
    worse = difference_figure(compare(*pair[::-1]))
    none = difference_figure(compare(*alike))
    assert [legend_names(figure) for figure in (better, worse, none)] == [
        ["better"], ["worse"], ["no evidence"],
    ]  # fmt: skip
    markers = {f.axes[0].containers[0].lines[0].get_marker() for f in (better, worse, none)}
    assert len(markers) == 3
    assert [t.get_text() for t in none.axes[0].texts][:1] == ["0.0"]


def test_ranks_are_bars_beside_the_averages(tmp_path: Path, pair: list[Result]) -> None:
    third = store(tmp_path, "v2", seed=3, share=0.3, sampling=Sampling(max_tokens=1000))
    ranking = rank([*pair, third])
    figure = ranks_figure(ranking)
    left, right = figure.axes
    assert row_names(figure) == [one.result.name for one in ranking.runs]
    assert row_names(figure)[0] == "v4"
    bars = [edge for bar in right.patches for edge in (bar.get_x(), bar.get_x() + bar.get_width())]
    assert [one.ranks for one in ranking.runs] == [(1, 1), (2, 3), (2, 3)]
    assert bars == pytest.approx([0.65, 1.35, 1.65, 3.35, 1.65, 3.35])
    drawn = [bar.lines[0].get_xdata()[0] for bar in left.containers]
    assert drawn == pytest.approx([100 * one.average for one in ranking.runs])
    named = ranks_figure(ranking, {one.result.id: f"run {one.result.name}" for one in ranking.runs})
    assert row_names(named)[0] == "run v4"
    with pytest.raises(ValueError, match="have no ranks"):
        ranks_figure(rank(pair[1:], pair[0]))


def test_a_margin_is_a_band_and_the_90_per_cent_interval_a_thick_line(tmp_path: Path) -> None:
    same = [[number % 2 == 0] for number in range(900)]
    other = [[not mark[0]] if place in (1, 2) else mark for place, mark in enumerate(same)]
    a, b = (
        store_run(tmp_path, name, verdict_rows({"gsm8k": side}))
        for name, side in (("a", same), ("b", other))
    )
    comparison = compare(a, b, margin=0.02)
    (axes,) = difference_figure(comparison).axes
    (band,) = axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((-2, 2))
    test = comparison.rows[0].margin
    assert test is not None
    thick = max(axes.get_lines(), key=lambda line: line.get_linewidth())
    assert list(thick.get_xdata()) == pytest.approx([100 * test.test.low, 100 * test.test.high])
    assert legend_names(difference_figure(comparison)) == [
        "the same within it",
        "margin of 2 points",
    ]
    assert not difference_figure(compare(a, b)).axes[0].patches


def test_accuracies_have_the_intervals_that_were_stored(pair: list[Result]) -> None:
    figure = accuracy_figure(pair)
    (axes,) = figure.axes
    assert row_names(figure) == [*SIZES, "average"]
    assert legend_names(figure) == ["v1", "v4"]
    drawn = [100 * pair[place % 2].scores[name].accuracy for name in SIZES for place in (0, 1)]
    found = [bar.lines[0].get_xdata()[0] for bar in axes.containers]
    assert found[:6] == pytest.approx(drawn)
    assert found[6:] == pytest.approx([100 * (result.average or 0) for result in pair])


def test_there_is_no_average_of_different_benchmarks(tmp_path: Path, pair: list[Result]) -> None:
    alone = store_run(tmp_path, "alone", verdict_rows({"math500": [[True], [False]]}))
    (axes,) = accuracy_figure([*pair, alone]).axes
    assert len(axes.containers) == 2 * 4 + 1
    assert row_names(accuracy_figure([alone])) == ["math500"]
    with pytest.raises(ValueError, match="no result has a score"):
        accuracy_figure([])


def test_groups_are_rows_and_a_number_is_named_by_its_group(pair: list[Result]) -> None:
    figure = groups_figure(pair, "math500", "level")
    assert figure is not None
    assert row_names(figure) == ["level 0 (14)", "level 1 (13)", "level 2 (13)"]
    assert groups_figure(pair, "math500", "colour") is None
    assert groups_figure(pair, "demo", "level") is None


def test_lengths_are_distributions_that_end_at_all(pair: list[Result]) -> None:
    figure = lengths_figure(pair)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(SIZES)
    lines = figure.axes[0].get_lines()
    assert len(lines) == 3, "one a version, and the limit"
    tokens = [count for row in (pair[0].verdicts or {})["math500"] for count in row.tokens]
    assert list(lines[0].get_xdata())[-1] == max(count or 0 for count in tokens)
    assert list(lines[0].get_ydata())[-1] == 100
    assert set(lines[2].get_xdata()) == {1000}
    assert "the limit of 1,000" in figure.get_supxlabel()


def test_budgets_end_at_the_accuracy(pair: list[Result]) -> None:
    figure = budget_figure(pair)
    assert figure is not None
    for axes, name in zip(figure.axes, SIZES, strict=True):
        ends = [list(line.get_ydata())[-1] for line in axes.get_lines()]
        assert ends == pytest.approx([100 * result.scores[name].accuracy for result in pair])
        assert axes.get_xscale() == "log"


def test_training_is_drawn_of_those_that_tell_it(tmp_path: Path, pair: list[Result]) -> None:
    figure = curves_figure(pair)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "mean reward", "mean response tokens",
    ]  # fmt: skip
    untold = store(tmp_path, "untold")
    assert curves_figure([untold]) is None
    gaps = store(tmp_path, "gaps", lineage=lineage([0.1, None, float("nan"), 0.4], [None] * 4))
    figure = curves_figure([untold, gaps])
    assert figure is not None
    assert len(figure.axes) == 1
    assert legend_names(figure) == ["gaps"]
    (line,) = figure.axes[0].get_lines()
    assert line.get_color() == COLOURS[1], "a version keeps its colour where another has no line"


def test_published_rows_are_drawn_where_counts_suffice(pair: list[Result]) -> None:
    counts = Result(name="theirs", id="published:p", scores=pair[0].scores)
    assert difference_figure(compare(counts, pair[1])).axes
    assert accuracy_figure([counts]).axes
    assert lengths_figure([counts]) is budget_figure([counts]) is curves_figure([counts]) is None


def test_versions_look_different_and_keep_their_looks(tmp_path: Path) -> None:
    results = [store(tmp_path, f"v{number}") for number in range(20)]
    looks = [(one.colour, one.marker) for one in versions(results)]
    assert len(set(looks)) == 20
    assert looks[:3] == [(one.colour, one.marker) for one in versions(results[:3])]
    same = [one.label for one in versions([results[0], store(tmp_path, "v0")])]
    assert len(set(same)) == 2


# --- output ---------------------------------------------------------------------------------


def test_the_same_input_is_the_same_bytes(pair: list[Result], tmp_path: Path) -> None:
    once, again = every_figure(pair), every_figure(pair)
    assert len(once) == 7
    for name, figure in once.items():
        text = svg(figure)
        assert text == svg(figure), f"drawn twice: {name}"
        assert text == svg(again[name]), f"made twice: {name}"
        assert not re.search(r"\d{4}-\d\d-\d\dT", text)
    first, second = (
        save_png(figures, tmp_path / str(place)) for place, figures in enumerate((once, again))
    )
    assert [path.name for path in first] == [f"{name}.png" for name in once]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_figures_can_live_in_one_page(pair: list[Result]) -> None:
    ids: list[str] = []
    for figure in every_figure(pair).values():
        text = svg(figure)
        assert text.startswith("<svg ")
        assert "<style" not in text
        assert "<?xml" not in text
        assert "<!DOCTYPE" not in text
        own, asked = ids_of(text)
        assert asked <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def ids_of(text: str) -> tuple[list[str], set[str]]:
    """The ids that an SVG has, and those it refers to."""
    tags = "".join(re.findall(r"<[^<>]+>", text))
    asked = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', tags)
    return re.findall(r' id="([^"]*)"', tags), {one or other for one, other in asked}


@pytest.mark.parametrize("name", [HOSTILE, "_private", "$\\frac{1}$", '" onload="x', "模型 v1"])
def test_a_name_is_a_name(name: str, tmp_path: Path) -> None:
    results = [store(tmp_path, name), store(tmp_path, "plain", seed=2, share=0.7)]
    figures = every_figure(results)
    assert any(name[:5] in text for text in legend_names(figures["accuracy"]))
    for figure in figures.values():
        text = svg(figure)
        document = minidom.parseString(text)
        assert not document.getElementsByTagName("script")
        assert not [tag for tag in document.getElementsByTagName("*") if tag.hasAttribute("onload")]
        assert not {"\x1b", "\u202e"} & set(text)
    texts = minidom.parseString(svg(figures["accuracy"])).getElementsByTagName("text")
    assert any(name[:5] in text.firstChild.data for text in texts), "text is text"  # type: ignore[union-attr]
    save_png(figures, tmp_path / "plots")


def test_files_are_called_what_a_file_can_be_called(pair: list[Result], tmp_path: Path) -> None:
    (path,) = save_png({"../a b/$(x)": accuracy_figure(pair)}, tmp_path / "new" / "folder")
    assert path.parent == tmp_path / "new" / "folder"
    assert re.fullmatch(r"a-b-x~[0-9a-f]{12}\.png", path.name)
    figures = {name: accuracy_figure(pair) for name in ("a b", "a/b")}
    assert len({path.name for path in save_png(figures, tmp_path)}) == 2


@pytest.mark.parametrize("draw", [accuracy_figure, lengths_figure, budget_figure])
def test_nobodys_settings_matter_or_change(
    draw: Callable[[list[Result]], Figure], pair: list[Result]
) -> None:
    plain = svg(draw(pair))
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert svg(draw(pair)) == plain
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("right", "samples", "said"),
    [((8, 9), 16, "also about their choice"), ((0, 9), 16, ""), ((8, 8), 16, "")],
)
def test_a_verdict_beside_an_interval_with_0_is_explained(
    right: tuple[int, int], samples: int, said: str, tmp_path: Path
) -> None:
    a, b = (
        store_run(
            tmp_path,
            name,
            verdict_rows({"aime24": [[i < correct for i in range(samples)] for _ in range(30)]}),
        )
        for name, correct in zip("ab", right, strict=True)
    )
    (axes,) = difference_figure(compare(a, b)).axes
    explained = axes.get_xlabel().partition("\n")[2]
    assert said in explained
    assert bool(said) == bool(explained)
