"""Training data: questions with reasoning and answer, in the form that verl reads.

A built folder is complete or not there. Its card says what it was made from, and it is opened
only if its files still have the checksums that the card names.
"""

from trainers.data.building import build
from trainers.data.card import DataCard
from trainers.data.columns import AskedColumns
from trainers.data.folder import TrainingData, is_built, open_data
from trainers.data.sft import SftData, sft_rows
from trainers.data.sources import require_source
from trainers.data.styles import DATA_STYLES, DataStyle

__all__ = [
    "DATA_STYLES",
    "AskedColumns",
    "DataCard",
    "DataStyle",
    "SftData",
    "TrainingData",
    "build",
    "is_built",
    "open_data",
    "require_source",
    "sft_rows",
]
