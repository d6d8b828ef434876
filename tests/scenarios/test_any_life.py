"""Whatever is done to invoices, in whatever order, they are as the model of the documents says."""

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_gql.store.database import Database
from tests.scenarios.life_model import DECIMALS
from tests.scenarios.life_story import BY_CUSTOMER, BY_INVOICE, Step, new_story, play
from tests.support import assert_books_are_right, new_organization

OFTEN = [
    *["create", "finalize"] * 3,
    *["credit", "retry"] * 2,
    *["pay", "method", "void", "advance", "buy", "buy", "mend"],
]
STEPS = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from([*OFTEN, *BY_CUSTOMER, *BY_INVOICE]),
        which=st.integers(0, 5),
        amount=st.one_of(st.integers(0, 300), st.integers(0, 19_999)),
        choice=st.integers(0, 5),
        many=st.integers(0, 59),
    ),
    min_size=16,
    max_size=24,
)
CURRENCIES = st.lists(st.sampled_from(sorted(DECIMALS)), min_size=1, max_size=2)


UNHURRIED = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.large_base_example,
    ],
)


@settings(UNHURRIED, max_examples=30)
@given(currencies=CURRENCIES, defaults=st.integers(0, 2), steps=STEPS)
async def test_any_life_is_as_the_documents_say(
    http: httpx.AsyncClient,
    database: Database,
    currencies: list[str],
    defaults: int,
    steps: list[Step],
) -> None:
    api = await new_organization(http, database)
    story = await new_story(api, currencies, defaults)
    first = Step("create", 0, 1234, 0, 4)
    await play(story, [first, *steps])
    await play(story, [Step("advance", 0, 0, 0, 3)])
    await assert_books_are_right(api)


REFUNDED = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(["credit", "credit", "mend", "mend", "pay", "advance"]),
        which=st.integers(0, 5),
        amount=st.integers(0, 4_000),
        choice=st.just(2),
        many=st.integers(1, 3),
    ),
    min_size=4,
    max_size=10,
)


@settings(UNHURRIED, max_examples=8)
@given(paid_with=st.sampled_from([1, 3, 4, 5]), steps=REFUNDED)
async def test_what_is_refunded_goes_back_as_the_documents_say(
    http: httpx.AsyncClient, database: Database, paid_with: int, steps: list[Step]
) -> None:
    """As above, of an invoice of two lines that is paid in part by hand and then by a method."""
    story = await new_story(await new_organization(http, database), ["USD"], 1)
    paying = [
        Step("method", 0, 0, 0, paid_with),
        Step("create", 0, 1234, 0, 10),
        Step("pay", 0, 400, 0, 1),
        *[Step("retry", 0, 0, 0, 1)] * (2 if paid_with == 4 else 1),
        Step("advance", 0, 0, 0, 1),
    ]
    await play(story, [*paying, *steps, Step("advance", 0, 0, 0, 1)])
    await assert_books_are_right(story.api)
