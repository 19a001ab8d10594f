"""Two recipes over several trainings: against hand-made references, as laws, and in simulation."""

from __future__ import annotations

import json
from itertools import permutations
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from harness.stats.recipes import GroupDifference, Trainings, compare_groups, relabel

GOLDEN = Path(__file__).parents[1] / "golden" / "recipes" / "demo.json"
Array = NDArray[np.float64]


def trainings(accuracies: object, samples: int = 8) -> Trainings:
    cells = np.array(accuracies, dtype=float)
    return Trainings(cells, np.full(cells.shape, samples))


def demo(version: str) -> Trainings:
    """Return three trainings of the demo experiment: correct samples of 8, of 200 problems."""
    stored = json.loads(GOLDEN.read_text())
    rows = [[int(digit) / 8 for digit in stored[f"{version}-seed{seed}"]] for seed in (1, 2, 3)]
    return trainings(rows)


# --- references -----------------------------------------------------------------------------


def test_the_demo_experiment_gives_the_published_numbers() -> None:
    found = compare_groups({"demo": (demo("v1"), demo("v4"))})

    assert found.difference.difference == pytest.approx(0.12417, abs=5e-6)
    assert found.variances.seed == pytest.approx(1.132e-4, abs=5e-8)
    assert found.variances.problem == pytest.approx(2.365e-4, abs=5e-8)
    assert found.variances.interaction == pytest.approx(7.607e-5, abs=5e-9)
    assert found.difference.standard_error == pytest.approx(0.01654, abs=5e-6)
    assert found.freedom == pytest.approx(20.96, abs=5e-3)
    assert found.difference.low == pytest.approx(0.0898, abs=5e-5)
    assert found.difference.high == pytest.approx(0.1586, abs=5e-5)
    assert found.relabelling.p_value == found.relabelling.floor == 0.1
    assert found.relabelling.assignments == 20


def anova(cells: Array) -> tuple[float, float, float]:
    """Return the mean squares of a two-way layout, by plain loops as in a textbook."""
    rows, columns = cells.shape
    whole = sum(sum(row) for row in cells) / (rows * columns)
    row_means = [sum(cells[i]) / columns for i in range(rows)]
    column_means = [sum(cells[:, j]) / rows for j in range(columns)]
    between = columns * sum((m - whole) ** 2 for m in row_means) / (rows - 1)
    across = rows * sum((m - whole) ** 2 for m in column_means) / (columns - 1)
    rest = sum(
        (cells[i, j] - row_means[i] - column_means[j] + whole) ** 2
        for i in range(rows)
        for j in range(columns)
    )
    return between, across, rest / ((rows - 1) * (columns - 1))


def test_the_variances_are_those_of_an_analysis_of_variance() -> None:
    draw = np.random.default_rng(3)
    a, b = draw.random((3, 40)), draw.random((4, 40))

    found = compare_groups({"x": (trainings(a), trainings(b))}).variances

    parts = {side: anova(cells) for side, cells in (("a", a), ("b", b))}
    assert found.seed == pytest.approx(sum(parts[s][0] / (40 * n) for s, n in (("a", 3), ("b", 4))))
    assert found.interaction == pytest.approx(
        sum(parts[side][2] / (40 * n) for side, n in (("a", 3), ("b", 4)))
    )
    differences = b.mean(axis=0) - a.mean(axis=0)
    assert found.problem == pytest.approx(float(stats.sem(differences)) ** 2)
    assert found.total == pytest.approx(
        max(found.seed, found.problem, found.seed + found.problem - found.interaction)
    )


def test_where_only_trainings_vary_it_is_welchs_test() -> None:
    """Every problem is alike, so that each training is one number."""
    a, b = [0.25, 0.375, 0.5, 0.25], [0.5, 0.75, 0.625]
    cells = [trainings(np.repeat(np.array(group)[:, None], 30, axis=1)) for group in (a, b)]

    found = compare_groups({"x": (cells[0], cells[1])})

    welch = stats.ttest_ind(b, a, equal_var=False)
    assert found.difference.p_value == pytest.approx(float(welch.pvalue))
    assert found.freedom == pytest.approx(float(welch.df))
    interval = welch.confidence_interval(0.95)
    assert found.difference.low == pytest.approx(interval.low)
    assert found.difference.high == pytest.approx(interval.high)


