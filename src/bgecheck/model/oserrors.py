"""What the system says of a file that it does not open, in both languages."""

from __future__ import annotations

import errno

from bgecheck.model.hygiene import clean
from bgecheck.model.words import Text

_CHINESE = {
    errno.ENOENT: "没有这个文件或目录",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "文件系统只读",
    errno.EISDIR: "是目录",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.EEXIST: "已存在同名文件",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "超出磁盘配额",
    errno.EFBIG: "文件过大",
    errno.EIO: "磁盘读写错误",
    errno.ENAMETOOLONG: "文件名过长",
    errno.ELOOP: "符号链接成环",
    errno.EMFILE: "打开的文件过多",
    errno.ENOMEM: "内存不足",
    errno.ENOEXEC: "不是可执行的格式",
    errno.EBADF: "已被关闭",
    errno.EADDRINUSE: "端口已被占用",
}


def reason_of(error: BaseException) -> Text:
    """Why the system refused; in its own words where there are none of ours."""
    own = clean(getattr(error, "strerror", None) or str(error) or type(error).__name__, 120)
    return Text(own, _CHINESE.get(getattr(error, "errno", None) or 0, own))
