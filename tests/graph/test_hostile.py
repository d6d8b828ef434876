"""What is made to hurt is answered with an error, and others are served meanwhile.

How long each takes is in `benchmarks/hostile.py`.
"""

import asyncio

import pytest

from tests.graph.hostile import hostile_bodies
from tests.support import Api, Json

BODIES = hostile_bodies()
QUERY = "{ organization { name } }"


async def attack(api: Api, body: bytes) -> Json:
    """The answer: an error, no fault, and nothing that was executed."""
    response = await api.http.post(
        "/graphql", content=body, headers={"Content-Type": "application/json", **api.headers}
    )
    assert response.headers["content-type"].startswith("application/json")
    answer: Json = response.json()
    assert "data" not in answer
    assert answer["errors"]
    for error in answer["errors"]:
        assert error["extensions"]["code"] not in ("INTERNAL", "REQUEST_TIMEOUT"), error
    assert len(response.content) < 100_000
    return answer


EXPECTED = {
    "2,000 aliases": "TOO_MANY_TOKENS",
    "300 aliases": "TOO_MANY_ALIASES",
    "30 levels of fragments": "QUERY_TOO_COMPLEX",
    "30 levels of fragments, scalars": "QUERY_TOO_COMPLEX",
    "a fragment cycle": "BAD_REQUEST",
    "5,000 nested brackets": "BAD_REQUEST",
    "1,000 directives": "TOO_MANY_TOKENS",
    "first: 99999999": "QUERY_TOO_COMPLEX",
    "a 5 MB body": "BODY_TOO_LARGE",
    "invalid UTF-8": "MALFORMED_JSON",
    "100,000 digits": "BAD_REQUEST",
    "100,000 operations": "DOCUMENT_TOO_LARGE",
    "a query of 1 MB": "DOCUMENT_TOO_LARGE",
    "160 times one field": "QUERY_TOO_COMPLEX",
    "200 fragments side by side": "QUERY_TOO_COMPLEX",
    "20 times introspection": "QUERY_TOO_COMPLEX",
}
"""The codes of those where it is clear which limit must have stopped them."""


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_made_to_hurt_is_refused(api: Api, name: str) -> None:
    answer = await attack(api, BODIES[name])
    if name in EXPECTED:
        assert {error["extensions"]["code"] for error in answer["errors"]} == {EXPECTED[name]}


async def test_others_are_served_meanwhile(api: Api, other: Api) -> None:
    attacks = asyncio.gather(*(attack(api, body) for body in BODIES.values()))
    served = 0
    while not attacks.done():
        assert (await other.query(QUERY))["organization"]["name"] == "Other"
        served += 1
    await attacks
    assert served > 1