def test_where_trainings_are_alike_it_is_the_paired_t_test_of_the_problems() -> None:
    draw = np.random.default_rng(5)
    a, b = draw.binomial(8, 0.4, 50) / 8, draw.binomial(8, 0.6, 50) / 8

    found = compare_groups({"x": (trainings([a, a, a]), trainings([b, b, b]))})

    paired = stats.ttest_rel(b, a)
    assert found.difference.p_value == pytest.approx(float(paired.pvalue))
    assert found.freedom == pytest.approx(49)


def test_the_pigeonhole_bootstrap_agrees() -> None:
    """Trainings and problems are drawn anew, apart from one another (Owen 2007).

    Drawing S of S takes (S − 1)/S of the variance by trainings, likewise that by problems, and adds
    that of the residuals once more.
    """
    a, b = demo("v1").accuracies, demo("v4").accuracies
    draw, drawn = np.random.default_rng(7), []
    for _ in range(4000):
        columns = draw.integers(200, size=200)
        means = [g[draw.integers(3, size=3)][:, columns].mean() for g in (a, b)]
        drawn.append(means[1] - means[0])

    found = compare_groups({"x": (demo("v1"), demo("v4"))}).variances

    few, many = 2 / 3, 199 / 200
    expected = few * found.seed + many * found.problem + few * many * found.interaction
    assert np.var(drawn) == pytest.approx(expected, rel=0.08)


def test_the_variance_of_a_crossed_model_is_found() -> None:
    """In simulated data V is on average the variance of the difference, and its parts are known."""
    draw = np.random.default_rng(11)
    sizes, problems, runs = (3, 4), 60, 400
    sd_training, sd_problem, sd_both = 0.03, 0.15, 0.2
    found, differences = [], []
    for _ in range(runs):
        common = draw.normal(0, 0.3, problems)
        groups = [
            common
            + draw.normal(0, sd_problem, problems)
            + draw.normal(0, sd_training, (size, 1))
            + draw.normal(0, sd_both, (size, problems))
            for size in sizes
        ]
        found.append(compare_groups({"x": (trainings(groups[0], 1), trainings(groups[1], 1))}))
        differences.append(found[-1].difference.difference)

    both = sd_both**2 / problems * (1 / 3 + 1 / 4)
    truth = sd_training**2 * (1 / 3 + 1 / 4) + 2 * sd_problem**2 / problems + both
    assert np.mean([one.variances.total for one in found]) == pytest.approx(truth, rel=0.05)
    assert np.var(differences) == pytest.approx(truth, rel=0.25)
    interaction = np.mean([one.variances.interaction for one in found])
    assert interaction == pytest.approx(both, rel=0.02)
    problem = np.mean([one.split.problems for one in found])
    assert problem == pytest.approx(2 * sd_problem**2 / problems, rel=0.05)


def test_the_part_of_samples_is_that_of_their_drawing() -> None:
    """Trainings that are alike differ by the drawing of answers only."""
    draw = np.random.default_rng(13)
    truth = draw.random(3000)
    a, b = (draw.binomial(8, truth, (3, 3000)) / 8 for _ in range(2))

    found = compare_groups({"x": (trainings(a), trainings(b))})

    expected = float(np.mean(truth * (1 - truth))) / 8 / 3000 * 2 / 3
    assert found.variances.interaction == pytest.approx(expected, rel=0.05)
    assert found.split.samples == pytest.approx(expected, rel=0.05)


def test_an_average_adds_up_problems_and_keeps_trainings_together() -> None:
    """A training that is better on both benchmarks is better on average by as much."""
    draw = np.random.default_rng(17)
    seeds = draw.normal(0, 0.1, (3, 1))
    a = {name: seeds + draw.normal(0.3, 0.1, (3, 50)) for name in ("x", "y")}
    b = {name: draw.normal(0.4, 0.1, (3, 50)) for name in ("x", "y")}
    one = {name: compare_groups({name: (trainings(a[name]), trainings(b[name]))}) for name in a}

    both = compare_groups({name: (trainings(a[name]), trainings(b[name])) for name in a})

    singles = list(one.values())
    assert both.difference.difference == pytest.approx(
        np.mean([found.difference.difference for found in singles])
    )
    assert both.variances.problem == pytest.approx(sum(f.variances.problem for f in singles) / 4)
    scores = [np.mean([a[name][seed].mean() for name in a]) for seed in range(3)]
    assert both.scores_a == pytest.approx(scores)
    assert both.variances.seed > 0.8 * np.var(scores, ddof=1) / 3


