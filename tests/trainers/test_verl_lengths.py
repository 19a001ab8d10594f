"""Prompts that verl left out, read from its log."""

from __future__ import annotations

from trainers.verl.lengths import LeftOut, left_out, told

LOG = """\
\x1b[36m(TaskRunner pid=7)\x1b[0m dataset len: 7398
\x1b[36m(TaskRunner pid=7)\x1b[0m Filtering prompts longer than 512 tokens: 100%|####| 7398/7398
\x1b[36m(TaskRunner pid=7)\x1b[0m filter dataset len: 7390
(TaskRunner pid=7) dataset len: 75\r
(TaskRunner pid=7) filter dataset len: 75\r
(TaskRunner pid=7) the dataset len: 3 is not a line of its own here
"""


def test_what_each_split_lost_is_told(tmp_path):
    log = tmp_path / "launch-1.log"
    log.write_text(LOG, newline="")
    assert left_out(log) == [LeftOut(7398, 8), LeftOut(75, 0)]
    assert told(log) == [
        "verl leaves out 8 of 7,398 training prompts, which are longer than data.max_prompt_length"
    ]


def test_rows_beyond_the_most_that_are_taken_are_not_called_too_long(tmp_path):
    """71 of 75 held-out rows were, where ``data.val_max_samples`` was 4 and none was too long."""
    log = tmp_path / "launch-1.log"
    log.write_text(
        "dataset len: 75\n(TaskRunner pid=7) selected 4 random samples out of 75\n"
        "filter dataset len: 3\n"
    )
    assert left_out(log) == [LeftOut(4, 1)]


def test_a_log_without_a_filter_tells_nothing(tmp_path):
    log = tmp_path / "launch-1.log"
    assert told(log) == []
    log.write_bytes(b"dataset len: 5\n\xff\xfe filter dataset len: x\n")
    assert left_out(log) == []
