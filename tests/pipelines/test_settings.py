"""Settings are what they say, and wrong ones name the flag."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pipelines import flag_values
from pipelines.flag_values import directory, instant, pair, share
from pipelines.settings import FURTHEST, Limit, RunSettings
from schemas.durations import HOUR, MINUTE, parse_instant
from transforms.streams.manifests import LAYOUTS

STREAM = (("usage", "usage/?watch"),)


def _settings(**options: Any) -> RunSettings:
    return RunSettings(**{"playbook": "p.yaml", "signals": (("usage", "u/*.parquet"),), "out": "out"} | options)


def test_globs_are_grouped_by_type_in_the_order_given() -> None:
    signals = (("usage", "b"), ("order", "c"), ("usage", "a"))
    assert _settings(signals=signals).globs() == {"usage": ("b", "a"), "order": ("c",)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (None, None, None, None)),
        ({"signals": STREAM}, (Fraction(1, 20), HOUR, HOUR, None)),
        ({"signals": STREAM, "state_out": "state"}, (Fraction(1, 20), HOUR, HOUR, 5 * MINUTE)),
        ({"signals": STREAM, "alert_rejected": Fraction(0), "span": 0}, (0, 0, HOUR, None)),
    ],
)
def test_settings_of_streams_have_their_defaults_there(options: dict[str, Any], expected: tuple[Any, ...]) -> None:
    for made in (_settings(**options), replace(_settings(**options), shards=3)):
        assert (made.alert_rejected, made.span, made.file_window, made.state_every) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signals": ()}, "--signals: give at least one"),
        ({"mode": "real"}, "--mode: `real` is none of live, backfill, shadow, simulated"),
        ({"formats": ("csv",)}, "--format: csv is none of parquet, jsonl, avro"),
        ({"shards": -1}, "--shards: -1 is not between"),
        ({"engine": "prisn"}, "did you mean `prism`?"),
        ({"beam_options": ("--streaming",)}, "--streaming: FnApiRunner"),
        ({"sample": Fraction(0)}, "--sample: takes nobody"),
        ({"span": HOUR}, "--span: is for streams"),
        ({"alert_rejected": Fraction(1, 20)}, "--alert-rejected: is for streams"),
        ({"file_window": HOUR}, "--file-window: is for streams"),
        ({"state_every": HOUR, "state_out": "state"}, "--state-every: is for streams with --state-out"),
        ({"signals": STREAM, "state_every": HOUR}, "--state-every: is for streams with --state-out"),
        ({"state_layout": LAYOUTS[0]}, "--state-layout: is for --state-out"),
        ({"seed_as_of": HOUR}, "--seed-as-of: is for --seed"),
        ({"beam_options": ("--foo=bar",)}, "--foo: Beam has no such option; leave it out"),
    ],
)
def test_wrong_settings_name_the_flag(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _settings(**options)


INSTANTS = ("seed_as_of", "complete_from", "until", "earliest", "decide_from")
LAUNCH = parse_instant("2026-03-02T00:00:00Z")


@pytest.mark.parametrize("name", INSTANTS)
@pytest.mark.parametrize("at", [-1, LAUNCH + FURTHEST + 1])
def test_instants_are_from_1970_to_100_years_after_the_launch(name: str, at: int) -> None:
    given = {"as_of": LAUNCH, "seeds": (("profile", "p.csv"),), "complete_from": LAUNCH}
    told = f"--{name.replace('_', '-')}: must be from 1970 to 2126-03-03, 100 years after the launch, --as-of"
    with pytest.raises(ValueError, match=told):
        _settings(**given | {name: at})
    for possible in (0, LAUNCH + FURTHEST):
        assert getattr(_settings(**given | {name: possible}), name) == possible


@pytest.mark.parametrize("at", [-1, parse_instant("9999-12-31T23:59:00Z")])
def test_the_launch_is_from_1970_to_100_years_from_now(at: int) -> None:
    with pytest.raises(ValueError, match=r"--as-of: must be from 1970 to \d{4}-\d\d-\d\d, 100 years after now"):
        _settings(as_of=at)


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+02:00"])
def test_wrong_instants(text: str) -> None:
    with pytest.raises(ValueError, match="must be from 1970 on"):
        instant(text)


@pytest.mark.parametrize(
    ("scheme", "package", "extra"), [("s3", "boto3", "aws"), ("hdfs", "hdfs", "hadoop"), ("azfs", "azure", "azure")]
)
def test_what_a_file_system_needs_is_told(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, extra: str
) -> None:
    monkeypatch.setattr(flag_values, "_is_installed", lambda package: False)
    told = rf"`{scheme}://b/x` needs the package {package}\S*: pip install 'apache-beam\[{extra}\]'"
    with pytest.raises(ValueError, match=told):
        directory(f"{scheme}://b/x")
    with pytest.raises(ValueError, match=f"--signals usage: {told}"):
        _settings(signals=(("usage", f"{scheme}://b/x"),))


@pytest.mark.parametrize("text", ["out", "./a b", "out:1", "GS://b/c", "ü"])
def test_directories(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(flag_values, "_is_installed", lambda package: True)
    assert directory(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1%", Fraction(1, 100)), ("0.5", Fraction(1, 2)), ("100%", 1), ("0", 0), ("2.5%", Fraction(1, 40))],
)
def test_shares(text: str, expected: Fraction) -> None:
    assert share(text) == expected


@pytest.mark.parametrize("text", ["", "%", "x", "101%", "-1%", "1.5", "nan", "1/0"])
def test_wrong_shares(text: str) -> None:
    with pytest.raises(ValueError, match=r"share|between"):
        share(text)


@pytest.mark.parametrize(
    ("text", "rejected", "signals", "expected"),
    [
        ("0", 0, 100, False),
        ("0", 1, 100, True),
        ("29", 29, 100, False),
        ("29%", 29, 100, False),
        ("29%", 30, 100, True),
        ("0.1%", 1, 999, True),
        ("100%", 5, 5, False),
        ("1%", 0, 0, False),
    ],
)
def test_limits(text: str, rejected: int, signals: int, expected: bool) -> None:
    assert Limit(text).exceeded(rejected, signals) is expected


@pytest.mark.parametrize("text", ["", "1.5", "-1", "x%", "200%"])
def test_wrong_limits(text: str) -> None:
    with pytest.raises(ValueError, match=r"number of signals|share|between"):
        Limit(text)


@pytest.mark.parametrize("text", ["", "usage", "=x", "usage="])
def test_wrong_pairs(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        pair(text)
