"""The page in a real browser: what a reader does with it, and what hostile text does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chosen_runs import Said, cut_off, demo_problems, right, silent, store_responses, wrong
from playwright.sync_api import Browser, Page, expect

from benchmarks import Problem
from harness.grading import Outcome
from harness.reporting.html import write_report
from harness.runs.results import Result

pytestmark = pytest.mark.slow

OpenPage = Callable[..., Page]
Makers = list[Callable[..., Said]]

PATIENCE = 10.0
"""Seconds in which a page of forty thousand samples, or a hostile one, has to be usable."""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Two versions on twelve problems: three are fixed, two broken, one is missing in the first."""
    problems = demo_problems(12)
    before: Makers = [right, right, wrong, wrong, wrong]
    after: Makers = [wrong, silent, right, right, right]
    old = [(p, [_said(before, n, p)]) for n, p in enumerate(problems[:11])]
    new = [(p, [_said(after, n, p)]) for n, p in enumerate(problems)]
    results = [
        store_responses(tmp_path, name, {"demo": rows}) for name, rows in (("v1", old), ("v2", new))
    ]
    return write_report(results, tmp_path / "report.html", anyway=True).path


def _said(makers: Makers, number: int, problem: Problem) -> Said:
    if number >= len(makers):
        return right(problem)
    return right(problem) if makers[number] is right else makers[number]()


def problems_of(page: Page) -> list[str]:
    return page.locator("#list tbody button").all_text_contents()


# --- what a reader does ---------------------------------------------------------------------


def test_the_page_shows_scores_and_verdict(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    assert page.title() == "v1 → v2 · harness report"
    expect(page.locator("#verdicts .word")).to_have_text("○ no evidence")
    expect(page.locator("#scores")).to_contain_text("demo")
    expect(page.locator("#setup")).to_contain_text("grader")
    assert page.locator("figure img").count() >= 3
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 100)")
    assert "null" not in page.locator("main").inner_text()
    assert "undefined" not in page.locator("main").inner_text()


def test_filters_leave_what_they_say(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    assert len(problems_of(page)) == 12
    for change, count in (("fixed", 3), ("broken", 2), ("both right", 6), ("both wrong", 0)):
        page.select_option("#filter-change", change)
        assert len(problems_of(page)) == count, change
    expect(page.locator("#count")).to_have_text("No problem matches these filters.")
    page.click("text=Clear")
    page.select_option("#filter-outcome", "no answer")
    assert problems_of(page) == ["demo/test-0002"]
    page.select_option("#filter-version", "v1")
    assert problems_of(page) == []
    page.click("text=Clear")
    page.fill("#filter-query", "TEST-001")
    assert problems_of(page) == ["demo/test-0010", "demo/test-0011", "demo/test-0012"]
    page.select_option("#filter-benchmark", "demo")
    assert len(problems_of(page)) == 3


def test_a_problem_opens_side_by_side(report: Path, open_page: OpenPage) -> None:
    page = open_page(report)
    page.click("text=demo/test-0003")
    columns = page.locator("#columns article")
    expect(columns).to_have_count(2)
    expect(columns.nth(0)).to_contain_text("✗ wrong")
    expect(columns.nth(1)).to_contain_text("✓ correct")
    for column in (columns.nth(0), columns.nth(1)):
        expect(column).to_contain_text("found by")
        expect(column).to_contain_text("identical")
        expect(column).to_contain_text("the model")
    assert columns.nth(1).locator(".response .katex").count() == 3, (
        "$…$, \\[…\\] and a bare \\boxed"
    )
    assert page.locator("#question").inner_text().strip()
    page.click("#raw")
    expect(columns.nth(1).locator(".response")).to_contain_text("\\boxed{")
    assert page.locator("#viewer .katex").count() == 0


def test_reasoning_is_folded_above_its_response(tmp_path: Path, open_page: OpenPage) -> None:
    first, second = demo_problems(2)
    reasoned = Said(response="", reasoning="<b>so</b> $x$ \u202e", outcome=Outcome.NO_ANSWER)
    rows = [(first, [reasoned]), (second, [wrong()])]
    page = open_page(
        write_report([store_responses(tmp_path, "v1", {"demo": rows})], tmp_path / "r.html").path
    )
    page.click(f"text={first.id}")
    column = page.locator("#columns article")
    expect(column.locator(".response")).to_have_text("(empty)")
    expect(column.locator("details")).to_have_text(
        "reasoning, which is not graded<b>so</b> $x$ \\u202e"
    )
    page.keyboard.press("Escape")
    page.click(f"text={second.id}")
    expect(column.locator("details")).to_have_count(0)


def test_keys_and_links(report: Path, open_page: OpenPage) -> None:
    page = open_page(report, "#change=fixed&problem=demo%2Ftest-0004")
    title = page.locator("#viewer-title")
    expect(title).to_have_text("demo/test-0004")
    expect(page.locator("#viewer-place")).to_have_text("2 of 3")
    page.keyboard.press("j")
    expect(title).to_have_text("demo/test-0005")
    page.keyboard.press("j")
    expect(title).to_have_text("demo/test-0005")
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text("demo/test-0003")
    page.wait_for_url("**#change=fixed&problem=demo%2Ftest-0003")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).not_to_be_visible()
    page.wait_for_url("**#change=fixed")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(title).to_have_text("demo/test-0004")
    page.evaluate("location.hash = '#problem=demo%2Ftest-0001'")
    expect(title).to_have_text("demo/test-0001")
    page.click("#close")
    assert len(problems_of(page)) == 12


