"""Saved generations of this or another harness, made into a run that our grader judges.

One file a format; a row that fits no problem is told, never dropped.
"""

from harness.saved.files import FORMATS, open_saved
from harness.saved.matching import ProblemIndex
from harness.saved.scoring import Scored, score_files
from harness.saved.storing import Source, store_scored

__all__ = [
    "FORMATS",
    "ProblemIndex",
    "Scored",
    "Source",
    "open_saved",
    "score_files",
    "store_scored",
]
