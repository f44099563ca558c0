"""A small playbook, and stories about it."""

from collections.abc import Callable
from pathlib import Path

import pytest

PLAYBOOK = """\
playbook: small
signals: [usage, balance]
subscriber:
  features: {mb_1m: {sum: mb, from: usage, window: 1m}}
  moments: {burst: {when: mb_1m >= 100}}
offers:
  day_pass: {for: subscriber.burst, family: data, owner: consumer, value: 2, p_accept: 0.5, send: app, valid_for: 1d}
"""

STORY = """\
story: Anna bursts, Ben does not.
playbook: playbook.yaml
events:
  - signals:
      - {usage: anna, at: 10:00:20, mb: 100}
      - {usage: ben, at: 10:00:20, mb: 99}
  - watermark: 11:00
  - expect:
      transitions: [10:01 anna has burst]
      decisions: ["10:01 anna, burst: offer day_pass"]
      offers:
        - 10:01 anna gets day_pass by app
      counts: {applied: 2}
"""

WriteStory = Callable[..., Path]


@pytest.fixture
def write_story(tmp_path: Path) -> WriteStory:
    """Return what writes the story, with one text replaced, beside its playbook."""
    (tmp_path / "playbook.yaml").write_text(PLAYBOOK)

    def write(old: str = "", new: str = "", *, name: str = "burst") -> Path:
        assert old in STORY
        path = tmp_path / f"{name}.yaml"
        path.write_text(STORY.replace(old, new, 1))
        return path

    return write