def test_an_address_that_is_set_while_another_is_remembered_is_followed(
    report: Path, open_page: OpenPage
) -> None:
    """The page writes its state to the address a moment later, perhaps before a new one is told."""
    page = open_page(report, "#problem=demo%2Ftest-0004")
    title = page.locator("#viewer-title")
    expect(title).to_have_text("demo/test-0004")
    # The timer is made to end before the event of the new address, which is a task of its own.
    page.evaluate(
        """() => {
            location.hash = "#problem=demo%2Ftest-0001";
            window.setTimeout = (remember) => remember();
            rememberState();
        }"""
    )
    expect(title).to_have_text("demo/test-0001")


def test_what_a_version_lacks_is_said(report: Path, open_page: OpenPage) -> None:
    page = open_page(report, "#problem=demo%2Ftest-0012")
    expect(page.locator("#columns article").nth(0)).to_contain_text("not asked this problem")


def test_samples_of_a_problem_are_chosen(tmp_path: Path, open_page: OpenPage) -> None:
    problem = demo_problems(1)[0]
    said = [wrong("1"), right(problem), cut_off(), wrong("1")]
    result = store_responses(tmp_path, "many", {"demo": [(problem, said)]})
    path = write_report([result], tmp_path / "report.html").path
    page = open_page(path, "#outcome=truncated")
    expect(page.locator("#list tbody td").last).to_contain_text("1/4")
    page.click("text=demo/test-0001")
    column = page.locator("#columns article")
    expect(column).to_contain_text("the token limit")
    page.click("[aria-label='sample 2: correct']")
    expect(column).to_contain_text("✓ correct")
    page.wait_for_url("**sample=1")


def test_a_change_is_from_the_first_version_to_the_chosen_one(
    tmp_path: Path, open_page: OpenPage
) -> None:
    problems = demo_problems(2)
    versions: dict[str, Makers] = {"a": [wrong, wrong], "b": [right, wrong], "c": [wrong, right]}
    results = [
        store_responses(
            tmp_path, name, {"demo": [(p, [_said(said, n, p)]) for n, p in enumerate(problems)]}
        )
        for name, said in versions.items()
    ]
    page = open_page(write_report(results, tmp_path / "report.html").path, "#change=fixed")
    expect(page.locator("#change-of")).to_have_text("a → c")
    assert problems_of(page) == ["demo/test-0002"]
    page.select_option("#filter-version", "b")
    expect(page.locator("#change-of")).to_have_text("a → b")
    assert problems_of(page) == ["demo/test-0001"]


