"""The form of a story file."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import LoadErrors
from schemas.fields import DAY
from schemas.form import mistakes_of_form, told
from schemas.yaml_source import YamlSource


def _file_or_playbook(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError("must be a file beside the story, or a playbook, as `{playbook: small, ...}`")
    return value


Counted = Literal["applied", "duplicates", "late", "rejected", "erased", "contradictory", "doubtful", "pending"]


class Expectation(BaseModel):
    """What must have been told since the one before; the order does not matter."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    transitions: list[str] | None = None
    decisions: list[str] | None = None
    offers: list[str] | None = None
    receipts: list[str] | None = None
    counts: dict[Counted, int] = {}


class Event(BaseModel):
    """One thing that happens: it has one of the three."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    signals: list[dict[str, Any]] | None = None
    watermark: str | None = None
    expect: Expectation | None = None

    @model_validator(mode="after")
    def _one(self) -> "Event":
        if len(self.model_fields_set) != 1:
            raise ValueError("an event is one of `signals`, `watermark`, `expect`")
        return self


def _of_calendar(day: str) -> str:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"there is no day `{day}`") from None
    return day


class StoryForm(BaseModel):
    """A story file.

    Attributes:
        story: A sentence or two for the reader.
        playbook: A file beside the story, or a small playbook.
        then: Versions that follow: when each is effective, and what it says otherwise than the one before (null: that
            is taken out).
        day: The UTC day of times without a date.
        decide_from: What happened before makes no offer and no decision.
        engines: On which it plays, by default on all.
        events: In the order in which they happen.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    story: str = ""
    playbook: Annotated[str | dict[str, Any], BeforeValidator(_file_or_playbook)]
    then: list[dict[str, Any]] = []
    day: Annotated[str, Field(pattern=DAY), AfterValidator(_of_calendar)] = "2026-01-05"
    decide_from: str | None = None
    engines: list[Literal["core", "bounded", "stream"]] = ["core", "bounded", "stream"]
    events: Annotated[list[Event], Field(min_length=1)]


def checked(source: YamlSource) -> StoryForm:
    """Return a story file's data in its form.

    Raises:
        LoadErrors: everything that is wrong with the form.
    """
    try:
        return StoryForm.model_validate(source.data)
    except ValidationError as error:
        raise LoadErrors([told(source, mistake) for mistake in mistakes_of_form(error, StoryForm)]) from error
