"""A fixture for tests that need the embeddings server: it is right, or they do not run."""

from __future__ import annotations

import json
import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def embeddings_url() -> str:
    """The base URL of a server that was just found right; without one the tests are skipped, with the root cause."""
    url = os.environ.get("EMBEDDINGS_URL")
    if not url:
        pytest.skip("EMBEDDINGS_URL is not set")
    ran = subprocess.run(
        ["bgecheck", "doctor", "--url", url, "--quick", "--deadline", "30s", "-o", "json", "--lang", "en"],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        report = json.loads(ran.stdout) if ran.stdout.startswith("{") else {}
        causes = ", ".join(report.get("root_causes", [])) or ran.stderr.strip()
        pytest.skip(f"the embeddings server is not right (exit code {ran.returncode}): {causes}")
    return url
