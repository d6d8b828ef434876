"""POST /v1/events: the same rules as the mutation, for larger batches, as JSON or a line each."""

import asyncio
import gzip
import json
from collections.abc import Callable

import httpx
import pytest

from tests.support import Api, Json
from tests.usage.events import (
    counted_from_events,
    event,
    meter,
    rolled_up,
    stored,
    totals,
    without,
)

LINES = "application/x-ndjson"


@pytest.fixture
async def metered(api: Api) -> Api:
    """A customer, and two features of the same events."""
    return await meter(api)


async def send(
    api: Api, content: bytes | str, content_type: str = "application/json", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.post(
        "/v1/events",
        content=content,
        headers={"Content-Type": content_type, **api.headers, **named},
    )


async def answer(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    found: Json = response.json()
    return found


def batch(*events: str) -> str:
    return f'{{"events": [{",".join(events)}]}}'


def counts(found: Json) -> tuple[int, int, int]:
    return found["acceptedCount"], found["duplicateCount"], len(found["errors"])


Pack = Callable[[list[str]], bytes]
FORMS: dict[str, tuple[Pack, str, dict[str, str]]] = {
    "JSON": (lambda lines: batch(*lines).encode(), "application/json", {}),
    "JSON of a charset": (
        lambda lines: batch(*lines).encode(),
        "application/json; charset=utf-8",
        {},
    ),
    "lines": (lambda lines: "\n".join(lines).encode(), LINES, {}),
    "lines of Windows": (lambda lines: ("\r\n".join(lines) + "\r\n\r\n").encode(), LINES, {}),
    "lines by another name": (lambda lines: "\n".join(lines).encode(), "application/jsonl", {}),
    "packed JSON": (
        lambda lines: gzip.compress(batch(*lines).encode()),
        "application/json",
        {"Content_Encoding": "gzip"},
    ),
    "packed lines": (
        lambda lines: gzip.compress("\n".join(lines).encode()),
        LINES,
        {"Content_Encoding": "gzip"},
    ),
    "lines packed one by one": (
        lambda lines: b"".join(gzip.compress(line.encode() + b"\n") for line in lines),
        LINES,
        {"Content_Encoding": "gzip"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_mixed_batch_is_accounted_for_to_the_last_event(metered: Api, form: str) -> None:
    pack, content_type, headers = FORMS[form]
    assert counts(await answer(await send(metered, batch(json.dumps(event("old")))))) == (1, 0, 0)
    sent = [
        event("new"),
        event("old"),
        event("old", source="elsewhere"),
        event("new"),
        event("nobody's", externalCustomerId="nobody"),
        event("unmetered", eventName="unknown"),
        event("word", properties={"bytes": "many"}),
        event("line\u2028separator", properties={"bytes": 0.1}),
    ]
    lines = [json.dumps(one, ensure_ascii=False) for one in sent]
    found = await answer(await send(metered, pack(lines), content_type, **headers))
    assert counts(found) == (3, 2, 3)
    assert sum(counts(found)) == len(sent)
    assert found["unmatchedCount"] == 1
    assert [(one["index"], one["code"], one["field"]) for one in found["errors"]] == [
        (2, "ALREADY_EXISTS", ["events", "2", "transactionId"]),
        (4, "NOT_FOUND", ["events", "4", "externalCustomerId"]),
        (6, "INVALID_INPUT", ["events", "6", "properties", "bytes"]),
    ]
    assert all(one["message"] for one in found["errors"])
    assert await totals(metered) == {"transfers": ("3", 3), "bytes": ("10.1", 3)}
    again = await answer(await send(metered, pack(lines), content_type, **headers))
    assert counts(again) == (0, 5, 3)
    assert await rolled_up(metered) == await counted_from_events(metered)


BAD_LINES: dict[str, tuple[str, list[str]]] = {
    "an unknown member": (json.dumps(event(nope=1)), ["nope"]),
    "a member in another case": (
        json.dumps({**without("transactionId"), "transaction_id": "t1"}),
        ["transaction_id"],
    ),
    "no id": (json.dumps(without("transactionId")), ["transactionId"]),
    "no name": (json.dumps(without("eventName")), ["eventName"]),
    "a null id": (json.dumps({**event(), "transactionId": None}), ["transactionId"]),
    "a number for a name": (json.dumps(event(eventName=5)), ["eventName"]),
    "a number for a time": (json.dumps(event(timestamp=5)), ["timestamp"]),
    "a day for a time": (json.dumps(event(timestamp="2026-01-01")), ["timestamp"]),
    "a time without offset": (
        json.dumps(event(timestamp="2026-01-01T00:00:00")),
        ["timestamp"],
    ),
    "a time before 1970": (json.dumps(event(timestamp="1969-01-01T00:00:00Z")), ["timestamp"]),
    "a list for properties": (json.dumps(event(properties=[1])), ["properties"]),
    "a text for properties": (json.dumps(event(properties="a")), ["properties"]),
    "large properties": (
        json.dumps(event(properties={"bytes": 1, "a": "x" * 16_384})),
        ["properties"],
    ),
    "U+0000": (json.dumps(event(properties={"bytes": 1, "a": "\0"})), ["properties", "a"]),
    "no value": (json.dumps(event(properties={})), ["properties", "bytes"]),
    "1e400": (json.dumps(event()).replace("5}", "1e400}"), ["properties", "bytes"]),
    "1e999999999": (json.dumps(event()).replace("5}", "1e999999999}"), ["properties", "bytes"]),
    "an endless exponent": (
        json.dumps(event()).replace("5}", "1e99999999999999999999}"),
        ["properties"],
    ),
    "5,000 digits": (json.dumps(event()).replace("5}", "9" * 5_000 + "}"), ["properties"]),
    "a number": ("5", []),
    "null": ("null", []),
    "a list": ("[]", []),
}
MALFORMED: dict[str, tuple[str, list[str]]] = {
    "NaN": (json.dumps(event(properties={"bytes": float("nan")})), []),
    "cut off": (json.dumps(event())[:-3], []),
    "two on a line": (json.dumps(event()) + json.dumps(event()), []),
    "a lone surrogate": (json.dumps(event()).replace("t1", "\\ud800"), []),
    "2,000 braces": (
        json.dumps(event()).replace('{"bytes": 5}', '{"a":' * 2_000 + "1" + "}" * 2_000),
        [],
    ),
}
CASES = [
    *(("application/json", name, *case) for name, case in BAD_LINES.items()),
    *((LINES, name, *case) for name, case in (BAD_LINES | MALFORMED).items()),
]


@pytest.mark.parametrize(
    ("content_type", "line", "at"),
    [(content_type, line, at) for content_type, _, line, at in CASES],
    ids=[f"{name} as {content_type}" for content_type, name, *_ in CASES],
)
async def test_a_bad_event_is_refused_alone_at_its_member(
    metered: Api, content_type: str, line: str, at: list[str]
) -> None:
    lines = [json.dumps(event("before")), line, json.dumps(event("after"))]
    content = "\n".join(lines) if content_type == LINES else batch(*lines)
    found = await answer(await send(metered, content, content_type))
    assert counts(found) == (2, 0, 1)
    (error,) = found["errors"]
    assert (error["index"], error["code"]) == (1, "INVALID_INPUT")
    assert error["field"] == ["events", "1", *at]
    assert error["message"].endswith(".")
    assert await stored(metered) == ["after", "before"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        ("", "application/json", 400, "MALFORMED_JSON"),
        ('{"events": [{}', "application/json", 400, "MALFORMED_JSON"),
        (batch(MALFORMED["NaN"][0]), "application/json", 400, "MALFORMED_JSON"),
        (batch("[" * 100_000 + "]" * 100_000), "application/json", 400, "MALFORMED_JSON"),
        (b"\xff", "application/json", 400, "MALFORMED_JSON"),
        ("{}", "application/json", 400, "INVALID_INPUT"),
        ("null", "application/json", 400, "INVALID_INPUT"),
        ('{"events": null}', "application/json", 400, "INVALID_INPUT"),
        ('{"events": {}}', "application/json", 400, "INVALID_INPUT"),
        (f"[{json.dumps(event())}]", "application/json", 400, "INVALID_INPUT"),
        (json.dumps(event()), "application/json", 400, "INVALID_INPUT"),
        (
            f'{{"events": [{json.dumps(event())}], "x": 1}}',
            "application/json",
            400,
            "INVALID_INPUT",
        ),
        (batch(), "application/json", 400, "TOO_MANY_ITEMS"),
        ("", LINES, 400, "TOO_MANY_ITEMS"),
        ("\n \n", LINES, 400, "TOO_MANY_ITEMS"),
        (batch(json.dumps(event())), "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (batch(json.dumps(event())), "", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_whole(
    metered: Api, content: str | bytes, content_type: str, status: int, code: str
) -> None:
    response = await send(metered, content, content_type)
    assert response.status_code == status
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": code}
    assert error["message"]
    assert await stored(metered) == []


def many(count: int) -> list[str]:
    return [json.dumps(event(f"t{n}")) for n in range(count)]


@pytest.mark.parametrize("content_type", ["application/json", LINES])
async def test_ten_thousand_events_are_stored_and_one_more_is_refused(
    metered: Api, content_type: str
) -> None:
    lines = many(10_001)
    pack = FORMS["lines" if content_type == LINES else "JSON"][0]
    response = await send(metered, pack(lines), content_type)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["message"] == "Send 1 to 10,000 events, not 10,001."
    assert await stored(metered) == []
    assert counts(await answer(await send(metered, pack(lines[1:]), content_type))) == (
        10_000,
        0,
        0,
    )
    assert await totals(metered) == {"transfers": ("10000", 10_000), "bytes": ("50000", 10_000)}


async def test_events_of_both_doors_at_once_are_each_stored_once(metered: Api) -> None:
    sent = [event(f"t{n}", properties={"bytes": n, "region": str(n % 3)}) for n in range(500)]
    found = await asyncio.gather(
        send(metered, batch(*(json.dumps(one) for one in sent))),
        send(metered, "\n".join(json.dumps(one) for one in sent[::-1]), LINES),
        metered.ingest(*sent[250:], *sent[:250]),
    )
    answers = [await answer(found[0]), await answer(found[1]), found[2]]
    assert sum(one["acceptedCount"] for one in answers) == 500
    assert sum(one["duplicateCount"] for one in answers) == 1_000
    assert await rolled_up(metered) == await counted_from_events(metered)
    assert (await totals(metered))["bytes"] == (str(sum(range(500))), 500)
