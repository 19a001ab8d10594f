"""What a run took, as far as its record tells: unknown is not zero, and a part not the whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shipped import shipped_runs
from stored import store_run, verdict_rows

from harness.common.text import duration
from harness.reporting.text.cost import cost_block, cost_facts, cost_table
from harness.runs.cost import Cost, PhaseTimes, cost_of, price, wall_seconds
from harness.runs.record import Phases, Run, SavedSource, Usage, read_run
from harness.runs.results import of_run
from harness.runs.spec import EngineSpec, Server

PHASES = Phases(prepare=2.0, engine_start=38.0, generate=3600.0, handle=36.0, finish=4.0)
USAGE = Usage(samples=20, prompt_tokens=2_000, completion_tokens=7_200_000, events={"retries": 3})
SAVED = SavedSource(
    format="qwen", files={}, responses=20, unmatched=0, unreadable=0, problems_of={"demo": 10}
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete run of twenty samples with all that it took."""
    rows = verdict_rows({"demo": [[True, False]] * 10})
    run = store_run(tmp_path_factory.mktemp("results"), "v1", rows, phases=PHASES, usage=USAGE).run
    assert run is not None
    return run


def changed(run: Run, **changes: Any) -> Run:
    return run.model_copy(update=changes)


def priced(run: Run, **prices: float) -> Run:
    engine = EngineSpec(name="openai", server=Server(**prices))  # type: ignore[arg-type]
    return changed(run, spec=run.spec.model_copy(update={"engine": engine}))


def test_a_run_says_what_it_took(drawn: Run) -> None:
    cost = cost_of(drawn)
    assert (cost.drawn, cost.prompt_tokens, cost.completion_tokens) == (20, 2_000, 7_200_000)
    assert cost.wall_seconds == 2 + 38 + 3600 + 4
    assert cost.tokens_per_second == 7_200_000 / 3600
    assert cost.samples_per_second == 20 / 3600
    assert cost.engine_busy == (3600 - 36) / 3644
    assert cost.phases == PhaseTimes(**PHASES.model_dump())
    assert cost.events == {"retries": 3}
    assert (cost.money, cost.at_least, cost.notes) == (None, False, ())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"regraded_from": "20260101T000000Z-0000"}, "graded again"),
        ({"saved": SAVED}, "from files"),
    ],
    ids=["regraded", "saved"],
)
def test_samples_that_a_run_did_not_draw_cost_nobody_knows_what(
    drawn: Run, changes: dict[str, Any], why: str
) -> None:
    """A regraded run keeps the tokens of the one that it is from: they are not its own."""
    cost = cost_of(changed(drawn, phases=Phases(finish=3.0), **changes))
    assert cost == Cost(notes=cost.notes)
    assert why in cost.notes[0]


def test_a_record_of_before_tokens_were_counted_tells_its_time_alone(drawn: Run) -> None:
    phases = Phases(prepare=2.0, engine_start=38.0, generate=3600.0, finish=4.0)
    cost = cost_of(changed(drawn, phases=phases, usage=Usage()))
    assert (cost.wall_seconds, cost.phases.generate) == (3644, 3600)
    assert (cost.drawn, cost.prompt_tokens, cost.completion_tokens, cost.events) == (None,) * 4
    assert (cost.tokens_per_second, cost.engine_busy, cost.phases.handle) == (None, None, None)
    assert not cost.at_least
    assert "before tokens were counted" in cost.notes[0]


def test_what_killed_attempts_drew_makes_the_cost_one_of_a_part(drawn: Run) -> None:
    cost = cost_of(changed(drawn, usage=USAGE.model_copy(update={"samples": 15})))
    assert cost.at_least
    assert "15 of 20" in cost.notes[0]
    assert cost.tokens_per_second == 2_000  # both numbers are of the same attempts


def test_a_run_whose_drawing_was_killed_after_the_last_sample_knows_its_end_alone(
    drawn: Run,
) -> None:
    cost = cost_of(changed(drawn, phases=Phases(prepare=2.0, finish=4.0), usage=Usage()))
    assert (cost.drawn, cost.completion_tokens, cost.phases.generate) == (None, None, None)
    assert (cost.wall_seconds, cost.phases.engine_start, cost.at_least) == (6, None, True)


