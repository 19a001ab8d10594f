"""Import generations that this or another harness saved, and grade them as a stored run.

Each format has its own file in `formats/`. A row that matches no problem is reported, never
dropped in silence.
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
