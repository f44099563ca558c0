"""Addresses of what is read and published: files, folders that are watched, topics and subscriptions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.address_options import OPTIONS, Scheme, Use, options_text, parse_options
from schemas.near_miss import near_miss
from schemas.visible import shortened, visible

_BROKERS: tuple[Scheme, ...] = ("kafka", "pubsub", "bigquery")
FILE_SYSTEMS = ("gs", "s3", "hdfs", "azfs")
"""Schemes of paths that are not on this machine."""

_WATCH = "/?watch"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9.:-]*")
_TABLE = re.compile(r"[A-Za-z0-9_]{1,1024}/[A-Za-z0-9_-]{1,1024}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+-]{2,254}")
_LIKE_OPTIONS = re.compile(r".*/\?([a-z]+)(?:[=&][^/]*)?", re.DOTALL)
_KAFKA = "write `kafka://host:9092/topic`, several hosts with commas"
_PUBSUB = "write `pubsub://project/name`, the name of a {}"
_BIGQUERY = "write `bigquery://project/dataset/table`"


@dataclass(frozen=True)
class Address:
    """Where signals are read, or an output is published.

    Attributes:
        scheme: `file`: files, bounded; `watch`: a folder in which files keep arriving; `kafka`; `pubsub`; `bigquery`.
        use: `read` or `publish`.
        hosts: Of Kafka, `host:port` each; of Pub/Sub and BigQuery the project alone; else none.
        name: The path or glob, the folder without a `/` at its end, the topic, the subscription, or
            `dataset/table`.
        options: All that the scheme has, by name: milliseconds, texts, `start` a text or an instant; the default, which
            may be None, where nothing is said.
        client: Settings for the Kafka client as they are; they may be secret, and are not shown.
    """

    scheme: Scheme
    use: Use
    hosts: tuple[str, ...]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ends(self) -> bool:
        """Whether it is bounded."""
        return self.scheme == "file"

    @property
    def bare(self) -> str:
        """The address without options, to show and to record."""
        if self.scheme in _BROKERS:
            return f"{self.scheme}://{','.join(self.hosts)}/{self.name}"
        return f"{self.name}{_WATCH}" if self.scheme == "watch" else self.name

    @property
    def text(self) -> str:
        """The address with its options, secrets too: what `parse_address` makes it of."""
        options = options_text(self.scheme, self.use, self.options, self.client)
        mark = "&" if self.scheme == "watch" else "?"
        return f"{self.bare}{mark}{options}" if options else self.bare


def parse_address(text: str, use: Use = "read") -> Address:
    """Return what an address says.

    Args:
        text: A path or glob, `folder/?watch`, `kafka://host:port,host:port/topic`, `pubsub://project/name` or
            `bigquery://project/dataset/table`; all but paths and globs with options behind a `?`, or an `&` after
            `?watch`.
        use: What is to be done with it; to publish to, a path is a folder, and a name of Pub/Sub a topic.

    Raises:
        ValueError: what is wrong, in which part, and what to do.
    """
    found = _SCHEME.fullmatch(text)
    scheme, rest = (found[1].lower(), found[2]) if found else ("", text)
    if not text:
        raise ValueError("is empty: name files, as `data/*.parquet`, a folder or a topic")
    if scheme and not text.isprintable():
        raise ValueError(f"`{_told(text)}` has characters that cannot be seen: leave them out")
    if scheme == "kafka":
        return _kafka(rest, use)
    if scheme == "pubsub":
        return _pubsub(rest, use)
    if scheme == "bigquery":
        return _bigquery(rest, use)
    check_scheme(text, [*_BROKERS, *FILE_SYSTEMS])
    return _path(text, use)


def check_scheme(text: str, known: Sequence[str] = FILE_SYSTEMS) -> str:
    """Return the scheme of a path, empty for one on this machine.

    Raises:
        ValueError: it has another than the known ones, or no file can have such a name.
    """
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError(f"`{_told(text)}` is no UTF-8: give it another name")
    found = _SCHEME.fullmatch(text)
    scheme = found[1].lower() if found else ""
    if scheme and scheme not in known:
        raise ValueError(f"no scheme `{_told(scheme)}://`; {near_miss(scheme, known)}; a path has none")
    return scheme


def _kafka(rest: str, use: Use) -> Address:
    place, _, query = rest.partition("?")
    listed, slash, topic = place.partition("/")
    hosts = tuple(listed.split(","))
    for host in hosts:
        found = _HOST.fullmatch(host)
        if not found or not 1 <= int(found[1]) <= 65_535:
            raise ValueError(f"`{_told(host)}` of `kafka://` is no host with its port; {_KAFKA}")
    if not slash or not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise ValueError(f"`{_told(topic)}` of `kafka://` is no topic: letters, digits, `.`, `_` and `-`; {_KAFKA}")
    return Address("kafka", use, hosts, topic, *parse_options(query, "kafka", use))


def _pubsub(rest: str, use: Use) -> Address:
    place, _, query = rest.partition("?")
    project, _, name = place.partition("/")
    kind = "subscription" if use == "read" else "topic"
    hint = _PUBSUB.format(kind)
    if long := re.fullmatch(r"projects/([^/]+)/(?:subscriptions|topics)/([^/]+)", place):
        raise ValueError(f"write `pubsub://{_told(long[1])}/{_told(long[2])}` for `pubsub://{_told(place)}`")
    if not _PROJECT.fullmatch(project):
        raise ValueError(f"`{_told(project)}` of `pubsub://` is no project; {hint}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"`{_told(name)}` of `pubsub://` is no {kind}: at least 3 letters and digits; {hint}")
    return Address("pubsub", use, (project,), name, *parse_options(query, "pubsub", use))


def _bigquery(rest: str, use: Use) -> Address:
    place, _, query = rest.partition("?")
    project, _, table = place.partition("/")
    if use == "read":
        raise ValueError(f"`bigquery://{_told(place)}` is for publishing: export the table to files to read it")
    if not _PROJECT.fullmatch(project):
        raise ValueError(f"`{_told(project)}` of `bigquery://` is no project; {_BIGQUERY}")
    if not _TABLE.fullmatch(table):
        raise ValueError(f"`{_told(table)}` of `bigquery://` is no dataset with its table; {_BIGQUERY}")
    return Address("bigquery", use, (project,), table, *parse_options(query, "bigquery", use))


def _path(text: str, use: Use) -> Address:
    folder, watch, query = text.partition(_WATCH)
    if watch and (not query or query.startswith("&")):
        if use == "publish":
            raise ValueError(f"`?watch` of `{_told(text)}` is for reading: name the folder alone to publish to")
        if not folder or any(sign in folder for sign in "*?["):
            raise ValueError(
                f"`{_told(folder)}` before `{_WATCH}` must be one folder: globs are for files that are there"
            )
        return Address("watch", use, (), folder.rstrip("/") or "/", *parse_options(query[1:], "watch", use))
    like = _LIKE_OPTIONS.fullmatch(text)
    if like and ("=" in text or "&" in text) and near_miss(like[1], ["watch", *OPTIONS]).startswith("did"):
        hint = "the options of a path stand behind `/?watch`, as `folder/?watch&every=5s`"
        raise ValueError(f"`?{_told(like[1])}` of `{_told(text)}`: {hint}")
    if use == "publish" and any(sign in text for sign in "*?["):
        raise ValueError(f"`{_told(text)}` must be one folder to publish to, without `*`, `?` and `[`")
    return Address("file", use, (), text)


def _told(text: str) -> str:
    return visible(shortened(text, 80))
