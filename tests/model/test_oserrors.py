"""Why the system does not open a file is said in the language of the sentence."""

from __future__ import annotations

import errno
import os

import pytest

from bgecheck.model import reason_of


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.EISDIR, errno.EEXIST, errno.ENOSPC])
def test_what_happens_to_files_every_day_has_words_in_chinese(number: int) -> None:
    reason = reason_of(OSError(number, os.strerror(number)))
    assert reason.en == os.strerror(number)
    assert not reason.zh.isascii()


def test_what_has_no_words_of_ours_keeps_its_own() -> None:
    assert reason_of(OSError(errno.EXDEV, "Invalid cross-device link")).zh == "Invalid cross-device link"
    assert reason_of(ValueError("embedded null byte")).zh == "embedded null byte"
    assert reason_of(OSError()).en == "OSError"
