"""`organization create` and `key create`."""

import msgspec

from tests.cli.conftest import Cli


def test_prints_one_object_whose_key_works(cli: Cli) -> None:
    made = cli.done(
        "organization",
        "create",
        "--name=Acme Ltd",
        "--timezone=America/New_York",
        "--currency=USD",
        "--mode=test",
        "--clock=2026-01-01T00:00:00+02:00",
    )
    assert made.stdout.count("\n") == 1
    answer = msgspec.json.decode(made.stdout)
    assert list(answer) == ["organizationId", "apiKey"]
    assert answer["organizationId"].startswith("org_")
    assert answer["apiKey"].startswith("sk_test_")
    another = msgspec.json.decode(
        cli.done("key", "create", "--organization", answer["organizationId"]).stdout
    )
    assert another["organizationId"] == answer["organizationId"]
    assert another["apiKey"] != answer["apiKey"]
    with cli.running("serve", "--port=0", says="Serving on.*") as service:
        for key in (answer["apiKey"], another["apiKey"]):
            assert service.ask(
                key, "{ organization { id name timezone defaultCurrency now } }"
            ) == {
                "organization": {
                    "id": answer["organizationId"],
                    "name": "Acme Ltd",
                    "timezone": "America/New_York",
                    "defaultCurrency": "USD",
                    "now": "2025-12-31T22:00:00Z",
                }
            }


def test_live_keys_say_so(cli: Cli) -> None:
    assert cli.organization("--mode=live")["apiKey"].startswith("sk_live_")


def test_refusals(cli: Cli) -> None:
    create = ["organization", "create", "--name=Acme", "--currency=USD", "--timezone=UTC"]
    assert "Only a TEST organization has a clock" in cli.refused(
        *create, "--mode=live", "--clock=2026-01-01T00:00:00Z"
    )
    assert "'2026' is no instant" in cli.refused(*create, "--clock=2026")
    assert "Must have an offset" in cli.refused(*create, "--clock=2026-01-01")
    # The last of a repeated option holds; brackets are text here, not markup.
    assert "'[/]' is not an IANA time zone" in cli.refused(*create, "--timezone=[/]")
    assert "'usd' is not an ISO 4217 currency code" in cli.refused(*create, "--currency=usd")
    assert cli.refused("key", "create", "--organization=org_none") == (
        "There is no organization 'org_none'."
    )