def test_more_data_do_what_was_forecast() -> None:
    """The parts of a large made-up population foretell the standard error of a larger choice."""
    draw = np.random.default_rng(19)

    def made(size: int, problems: int, samples: int) -> tuple[Trainings, Trainings]:
        logit = draw.normal(0, 1, problems)
        groups = []
        for _ in range(2):
            of_recipe = logit + draw.normal(0, 0.8, problems)
            chance = (
                of_recipe + draw.normal(0, 0.4, (size, 1)) + draw.normal(0, 1, (size, problems))
            )
            right = draw.binomial(samples, 1 / (1 + np.exp(-chance)))
            groups.append(trainings(right / samples, samples))
        return groups[0], groups[1]

    def errors(size: int, problems: int, samples: int) -> list[GroupDifference]:
        return [compare_groups({"x": made(size, problems, samples)}) for _ in range(120)]

    now = errors(4, 60, 4)
    later = {
        "another_training": errors(5, 60, 4),
        "twice_the_problems": errors(4, 120, 4),
        "twice_the_samples": errors(4, 60, 8),
    }
    for what, found in later.items():
        forecast = np.mean([getattr(one.forecast, what) ** 2 for one in now])
        assert np.mean([one.variances.total for one in found]) == pytest.approx(forecast, rel=0.12)
    assert later


# --- the permutation ------------------------------------------------------------------------


def test_the_permutation_counts_every_assignment() -> None:
    a, b = [0.11, 0.31, 0.17], [0.23, 0.41, 0.29, 0.37]
    pooled, observed = [*a, *b], abs(np.mean(b) - np.mean(a))

    def apart(order: tuple[float, ...]) -> float:
        return abs(float(np.mean(order[3:]) - np.mean(order[:3])))

    reached = [apart(order) >= observed - 1e-12 for order in permutations(pooled)]
    found = relabel(a, b)
    assert found.p_value == pytest.approx(np.mean(reached))
    assert (found.floor, found.assignments) == (1 / 35, 35)


def test_scipy_gives_the_same_permutation() -> None:
    a, b = [0.1, 0.2, 0.4, 0.35], [0.3, 0.5, 0.45, 0.6]

    def mean_difference(x: Array, y: Array, axis: int) -> Array:
        return np.asarray(np.mean(y, axis=axis) - np.mean(x, axis=axis))

    known = stats.permutation_test((a, b), mean_difference, permutation_type="independent")
    assert relabel(a, b).p_value == pytest.approx(float(known.pvalue))


@pytest.mark.parametrize(
    ("sizes", "floor"), [((2, 2), 2 / 6), ((3, 3), 0.1), ((4, 4), 2 / 70), ((2, 3), 1 / 10)]
)
def test_the_floor_is_reached_by_the_clearest_data(sizes: tuple[int, int], floor: float) -> None:
    a = [0.1 + 0.001 * n**2 for n in range(sizes[0])]
    b = [0.9 + 0.0013 * n**2 for n in range(sizes[1])]
    found = relabel(a, b)
    assert found.p_value == found.floor == pytest.approx(floor)


def test_too_many_assignments_are_drawn_and_agree_with_the_t_test() -> None:
    draw = np.random.default_rng(23)
    a, b = draw.normal(0.30, 0.05, 12).tolist(), draw.normal(0.33, 0.05, 12).tolist()
    found = relabel(a, b)
    assert found.assignments == 2_704_156
    assert found.p_value == pytest.approx(float(stats.ttest_ind(a, b).pvalue), abs=0.02)
    assert relabel(b, a) == found


# --- laws -----------------------------------------------------------------------------------

eighths = st.integers(0, 8).map(lambda count: count / 8)


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, tuple[Trainings, Trainings]]:
    sizes = draw(st.tuples(st.integers(2, 4), st.integers(2, 4)))
    made = {}
    for name in draw(st.sets(st.sampled_from("xyz"), min_size=1)):
        problems = draw(st.integers(2, 6))
        made[name] = tuple(
            trainings(
                draw(
                    st.lists(
                        st.lists(eighths, min_size=problems, max_size=problems),
                        min_size=size,
                        max_size=size,
                    )
                )
            )
            for size in sizes
        )
    return made  # type: ignore[return-value]


