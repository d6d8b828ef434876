"""Requests that are made to hurt, by name: what the service must refuse, and soon."""

import json

ORG = "organization { name }"


def _fragments(levels: int, body: str) -> str:
    """Each level spreads the next one twice."""
    links = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(levels))
    return f"{{ ...f0 }} {links} fragment f{levels} on Query {{ {body} }}"


def _sent(query: str, variables: object = None) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def _operations(count: int) -> str:
    """Each goes through the same hundred fragments."""
    chain = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(99))
    operations = " ".join(f"query q{n} {{ ...f0 }}" for n in range(count))
    return f"{operations} {chain} fragment f99 on Query {{ {ORG} }}"


def hostile_bodies() -> dict[str, bytes]:
    """The bodies of the requests."""
    nested: object = 1
    for _ in range(200):
        nested = [nested]
    page = "query ($n: Int) { customers(first: $n) { nodes { id } } }"
    estimate = "query ($q: Decimal) { priceEstimate(quantity: $q) { amount } }"
    named = ", ".join(f"$v{n}: Int" for n in range(400))
    digits = "1" * 100_000
    same = "customers(first: 1) { nodes { id } } " * 160
    return {
        "2,000 aliases": _sent("{ " + " ".join(f"a{n}: {ORG}" for n in range(2_000)) + " }"),
        "300 aliases": _sent("{ " + " ".join(f"a{n}: {ORG}" for n in range(300)) + " }"),
        "30 levels of fragments": _sent(_fragments(30, ORG)),
        "30 levels of fragments, scalars": _sent(_fragments(30, "__typename")),
        "a fragment cycle": _sent(
            "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }"
        ),
        "a cycle of 200 fragments": _sent(
            "{ ...f0 } "
            + " ".join(f"fragment f{n} on Query {{ ...f{(n + 1) % 200} }}" for n in range(200))
        ),
        "5,000 nested brackets": _sent("{ organization" + "{" * 5_000 + "}" * 5_000),
        "5,000 nested lists": _sent("{ nodes(ids: " + "[" * 5_000 + "]" * 5_000 + ") { id } }"),
        "1,000 directives": _sent("{ organization " + "@skip(if: false) " * 1_000 + "{ name } }"),
        "900 unknown directives": _sent("{ organization " + "@no " * 900 + "{ name } }"),
        "first: 99999999": _sent("{ customers(first: 99999999) { nodes { id } } }"),
        "a 5 MB body": _sent("{ organization { name } } #" + " " * 5_000_000),
        "invalid UTF-8": b'{"query": "{ organization { \xff name } }"}',
        "a list 200 deep": _sent(page, {"n": nested}),
        "100,000 variables": _sent(page, {**{f"v{n}": n for n in range(100_000)}, "n": "x"}),
        "400 variables unused": _sent(f"query ({named}) {{ {ORG} }}"),
        "100,000 digits": _sent(f"{{ customers(first: {digits}) {{ nodes {{ id }} }} }}"),
        "100,000 digits of a variable": b'{"query": "%s", "variables": {"n": %s}}'
        % (page.encode(), digits.encode()),
        "a number beyond all": b'{"query": "%s", "variables": {"n": 1e999999}}' % page.encode(),
        "100,000 digits of a decimal": _sent(estimate, {"q": digits}),
        "100,000 operations": _sent(" ".join(f"query q{n} {{ a }}" for n in range(100_000))),
        "250 operations": _sent(_operations(250)),
        "160 times one field": _sent(f"{{ {same} }}"),
        "1,900 times one scalar": _sent("{ organization { " + "name " * 1_900 + "} }"),
        "200 fragments side by side": _sent(
            "{ "
            + " ".join(f"...f{n}" for n in range(200))
            + " } "
            + " ".join(f"fragment f{n} on Query {{ __typename }}" for n in range(200))
        ),
        "1,900 unknown fields": _sent("{ " + " ".join(f"invoicex{n}" for n in range(1_900)) + " }"),
        "600 unknown members": _sent(
            "{ priceEstimate(currency: USD, model: {"
            + " ".join(f"a{n}: 1" for n in range(600))
            + "}) { amount } }"
        ),
        "300,000 comments": _sent("#\n" * 300_000 + f"{{ {ORG} }}"),
        "a query of 1 MB": _sent('{ organization(name: "' + "x" * 1_000_000 + '") { name } }'),
        "20 times introspection": _sent(
            "{ "
            + " ".join(
                f"s{n}: __schema {{ types {{ fields {{ args {{ type {{ name }} }} }} }} }}"
                for n in range(20)
            )
            + " }"
        ),
        "introspection in a circle": _sent(
            "{ __schema { types { " + "fields { type { " * 20 + "name" + " } }" * 20 + " } } }"
        ),
    }
