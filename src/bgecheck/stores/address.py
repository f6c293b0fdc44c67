"""Where a vector store is, as the user writes it: `qdrant://HOST:6333/COLLECTION`, `chroma:./folder/COLLECTION`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from bgecheck.model import BadInput, Redactor, Secret, Text, clean
from bgecheck.model.target import authority

Store = Literal["chroma", "milvus", "qdrant", "pgvector"]

_STORES: Mapping[str, Store] = {
    "chroma": "chroma",
    "milvus": "milvus",
    "qdrant": "qdrant",
    "pgvector": "pgvector",
    "postgresql": "pgvector",
    "postgres": "pgvector",
}
NAMES: Mapping[Store, str] = {"chroma": "Chroma", "milvus": "Milvus", "qdrant": "Qdrant", "pgvector": "PostgreSQL"}
"""What people call them."""
_PORTS: Mapping[Store, int] = {"chroma": 8000, "milvus": 19530, "qdrant": 6333, "pgvector": 5432}
_KEYS: Mapping[Store, tuple[str, ...]] = {
    "chroma": ("CHROMA_TOKEN", "CHROMA_API_KEY"),
    "milvus": ("MILVUS_TOKEN",),
    "qdrant": ("QDRANT_API_KEY",),
    "pgvector": ("PGPASSWORD",),
}
"""Variables that hold the key where the address has none."""

_MARKS: Mapping[Store, str] = {"chroma": "chroma.sqlite3", "qdrant": "meta.json"}
"""The file that a folder of a store has."""

_DRIVERS = ("http", "https", "psycopg", "psycopg2", "asyncpg", "pg8000")
"""What may stand behind a plus: how a server is asked, or a driver of SQLAlchemy, which is ignored."""

_OPTIONS: Mapping[Store, tuple[str, ...]] = {
    "chroma": ("collection", "text", "tenant", "database", "token", "api_key"),
    "milvus": ("collection", "text", "vector", "database", "token"),
    "qdrant": ("collection", "text", "vector", "api_key"),
    "pgvector": ("table", "collection", "text", "column", "password", "sslmode", "sslrootcert", "host"),
}
_SECRET_OPTIONS = ("token", "api_key", "password")

EXAMPLES = "qdrant://HOST:6333/NAME, chroma:./FOLDER/NAME, milvus:./FILE.db/NAME, postgresql://USER@HOST/DB?table=NAME"
_WRITE_IT = Text(f"write it as one of: {EXAMPLES}", f"可选写法：{EXAMPLES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One store: a folder or file (`path`), or a server (`host` and `port`). `collection` is what was named, if any."""

    store: Store
    shown: str
    """The address as it was given, without a key."""
    path: str | None = None
    host: str | None = None
    port: int | None = None
    tls: bool = False
    user: str | None = None
    key: Secret | None = None
    collection: str | None = None
    """Of Chroma, Milvus and Qdrant; of the tables of LangChain in PostgreSQL, which hold several."""
    table: str | None = None
    """Of PostgreSQL, with its schema where that was given."""
    vector: str | None = None
    """The field or column of the vectors."""
    text: str | None = None
    """The field or column of the texts."""
    database: str | None = None
    tenant: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of libpq."""

    @property
    def place(self) -> str:
        """The folder or file, else host and port."""
        return self.path or (authority(self.host, self.port) if self.host and self.port else self.host or "")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The key, and of Milvus's user and password the password alone, which an error may hold by itself."""
        if self.key is None:
            return ()
        password = self.key.reveal().partition(":")[2] if self.store == "milvus" else ""
        return (self.key, Secret(password)) if password else (self.key,)

    def naming(self, collection: str) -> str:
        """The address with a collection (a table of PostgreSQL) named, for a command to copy."""
        scheme = "postgresql" if self.store == "pgvector" else self.store
        if self.store == "pgvector":
            user = f"{self.user}@" if self.user else ""
            socket = f"&host={self.host}" if self.host and self.port is None else ""
            place = "" if socket else self.place
            return f"{scheme}://{user}{place}/{self.database or ''}?table={collection}{socket}"
        if self.path:
            return f"{scheme}:{self.path}?collection={collection}"
        return f"{scheme}{'+https' * self.tls}://{self.place}/{collection}"