def test_adopted_samples_are_not_missed(drawn: Run) -> None:
    usage = USAGE.model_copy(update={"samples": 8})
    cost = cost_of(changed(drawn, usage=usage, reused={"older": 12}))
    assert (cost.drawn, cost.at_least) == (8, False)
    assert cost.notes == ("12 samples are not in it: adopted from older",)
    fewer = cost_of(changed(drawn, usage=usage, reused={"older": 11}))
    assert fewer.at_least


def test_a_run_that_adopted_everything_drew_nothing(drawn: Run) -> None:
    phases = Phases(prepare=2.0, finish=4.0)
    cost = cost_of(changed(drawn, phases=phases, usage=Usage(), reused={"older": 20}))
    assert (cost.drawn, cost.completion_tokens, cost.phases.generate) == (0, 0, 0)
    assert (cost.tokens_per_second, cost.engine_busy, cost.at_least) == (None, None, False)


def test_prompts_without_room_are_not_missed(drawn: Run) -> None:
    (score,) = drawn.scores
    scores = (score.model_copy(update={"outcomes": {"correct": 10, "overflow": 10}}),)
    usage = USAGE.model_copy(update={"samples": 10})
    assert not cost_of(changed(drawn, scores=scores, usage=usage)).at_least


def test_an_engine_that_counts_no_tokens_used_an_unknown_number(drawn: Run) -> None:
    cost = cost_of(changed(drawn, usage=Usage(samples=20)))
    assert (cost.prompt_tokens, cost.completion_tokens, cost.tokens_per_second) == (None,) * 3
    assert (cost.drawn, cost.events) == (20, {})


def test_an_unfinished_run_says_what_it_took_so_far(drawn: Run) -> None:
    phases = Phases(engine_start=38.0, generate=60.0, handle=1.0)
    begun = changed(drawn, status="incomplete", scores=(), phases=phases)
    cost = cost_of(begun)
    assert (cost.drawn, cost.wall_seconds, cost.at_least) == (20, 98, True)
    assert (cost.phases.prepare, cost.phases.finish, cost.engine_busy) == (None, None, None)
    untold = cost_of(changed(begun, phases=Phases(), usage=Usage()))
    assert (untold.drawn, untold.wall_seconds) == (None, None)
    assert "not complete" in untold.notes[0]


def test_money_is_tokens_by_prices(drawn: Run) -> None:
    assert cost_of(priced(drawn, prompt_price=5, completion_price=10)).money == pytest.approx(72.01)
    one = cost_of(priced(drawn, completion_price=10))
    assert one.money == pytest.approx(72)
    assert one.notes == ("no price of prompt tokens was given: they count as free",)
    uncounted = changed(priced(drawn, completion_price=10), usage=Usage(samples=20))
    assert cost_of(uncounted).money is None
    without_prompts = USAGE.model_copy(update={"prompt_tokens": 0})
    halves = changed(priced(drawn, prompt_price=5, completion_price=10), usage=without_prompts)
    assert cost_of(halves).money is None
    assert cost_of(priced(drawn, prompt_price=0, completion_price=0)).money == 0


seconds = st.floats(0, 1e6)
tokens = st.integers(0, 10**12)
prices = st.none() | st.floats(0, 1e3)


@st.composite
def phases_of_one_attempt(draw: st.DrawFn) -> Phases:
    generate = draw(seconds)
    return Phases(
        prepare=draw(seconds),
        engine_start=draw(seconds),
        generate=generate,
        handle=draw(st.floats(0, 1)) * generate,
        finish=draw(seconds),
    )


@given(one=phases_of_one_attempt(), other=phases_of_one_attempt())
def test_the_wall_time_of_attempts_is_their_sum(one: Phases, other: Phases) -> None:
    both = wall_seconds(one.plus(other))
    assert both == pytest.approx(wall_seconds(one) + wall_seconds(other))
    assert both >= one.plus(other).handle * (1 - 1e-9)


