"""A private authority and a certificate that it has signed, by the true openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def private_authority(folder: Path, days: int = 30) -> Path:
    """Write `ca.pem`, and `server.pem` with its key for 127.0.0.1, into a folder."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30, cwd=folder)

    # As Python wants it from 3.13 on, which verifies by RFC 5280 (VERIFY_X509_STRICT).
    extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    authority = ["-subj", "/CN=private authority", *(word for each in extensions for word in ("-addext", each))]
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *authority, "-keyout", "ca.key", "-out", "ca.pem")
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"
    )
    names = "subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    (folder / "names").write_text(names, encoding="ascii")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "names"]
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return folder