def parse(given: str, text_field: str | None = None, environment: Mapping[str, str] = os.environ) -> Address:
    """The store that is meant. Raises `BadInput`, which never shows a key.

    `STORE://HOST[:PORT]/COLLECTION` is a server, with `STORE+https://` over TLS; `STORE:PATH/COLLECTION` or
    `STORE:PATH?collection=NAME` a folder or file here; `postgresql://USER@HOST/DATABASE?table=NAME` a table.
    """
    parts = _split(given)
    scheme, _, driver = parts.scheme.lower().partition("+")
    if scheme not in _STORES or (driver and driver not in _DRIVERS):
        _refuse(given, Text("no vector store begins like this", "开头不是支持的向量库"))
    store = _STORES[scheme]
    options = _options(given, parts, store)
    key = _key(parts, options, store, environment)
    made = Address(
        store=store,
        shown=_without_key(parts, store),
        tls=driver == "https",
        key=key,
        text=text_field or options.get("text"),
        vector=options.get("column") or options.get("vector"),
        collection=options.get("collection"),
        database=options.get("database"),
        tenant=options.get("tenant"),
    )
    return _placed(given, parts, options, made)


def _split(given: str) -> SplitResult:
    if not given.strip() or given != given.strip() or not given.isprintable():
        _refuse(given, Text("blank, or with blanks or control characters around it", "为空，或首尾有空白、控制字符"))
    try:
        parts = urlsplit(given)
        _ = parts.port
    except ValueError:
        _refuse(given, Text("host or port cannot be read", "主机或端口无法解析"))
    return parts


def _refuse(given: str, why: Text) -> NoReturn:
    shown = clean(Redactor(_secrets_in(given)).text(given), 200)
    raise BadInput(f"--check-store {shown if shown.strip() else repr(shown)}", why, _WRITE_IT)


def _secrets_in(given: str) -> list[str]:
    """Whatever in an address may be a key, as it is written there."""
    words = []
    authority_part = given.partition("://")[2].partition("/")[0]
    if "@" in authority_part:
        user_info = authority_part.rpartition("@")[0]
        words.append(user_info.partition(":")[2] or user_info)
    for pair in given.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name.lower() in _SECRET_OPTIONS and value:
            words.append(value)
    return words


def _options(given: str, parts: SplitResult, store: Store) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS[store]:
            usable = ", ".join(name for name in _OPTIONS[store] if name not in _SECRET_OPTIONS)
            shown = clean(name, 40)
            _refuse(given, Text(f"?{shown}= means nothing here; known: {usable}", f"不认识 ?{shown}=；可用：{usable}"))
        if not value.strip():
            _refuse(given, Text(f"?{name}= is blank", f"?{name}= 为空"))
    return options


def _key(parts: SplitResult, options: Mapping[str, str], store: Store, environment: Mapping[str, str]) -> Secret | None:
    """The key of the address, else that of the environment; of Qdrant and Chroma the part before @ is one too."""
    in_options = next((options[name] for name in _SECRET_OPTIONS if name in options), None)
    password, user = unquote(parts.password or ""), unquote(parts.username or "")
    if store in ("qdrant", "chroma"):
        password = password or user
    if store == "milvus" and user:
        password = f"{user}:{password}" if password else user
    given = in_options or password or next((environment[name] for name in _KEYS[store] if environment.get(name)), None)
    return Secret(given) if given else None


