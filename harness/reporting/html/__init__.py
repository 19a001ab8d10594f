"""A report: one HTML file with scores, differences, plots, and every sample to look through.

The file is whole: it asks no network and no server, and is as safe to open as a picture. What a
model said is never markup in it. Data lie in it as compressed text, and reach the page only as the
text of elements that our own script makes; no other script may run.
"""

from harness.reporting.html.page import Written, write_report

__all__ = ["Written", "write_report"]
