"""Training data: questions with reasoning and answer, made into what verl reads.

A built folder is whole or not there, says in its card what it was made from,
and is opened only if its files still have the sums that the card names.
"""

from trainers.data.building import build
from trainers.data.card import DataCard
from trainers.data.folder import TrainingData, is_built, open_data
from trainers.data.sft import SftData, sft_rows
from trainers.data.styles import STYLES, DataStyle

__all__ = [
    "STYLES",
    "DataCard",
    "DataStyle",
    "SftData",
    "TrainingData",
    "build",
    "is_built",
    "open_data",
    "sft_rows",
]