def _without_key(parts: SplitResult, store: Store) -> str:
    """The address without its key, so that it can be shown, and copied where the environment has the key."""
    host = parts.netloc.rpartition("@")[2]
    user = parts.username if store in ("pgvector", "milvus") and parts.password else None
    user = parts.username if store == "pgvector" else user
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in _SECRET_OPTIONS]
    netloc = f"{user}@{host}" if user else host
    shown = parts._replace(netloc=netloc, query=urlencode(query, safe="/:.~")).geturl()
    if store == "pgvector" and not netloc:  # which geturl writes without the slashes
        shown = shown.replace(":/", ":///", 1)
    return clean(shown, 200)


def _placed(given: str, parts: SplitResult, options: Mapping[str, str], made: Address) -> Address:
    if made.store == "pgvector":
        return _database(parts, options, made)
    local = not parts.netloc or parts.netloc in (".", "..", "~")
    return _local(given, parts, made) if local else _remote(given, parts, made)


def _database(parts: SplitResult, options: Mapping[str, str], made: Address) -> Address:
    passed = {name: options[name] for name in ("sslmode", "sslrootcert") if name in options}
    return replace(
        made,
        host=options.get("host") or parts.hostname or None,
        port=parts.port or (_PORTS["pgvector"] if parts.hostname else None),
        user=unquote(parts.username) if parts.username else None,
        database=unquote(parts.path.strip("/")) or None,
        table=options.get("table"),
        options=passed,
    )


def _remote(given: str, parts: SplitResult, made: Address) -> Address:
    names = [unquote(name) for name in parts.path.split("/") if name]
    if not parts.hostname:
        _refuse(given, Text("it names no host", "没有主机名"))
    if len(names) > 1:
        _refuse(
            given,
            Text(
                "more than a collection behind the host; a local path has no //",
                "主机后面只能有集合名；本地路径不带 //",
            ),
        )
    port = parts.port or (443 if made.tls and made.store != "milvus" else _PORTS[made.store])
    collection = made.collection or (names[0] if names else None)
    return replace(made, host=parts.hostname, port=port, collection=collection)


def _local(given: str, parts: SplitResult, made: Address) -> Address:
    """A folder or file that is there; where only the folder above the last part is, that part is the collection."""
    path = os.path.expanduser(unquote(parts.netloc + parts.path))
    if not path.strip("/"):
        _refuse(given, Text("it names neither host nor path", "没有主机名，也没有路径"))
    if os.path.exists(path):
        return replace(made, path=path)
    above, _, name = path.rstrip("/").rpartition("/")
    if made.collection is None and above and os.path.exists(above) and _may_be(made.store, above):
        return replace(made, path=above, collection=name)
    reason = Text("there is no such folder or file on this machine", "本机没有这个目录或文件")
    if made.collection is None and above and os.path.exists(above):
        reason = _no_store(made.store, clean(above, 200))
    raise BadInput(
        f"--check-store {made.shown}",
        reason,
        Text(
            "name the folder or file that the store's client was given, or a server: "
            f"{made.store}://HOST:{_PORTS[made.store]}/COLLECTION",
            f"写向量库客户端打开的那个目录或文件；服务端写 {made.store}://主机:{_PORTS[made.store]}/集合名",
        ),
    )


def _no_store(store: Store, path: str) -> Text:
    """Why the folder or file above the last part is not taken for the store, and the last part for its collection."""
    name, mark = NAMES[store], _MARKS.get(store)
    why = Text("its name does not end in .db", "文件名不以 .db 结尾")
    if mark is not None:
        why = Text(f"it has no {mark}", f"里面没有 {mark}")
    return Text(
        f"there is no such folder or file, and {path} is no store of {name}: {why.en}",
        f"没有这个目录或文件，而 {path} 也不是 {name} 的库：{why.zh}",
    )


def _may_be(store: Store, path: str) -> bool:
    """Whether a path may be such a store, so that what follows it is a collection."""
    if store == "milvus":
        return path.endswith(".db")
    return os.path.exists(os.path.join(path, _MARKS[store]))
