"""Certificates for the tests of TLS, made by the true openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.raw import LINK_LOCAL


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, for this machine's addresses, for 30 days; the key is beside it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    file = tmp_path_factory.mktemp("certificate") / "server.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    if LINK_LOCAL:
        names += f",IP:{LINK_LOCAL.partition('%')[0]}"
    line = f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test -addext {names}"
    files = ["-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    subprocess.run([*line.split(), *files], check=True, capture_output=True, timeout=30)
    return file
