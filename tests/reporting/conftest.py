"""A real browser for the report's page, which must never ask a network nor report an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--no-first-run", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a file and wait until its samples can be browsed; judge what it did at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    asked: list[str] = []
    faults: list[str] = []

    def told(dialog: Dialog) -> None:
        faults.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def open_(path: Path, fragment: str = "") -> Page:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", told)
        page.on("popup", lambda popup: faults.append(f"popup: {popup.url}"))
        page.goto(f"{path.resolve().as_uri()}{fragment}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_
    context.close()
    assert not faults
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
