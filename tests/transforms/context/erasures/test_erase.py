"""Erasures by the kernel against the reference: whoever is erased, when and in whatever cut."""

from hypothesis import given
from hypothesis import strategies as st

from tests.reference.group_playbooks import erased_group_cases
from tests.reference.strategies import Case, erased_cases
from tests.transforms.context.test_advance import examples
from tests.transforms.context.test_groups import assert_alike, kernel, reference


@examples(40)
@given(erased_cases())
def test_erased_subscribers_agree_with_the_reference(case: Case) -> None:
    assert_alike(kernel(case), reference(case))


@examples(30)
@given(erased_group_cases(), st.integers(1, 2), st.integers(1, 2))
def test_erased_groups_agree_with_the_reference(case: Case, subscribers: int, groups: int) -> None:
    assert_alike(kernel(case, subscribers, groups), reference(case))
