"""Erasures by the kernel against the reference: whoever is erased, when and in whatever cut."""

from hypothesis import given
from hypothesis import strategies as st

from tests.cases import examples
from tests.reference.group_playbooks import erased_group_cases
from tests.reference.records import MINUTE, Signal
from tests.reference.strategies import START, SUBSCRIBERS, Case, erased_cases
from tests.transforms.context.test_groups import assert_alike, kernel, reference


@st.composite
def aimed(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Case:
    """Return a case in which, moreover, somebody who enters a segment, where anybody does, is erased soon after."""
    case = draw(cases)
    changes = [(kind, one) for kind, level in reference(case).levels.items() for one in level.transitions]
    entered = [(kind, one.subject, one.tick) for kind, one in changes if one.event == "entered"]
    kind, subject, tick = draw(st.sampled_from(entered or [("subscriber", SUBSCRIBERS[0], START)]))
    one = Signal("erasure", "aimed", "law", tick + draw(st.sampled_from([0, 1, 3])) * MINUTE, subject, {}, kind)
    number = next((n for n, (_, upto) in enumerate(case.calls) if upto > one.time), len(case.calls) - 1)
    case.calls[number][0].append(one)
    return case


@examples(20)
@given(aimed(erased_cases()))
def test_erased_subscribers_agree_with_the_reference(case: Case) -> None:
    assert_alike(kernel(case), reference(case))


@examples(15)
@given(aimed(erased_group_cases()), st.integers(1, 2), st.integers(1, 2))
def test_erased_groups_agree_with_the_reference(case: Case, subscribers: int, groups: int) -> None:
    assert_alike(kernel(case, subscribers, groups), reference(case))