@pytest.mark.parametrize(
    ("text", "formulae"),
    [
        ("of $x$ and $$y$$", ["x", "y"]),
        (r"\(x\), \[y\]; not \\(z\\) nor \\[2pt]", ["x", "y"]),
        (r"it is \boxed{\frac{1}{2}}, so", [r"\boxed{\frac{1}{2}}"]),
        (r"\begin{align*}a&=b\end{align*}", [r"\begin{align*}a&=b\end{align*}"]),
        ("$5 for one, $6 for two, and \\$7", []),
        (r"$\text{costs \$5}$", [r"\text{costs \$5}"]),
        ("$a\n\nb$ and $ c $ and $d", []),
        (r"\boxed{never closed and \(neither", []),
    ],
)
def test_formulae_are_found_by_their_delimiters(
    report: Path, open_page: OpenPage, text: str, formulae: list[str]
) -> None:
    page = open_page(report)
    found = page.evaluate("text => partsOf(text)", text)
    assert [piece["tex"] for piece in found if "tex" in piece] == formulae
    assert "".join(piece.get("source", piece.get("text")) for piece in found) == text


def test_a_run_without_responses_shows_answers(tmp_path: Path, open_page: OpenPage) -> None:
    problem = demo_problems(1)[0]
    result = store_responses(tmp_path, "bare", {"demo": [(problem, [wrong("31")])]})
    assert result.path is not None
    (result.path / "samples.parquet").unlink()
    page = open_page(write_report([result], tmp_path / "report.html").path)
    expect(page.locator("#samples-about")).to_contain_text("responses of bare are not available")
    page.click("text=demo/test-0001")
    expect(page.locator("#columns")).to_contain_text("31")
    expect(page.locator("#columns")).to_contain_text("its folder has no samples.parquet")


