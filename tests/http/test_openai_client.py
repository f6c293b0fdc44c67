"""The openai package, where it is not whole."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from bgecheck.model import Unavailable, say
from bgecheck.sources.sdk import called


def test_a_package_that_does_not_work_is_no_fault_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of it was missing from this environment; here its client is replaced by one that says so."""
    openai = pytest.importorskip("openai")

    def missing(**options: Any) -> NoReturn:
        raise ModuleNotFoundError("No module named 'h11'")

    monkeypatch.setattr(openai, "DefaultHttpxClient", missing)
    with pytest.raises(Unavailable) as unavailable:
        called("http://127.0.0.1:1/v1", "EMPTY", "m", "text", 3.0)
    assert "No module named 'h11'" in say(unavailable.value.reason, "en")
    assert "用不了" in say(unavailable.value.reason, "zh")