@settings(max_examples=50)
@given(pairs())
def test_swapping_the_recipes_negates_the_difference_exactly(
    given_pairs: dict[str, tuple[Trainings, Trainings]],
) -> None:
    found = compare_groups(given_pairs)
    back = compare_groups({name: (b, a) for name, (a, b) in given_pairs.items()})

    assert back.difference == found.difference.mirrored()
    assert (back.a, back.b, back.freedom) == (found.b, found.a, found.freedom)
    assert back.variances == found.variances
    assert back.relabelling == found.relabelling


@settings(max_examples=50)
@given(pairs(), st.randoms(use_true_random=False))
def test_no_order_matters(
    given_pairs: dict[str, tuple[Trainings, Trainings]], random: object
) -> None:
    shuffled = {}
    draw = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    rows = [draw.permutation(len(side.accuracies)) for side in next(iter(given_pairs.values()))]
    for name in reversed(list(given_pairs)):
        columns = draw.permutation(given_pairs[name][0].accuracies.shape[1])
        shuffled[name] = tuple(
            Trainings(side.accuracies[order][:, columns], side.samples[order][:, columns])
            for order, side in zip(rows, given_pairs[name], strict=True)
        )
    found, other = compare_groups(given_pairs), compare_groups(shuffled)  # type: ignore[arg-type]

    assert other.difference == found.difference
    assert other.variances == found.variances
    assert other.relabelling == found.relabelling


@settings(max_examples=80)
@given(pairs())
def test_what_must_hold_of_any_data(given_pairs: dict[str, tuple[Trainings, Trainings]]) -> None:
    found = compare_groups(given_pairs)
    variances, split, difference = found.variances, found.split, found.difference

    assert difference.standard_error > 0
    assert variances.total >= max(variances.seed, variances.problem) * (1 - 1e-12)
    parts = (split.trainings, split.problems, split.both, split.samples)
    assert min(part for part in parts if part is not None) >= 0
    assert sum(part or 0 for part in parts) == pytest.approx(variances.total)
    assert difference.low <= difference.difference <= difference.high
    assert 0 < found.relabelling.floor <= found.relabelling.p_value <= 1
    excluded = difference.low > 0 or difference.high < 0
    assert excluded == (difference.p_value < 0.05)
    for mean, interval in ((found.a, found.interval_a), (found.b, found.interval_b)):
        assert interval.low <= mean + 1e-12
        assert mean - 1e-12 <= interval.high
    now = difference.standard_error * (1 + 1e-9)
    forecast = found.forecast
    errors = (
        forecast.another_training,
        forecast.twice_the_problems,
        forecast.twice_the_samples or 0.0,
    )
    assert max(errors) <= now
    halved = split.trainings + (variances.total - split.trainings) / 2
    assert forecast.twice_the_problems**2 == pytest.approx(halved, rel=1e-9, abs=1e-15)
    drawn = variances.total - (split.samples or 0.0) / 2
    assert (forecast.twice_the_samples or 0.0) ** 2 == pytest.approx(drawn, rel=1e-9, abs=1e-15)
    sizes = {len(found.scores_a), len(found.scores_b)}
    if len(sizes) == 1:
        kept = sizes.pop()
        expected = split.problems + (variances.total - split.problems) * kept / (kept + 1)
        assert forecast.another_training**2 == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_where_nothing_varies_the_interval_has_a_width() -> None:
    """Thirty problems that all of one recipe get wrong, and all of the other right."""
    none, whole = trainings(np.zeros((3, 30))), trainings(np.ones((3, 30)))

    alike, apart = compare_groups({"x": (none, none)}), compare_groups({"x": (none, whole)})

    assert (alike.difference.difference, alike.difference.p_value) == (0.0, 1.0)
    assert alike.difference.low < -0.05 < 0.05 < alike.difference.high
    assert apart.difference.low < 0.95
    assert apart.difference.p_value < 0.001