# --- what hostile text does not do ----------------------------------------------------------

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)><svg onload=alert(1)>",
    "<!-- --><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    r"$\href{javascript:alert(1)}{x}$ $\includegraphics{https://example.com/x.png}$",
    r"$\htmlStyle{position:fixed}{x}\htmlData{a=b}{y}\url{https://example.com}$",
    r"$\def\a{\a\a}\a$ and $\gdef\b#1{#1#1#1#1}\b{\b{\b{\b{\b{x}}}}}$",
    "$" + "{" * 900 + "x" + "}" * 900 + "$",
    "$" + r"\frac{1}{" * 300 + "x" + "}" * 300 + "$",
    "$$" + r"\sqrt{" * 13 + r"\begin{matrix}1&2\\3&4\end{matrix}" + "}" * 13 + "$$",
    r"$\rule{99999em}{99999em}\kern-99999em\raisebox{-99999em}{x}$",
    r"\(" * 50_000,
    "$x" * 50_000,
    r"\boxed{" * 20_000,
    r"\begin{align}" * 10_000,
    r"$\mathchoice{a}{b}{c}{d}$" * 5_000,
    "$" + "x_" * 900 + "$",
    "$" + r"\char`\"202E" + "$",
    "a" * 1_000_000,
    "\u202eright to left\u2066 and \x00 NUL \x1b[2J \u200b",
    "[](javascript:alert(1)) {{constructor}} ${alert(1)} `${alert(1)}`",
    "\u0627\u0644\u0639" * 200 + "é" * 500,
    # Words that a browser cannot break take it half a minute each.
    "a" + "\u0301" * 50_000,
    "\u0e01\u0e02\u0e04" * 17_000,
    "\u0915\u094d\u0937" * 17_000,
    "\U0001f469\u200d\U0001f467" * 10_000,
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    bad = "</script><img src=x onerror=alert(1)>"
    rows = [
        (
            Problem(id=f"demo/{number}{bad}", question="q", answer=text[:300], meta={"kind": bad}),
            [Said(response=text, answer=text[:300], outcome=Outcome.WRONG)],
        )
        for number, text in enumerate(HOSTILE)
    ]
    results = [store_responses(folder, f"{n}{bad}$\\rm x$", {"demo": rows}) for n in "ab"]
    return write_report(results, folder / "report.html").path


def test_hostile_text_neither_runs_nor_hangs(hostile: Path, open_page: OpenPage) -> None:
    page = open_page(hostile)
    assert page.locator("script").count() == page.evaluate("document.scripts.length")
    for number in range(len(HOSTILE)):
        began = time.monotonic()
        page.click(f"#list tbody tr:nth-child({number + 1}) button")
        expect(page.locator("#viewer-title")).to_contain_text(f"demo/{number}<")
        expect(page.locator("#columns article")).to_have_count(2)
        page.evaluate("document.body.offsetHeight")
        height = page.evaluate("document.getElementById('viewer-body').scrollHeight")
        page.keyboard.press("Escape")
        expect(page.locator("#viewer")).not_to_be_visible()
        assert time.monotonic() - began < PATIENCE, HOSTILE[number][:40]
        assert height < 150_000, HOSTILE[number][:40]
    made = "img[src=x], iframe, main svg[onload], #viewer a[href], .said img"
    assert page.locator(made).count() == 0


def test_marks_that_cannot_be_seen_are_shown(hostile: Path, open_page: OpenPage) -> None:
    number = next(n for n, text in enumerate(HOSTILE) if "NUL" in text)
    page = open_page(hostile)
    page.click(f"#list tbody tr:nth-child({number + 1}) button")
    expect(page.locator(".response").first).to_have_text(
        r"\u202eright to left\u2066 and \x00 NUL \x1b[2J \u200b"
    )


def test_a_long_response_is_cut_and_says_so(hostile: Path, open_page: OpenPage) -> None:
    number = next(n for n, text in enumerate(HOSTILE) if len(text) == 1_000_000)
    page = open_page(hostile)
    page.click(f"#list tbody tr:nth-child({number + 1}) button")
    expect(page.locator("#columns article").first).to_contain_text("800,000 more characters")


def test_no_other_script_may_run(hostile: Path, browser: Browser) -> None:
    """Were a text to become markup after all, the policy would still stop it."""
    page = browser.new_page()
    page.goto(hostile.as_uri())
    tried = """() => {
        const made = document.createElement("div");
        try { made.innerHTML = "<b>x</b>"; } catch (error) { return error.name; }
        return "assigned";
    }"""
    assert page.evaluate(tried) == "TypeError"
    page.close()


# --- many samples ---------------------------------------------------------------------------


def test_forty_thousand_samples_open_fast(tmp_path: Path, open_page: OpenPage) -> None:
    results = [_large_run(tmp_path, name, number) for number, name in enumerate(("v1", "v2"))]
    path = write_report(results, tmp_path / "report.html").path
    began = time.monotonic()
    page = open_page(path)
    expect(page.locator("#samples-about")).to_contain_text("40,000 samples")
    assert time.monotonic() - began < PATIENCE
    began = time.monotonic()
    page.fill("#filter-query", "x-19999")
    page.select_option("#filter-change", "both wrong")
    page.click("text=demo/x-19999")
    expect(page.locator("#columns .response").nth(1)).to_contain_text("the 19999th of 1")
    assert time.monotonic() - began < PATIENCE


def _large_run(results: Path, name: str, version: int) -> Result:
    words = "we find that the sum of these two terms is not what was asked for here".split()
    rows = []
    for number in range(20_000):
        text = " ".join(words[(number * k + version) % len(words)] for k in range(1, 300))
        said = Said(response=f"the {number}th of {version}: {text}", answer="1")
        rows.append(
            (Problem(id=f"demo/x-{number}", question="q", answer="2", meta={"kind": "k"}), [said])
        )
    return store_responses(results, name, {"demo": rows})
