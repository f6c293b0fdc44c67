"""Tells a file that is what its name says from what downloads and copies leave in its place."""

from __future__ import annotations

import os
from typing import NamedTuple

from bgecheck.model import Text, clean

LFS = b"version https://git-lfs.github.com/spec/v1"
"""How the file begins that git leaves where git-lfs did not fetch the content."""

_HEAD = 512
_PAGE_MARKS = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<error")


class Damage(NamedTuple):
    """What is in a file in place of what its name says."""

    file: str
    """Its name in the folder."""
    what: Text


def substitute(path: str) -> Text | None:
    """What a file holds in place of weights or words: nothing, a pointer, a page; None where it is none of these.

    Raises `OSError` where it cannot be read.
    """
    size = os.path.getsize(path)
    if size == 0:
        return Text("empty: 0 bytes", "空文件：0 字节")
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head.startswith(LFS):
        return Text(
            f"a git-lfs pointer of {size} bytes: the content was not fetched",
            f"只是 {size} 字节的 git-lfs 指针：内容没有取回",
        )
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith(_PAGE_MARKS):
        return Text(f"a web page of {size} bytes", f"是 {size} 字节的网页")
    if not head.strip(b"\0"):
        return Text(
            f"{size} bytes that begin with zeros: space that a download has reserved and not filled",
            f"{size} 字节，开头全是 0：下载工具预留了空间，还没有写入",
        )
    return None


def answer_in_place(path: str) -> Text | None:
    """What a file holds that should be binary and is a server's answer in words; None where it is not."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    begin = head.lstrip()
    if begin[:1] in (b"{", b"[") or (head.isascii() and head[:200].decode("ascii").isprintable()):
        shown = clean(head[:80].decode("utf-8", "replace"))
        return Text(f"text in place of weights: {shown}", f"是文本，不是权重：{shown}")
    return None