def test_one_sample_of_a_problem_leaves_the_samples_part_unknown() -> None:
    draw = np.random.default_rng(29)
    a, b = (trainings(draw.integers(0, 2, (3, 40)), 1) for _ in range(2))
    found = compare_groups({"x": (a, b)})
    assert found.split.samples is None
    assert found.forecast.twice_the_samples is None


def test_too_few_trainings_or_problems_are_refused() -> None:
    single, pair = trainings([[0.5, 0.25]]), trainings([[0.5, 0.25], [0.5, 0.5]])
    with pytest.raises(ValueError, match="one training"):
        compare_groups({"x": (single, pair)})
    with pytest.raises(ValueError, match="two of them"):
        compare_groups({"x": (trainings([[0.5], [0.5]]), trainings([[0.5], [0.5]]))})


# --- simulation -----------------------------------------------------------------------------


class Case(NamedTuple):
    """Two equal recipes: trainings of each, problems, and samples of a problem."""

    sizes: tuple[int, int]
    problems: int
    samples: int
    spread: float
    """The standard deviation by which a training moves the log-odds of a right answer."""
    shape: tuple[float, float]
    """The problems' chances of a right answer are Beta of this shape."""
    recipe: float = 0.5
    """The standard deviation by which a recipe moves each problem's log-odds, and a training,
    besides."""


def simulated(draw: np.random.Generator, case: Case, runs: int) -> tuple[Array, Array]:
    """Return accuracies of so many experiments, as arrays of runs, trainings and problems."""
    problems = case.problems
    chance = draw.beta(*case.shape, size=(runs, 1, problems)).clip(1e-4, 1 - 1e-4)
    odds, groups = np.log(chance / (1 - chance)), []
    for size in case.sizes:
        of_recipe = draw.normal(0, case.recipe, (runs, 1, problems))
        shift = draw.normal(0, case.spread, (runs, size, 1))
        shift = shift + draw.normal(0, case.recipe, (runs, size, problems))
        right = draw.binomial(case.samples, 1 / (1 + np.exp(-(odds + of_recipe + shift))))
        groups.append(right / case.samples)
    return groups[0], groups[1]


def p_values(a: Array, b: Array) -> Array:
    """Return the p-value of each experiment: `compare_groups` for many at a time."""
    problems, seeds, noise = a.shape[2], [], []
    for cells in (a, b):
        size, scores = cells.shape[1], cells.mean(axis=2)
        seeds.append(scores.var(axis=1, ddof=1) / size)
        rest = cells - cells.mean(axis=1, keepdims=True) - scores[:, :, None]
        squares = ((rest + cells.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=(1, 2))
        noise.append(squares / ((size - 1) * (problems - 1)) / (size * problems))
    if a.shape[1] == b.shape[1] == 2:
        seeds = [np.maximum(*seeds)] * 2
    differences = b.mean(axis=1) - a.mean(axis=1)
    problem, seed = differences.var(axis=1, ddof=1) / problems, sum(seeds)
    total = np.maximum.reduce([seed, problem, seed + problem - sum(noise)])
    parts = sum(s**2 / (g.shape[1] - 1) for s, g in zip(seeds, (a, b), strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = total**2 / (parts + problem**2 / (problems - 1))
        found = 2 * stats.t.sf(np.abs(differences.mean(axis=1)) / np.sqrt(total), freedom)
    return np.where(total > 0, found, 1.0)


CASES = [
    Case(sizes, *rest)
    for sizes in ((2, 2), (2, 3), (3, 3), (5, 5))
    for rest in (
        (30, 1, 0.2, (0.3, 0.5)),
        (30, 8, 0.4, (0.5, 12)),
        (100, 4, 0.2, (0.05, 0.5)),
        (200, 8, 0.0, (0.3, 0.5)),
        (200, 8, 0.2, (0.8, 1.2)),
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equal_recipes_rarely_differ(case: Case) -> None:
    """The test keeps to 5 %, and so the interval covers 95 %, where two checkpoints do not."""
    runs = 2000
    a, b = simulated(np.random.default_rng(31), case, runs)
    found = p_values(a, b)

    for place in range(3):
        one = compare_groups({"x": (trainings(a[place]), trainings(b[place]))})
        assert one.difference.p_value == pytest.approx(found[place])
    assert np.mean(found < 0.05) <= 0.055 + 2 * sqrt(0.05 * 0.95 / runs)
