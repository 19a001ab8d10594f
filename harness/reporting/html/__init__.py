"""A report: one HTML file with scores, differences, plots, and every sample to look through.

The file holds everything that it shows, and needs neither a network nor a server. A model's text is
hostile, so it is never markup: the data are stored as compressed text, and our own script, the only
one that may run, puts them into the page as the text of elements.
"""

from harness.reporting.html.page import WrittenReport, write_report

__all__ = ["WrittenReport", "write_report"]
