"""Saved generations of this or another harness, made into a run that our grader judges.

One file a format; a row that fits no problem is told, never dropped.
"""

from harness.importers.files import FORMATS, open_saved
from harness.importers.matching import ProblemIndex
from harness.importers.scoring import Scored, score_files
from harness.importers.storing import Source, store_scored

__all__ = [
    "FORMATS",
    "ProblemIndex",
    "Scored",
    "Source",
    "open_saved",
    "score_files",
    "store_scored",
]