@given(tokens, tokens, tokens, tokens, prices, prices)
def test_the_money_of_attempts_is_their_sum(
    a: int, b: int, c: int, d: int, prompt: float | None, completion: float | None
) -> None:
    server = Server(prompt_price=prompt, completion_price=completion)
    one = price(server, prompt_tokens=a, completion_tokens=b)
    other = price(server, prompt_tokens=c, completion_tokens=d)
    both = price(server, prompt_tokens=a + c, completion_tokens=b + d)
    if one is None or other is None:
        assert (one, other, both) == (None, None, None)
    else:
        assert both == pytest.approx(one + other)


@given(phases=phases_of_one_attempt(), samples=st.integers(0, 30), counted=tokens)
def test_shares_are_shares_and_more_recorded_samples_never_make_the_whole_a_part(
    drawn: Run, phases: Phases, samples: int, counted: int
) -> None:
    usage = Usage(samples=samples, completion_tokens=counted)
    cost = cost_of(changed(drawn, phases=phases, usage=usage))
    assert cost.engine_busy is None or -1e-9 <= cost.engine_busy <= 1 + 1e-9
    more = cost_of(changed(drawn, phases=phases, usage=usage.plus(Usage(samples=1))))
    if samples:
        assert more.at_least <= cost.at_least


@pytest.mark.parametrize("share", [0.0, 9.9499, 9.95, 59.4, 59.5, 3599.4, 3599.5, 7259.0])
def test_a_time_is_never_sixty_of_anything(share: float) -> None:
    assert " 60 " not in f" {duration(share)}"


def test_facts_leave_out_what_is_not_known(drawn: Run) -> None:
    assert dict(cost_facts(cost_of(priced(drawn, prompt_price=5, completion_price=10)))) == {
        "cost": "20 samples drawn, 2,000 prompt tokens, 7,200,000 response tokens, "
        "2,000 tokens/s, retries 3, 72.01 by the prices given",
        "time": "1 h 1 min: prepare 2.0 s, start 38 s, generate 1 h 0 min, finish 4.0 s; "
        "engine busy 97.8 %",
    }
    (note,) = cost_facts(cost_of(changed(drawn, saved=SAVED)))
    assert note[0] == "about the cost"
    uncounted = dict(cost_facts(cost_of(changed(drawn, usage=Usage()))))
    assert uncounted.keys() == {"time", "about the cost"}
    assert "busy" not in uncounted["time"]


def test_a_block_is_everything_with_a_dash_for_the_unknown(drawn: Run) -> None:
    block = cost_block(cost_of(drawn))
    assert [line.split()[-1] for line in block.splitlines() if line.startswith("money")] == ["-"]
    assert cost_block(cost_of(changed(drawn, saved=SAVED))).splitlines()[0] == "cost -"


def test_a_part_without_events_does_not_say_that_there_were_none(drawn: Run) -> None:
    usage = USAGE.model_copy(update={"events": {}})
    whole, part = (
        cost_block(cost_of(changed(drawn, usage=usage.model_copy(update={"samples": samples}))))
        for samples in (20, 15)
    )
    assert re.search(r"^events +none$", whole, re.MULTILINE)
    assert re.search(r"^events +-$", part, re.MULTILINE)


ROOT = Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden" / "runs").glob("schema-*/run.json"))
OLD = [
    name
    for name in (*shipped_runs(), *map(str, GOLDEN))
    if json.loads((ROOT / name).read_text(encoding="utf-8")).get("usage") is None
]


def test_there_are_old_records() -> None:
    assert len(OLD) > 4


@pytest.mark.parametrize("name", OLD)
def test_old_records_are_shown_without_a_zero_for_what_they_lack(name: str, shipped: Path) -> None:
    path = shipped.parent / name
    run = read_run(path)
    cost = cost_of(run)
    assert cost.drawn is None
    assert cost.wall_seconds is not None
    (row,) = json.loads(cost_table([of_run(path.parent, run)], "json"))
    assert row["tokens_per_second"] is row["completion_tokens"] is row["money"] is None


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_a_part_is_marked_in_every_form(drawn: Run, form: Any) -> None:
    run = changed(drawn, name="a|b & c\x1b[2J", usage=USAGE.model_copy(update={"samples": 15}))
    table = cost_table([of_run(Path(), run)], form)
    least = r"$\geq$" if form == "latex" else "≥"
    assert f"{least} 15" in table
    assert f"{least} 1 h 1 min" in table
    assert "\x1b" not in table
    assert "15 of 20" in table
