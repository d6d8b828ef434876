"""The GraphiQL page: all from this server, under a policy, with examples that work."""

import re
from html.parser import HTMLParser

import httpx
import msgspec
import pytest
from graphql import parse, validate
from starlette.requests import Request

from billing_gql.graph.graphiql import GraphiqlPage, examples
from tests.support import Api, schema_of_the_file

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Addresses(HTMLParser):
    """What a page fetches, and the JSON of its configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.inline = ""
        self._kind: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.fetched += [value for name in ("src", "href") if (value := named.get(name))]
        self._kind = named.get("type") if tag == "script" else None
        assert not any(name.startswith("on") for name in named)
        assert tag != "script" or named.get("src") or self._kind == "application/json"

    def handle_data(self, data: str) -> None:
        if self._kind == "application/json":
            self.inline += data

    def handle_endtag(self, tag: str) -> None:
        self._kind = None


def read(page: str) -> Addresses:
    addresses = Addresses()
    addresses.feed(page)
    return addresses


async def test_a_browser_gets_a_page_that_fetches_from_this_server_alone(
    http: httpx.AsyncClient,
) -> None:
    response = await http.get("/graphql", headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|//", " ".join(policy.values()))
    assert response.headers["x-content-type-options"] == "nosniff"
    addresses = read(response.text)
    fetched = [one for one in addresses.fetched if not one.startswith("data:")]
    assert len(fetched) == 6
    assert all(re.fullmatch(r"/graphiql/[\w./-]+", one) for one in fetched)
    assert "http://" not in response.text
    assert "https://" not in response.text


async def test_every_script_and_style_of_the_page_is_there(http: httpx.AsyncClient) -> None:
    page = read((await http.get("/graphql", headers=BROWSER)).text)
    for address in page.fetched:
        if address.startswith("data:"):
            continue
        response = await http.get(address)
        assert response.status_code == 200, address
        kind = "javascript" if address.endswith(".js") else "text/css"
        assert kind in response.headers["content-type"]
        assert len(response.content) > 50


@pytest.mark.parametrize(
    "path",
    [
        "/graphiql/nope.js",
        "/graphiql/assets/nope.js",
        "/graphiql/assets/../../../__init__.py",
        "/graphiql/%2e%2e/__init__.py",
        "/graphiql/assets/%2e%2e/%2e%2e/__init__.py",
    ],
)
async def test_nothing_else_is_served_beside_the_page(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_a_query_in_the_address_is_answered_and_not_shown(api: Api) -> None:
    response = await api.http.get(
        "/graphql",
        params={"query": "{ organization { name } }"},
        headers={**BROWSER, **api.headers},
    )
    assert response.json()["data"] == {"organization": {"name": "Acme"}}
    assert "errors" not in response.json()


async def test_the_front_door_leads_to_the_page(http: httpx.AsyncClient) -> None:
    response = await http.get("/", headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (307, "/graphql")


async def test_the_page_has_no_key_unless_it_was_given_one(http: httpx.AsyncClient) -> None:
    config = msgspec.json.decode(read((await http.get("/graphql", headers=BROWSER)).text).inline)
    assert config["key"] is None
    assert [one["query"] for one in config["examples"]] == list(examples().values())


def test_a_key_and_variables_cannot_break_out_of_the_page() -> None:
    ending = '</script><script>alert("1")</script>'
    (first, *_) = examples()
    page = GraphiqlPage(ending, {first: {"id": ending}}).render()
    config = msgspec.json.decode(read(bytes(page.body).decode()).inline)
    assert config["key"] == ending
    assert config["examples"][0]["variables"] == {"id": ending}


@pytest.mark.parametrize(
    ("accept", "query", "wanted"),
    [
        ("text/html", b"", True),
        ("application/json", b"", False),
        ("*/*", b"", False),
        ("text/html", b"query=%7Ba%7D", False),
    ],
)
def test_only_a_browser_without_a_query_wants_the_page(
    accept: str, query: bytes, wanted: bool
) -> None:
    scope = {"type": "http", "headers": [(b"accept", accept.encode())], "query_string": query}
    assert GraphiqlPage().wanted(Request(scope)) is wanted


def test_there_are_six_examples() -> None:
    assert [name.partition("_")[0] for name in examples()] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("name", examples())
def test_an_example_is_valid(name: str) -> None:
    schema = schema_of_the_file()
    query = examples()[name]
    assert validate(schema, parse(query)) == []
    assert query.startswith("#")
