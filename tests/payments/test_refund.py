"""What a REFUND credit note gives back goes through the provider that took it, else by hand."""

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from billing_gql.billing_runs.run import run_due
from billing_gql.billing_runs.worker import work_once
from billing_gql.kernel.problems import NotFound
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.payments.paying import Deadly, Forgetful, Killed, record, set_method
from tests.payments.refunding import (
    NOTE,
    REFUND,
    late_success,
    note,
    paid,
    read,
    refund,
    refunds,
    say,
    unasked,
)
from tests.support import Api, Json, assert_books_are_right, counted

SECOND = "2026-01-02T00:00:00Z"


async def retry(api: Api, refund_id: str, **values: object) -> Json:
    return await api.mutate("refundRetry", f"refund {{ {REFUND} }}", refundId=refund_id, **values)


async def mark(api: Api, refund_id: str, **values: object) -> Json:
    payload = await api.done(
        "refundMarkPaidOut", f"refund {{ {REFUND} }}", refundId=refund_id, **values
    )
    found: Json = payload["refund"]
    return found


async def refunded(api: Api, invoice: Json) -> list[tuple[str, str]]:
    """State of each payment of the invoice, and what of it has gone back."""
    payments = (await read(api, invoice))["payments"]
    return [(one["state"], one["amountRefunded"]) for one in payments]


async def test_a_refund_goes_back_through_the_provider_at_once(api: Api, other: Api) -> None:
    invoice = await paid(api)
    payload = await api.done("creditNoteCreate", NOTE, **note(invoice, "40"))
    (made,) = payload["creditNote"]["refunds"]
    (payment,) = (await read(api, invoice))["payments"]
    assert made == {
        "id": made["id"],
        "provider": "SANDBOX",
        "state": "SUCCEEDED",
        "currency": "USD",
        "amount": "40.00",
        "reference": f"sandbox_{made['id']}",
        "failureReason": None,
        "refundedAt": SECOND,
        "createdAt": SECOND,
        "payment": {"id": payment["id"], "state": "SUCCEEDED", "amountRefunded": "40.00"},
        "creditNote": {"id": payload["creditNote"]["id"]},
    }
    assert made["id"].startswith("rfd_")
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on Refund {{ {REFUND} }} }} }}"
    assert (await api.query(query, {"id": made["id"]}))["node"] == made
    assert (await other.query(query, {"id": made["id"]}))["node"] is None
    await refund(api, invoice, "60")
    assert await refunded(api, invoice) == [("REFUNDED", "100.00")]
    found = await read(api, invoice)
    assert (found["status"], found["paymentStatus"], found["amountPaid"]) == (
        "FINALIZED",
        "PAID",
        "100.00",
    )
    assert await assert_books_are_right(api) == 1


async def test_the_newest_payment_gives_first_and_the_rest_is_by_hand(api: Api) -> None:
    customer = await api.customer()
    invoice = await api.one_off(customer, "100", finalize=True)
    await record(api, invoice, amount="60")
    for token in ("pm_declined", "pm_ok"):
        await set_method(api, customer, token)
        await api.mutate("invoiceRetryPayment", "payment { id }", invoiceId=invoice["id"])
    await api.advance(SECOND)
    await late_success(api, invoice)
    by_hand, late, second = (await read(api, invoice))["payments"]
    first = await refund(api, invoice, "30")
    assert [(one["payment"]["id"], one["amount"]) for one in first] == [(late["id"], "30.00")]
    rest = await refund(api, invoice, "70")
    assert [(one["provider"], one["state"], one["amount"]) for one in rest] == [
        ("SANDBOX", "SUCCEEDED", "10.00"),
        ("SANDBOX", "SUCCEEDED", "40.00"),
        ("MANUAL", "SUCCEEDED", "20.00"),
    ]
    named = [one["payment"] and one["payment"]["id"] for one in rest]
    assert named == [late["id"], second["id"], None]
    assert (rest[2]["refundedAt"], rest[2]["reference"]) == (SECOND, None)
    assert by_hand["provider"] == "MANUAL"
    assert await refunded(api, invoice) == [
        ("SUCCEEDED", "0.00"),
        ("REFUNDED", "40.00"),
        ("REFUNDED", "40.00"),
    ]
    await assert_books_are_right(api)


@pytest.mark.parametrize("settlement", ["OFFSET", "BALANCE"])
async def test_other_notes_have_no_refunds(api: Api, settlement: str) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    values = {**note(invoice, "40"), "settlement": settlement}
    assert (await api.done("creditNoteCreate", NOTE, **values))["creditNote"]["refunds"] == []


async def test_pm_processing_is_refunded_when_the_clock_moves(api: Api) -> None:
    invoice = await paid(api, "pm_processing")
    (made,) = await refund(api, invoice, "100")
    assert (made["state"], made["refundedAt"]) == ("PROCESSING", None)
    assert await refunded(api, invoice) == [("SUCCEEDED", "0.00")]
    words = "Only a refund that is FAILED can {}: this one is PROCESSING."
    for verb, what in (
        ("refundRetry", "be tried again"),
        ("refundMarkPaidOut", "be paid out by hand"),
    ):
        said = words.format(what)
        await api.refused(
            verb, "refund { id }", "INVALID_STATE", ["refundId"], said, refundId=made["id"]
        )
    await api.advance("2026-01-03T00:00:00Z")
    assert await refunded(api, invoice) == [("REFUNDED", "100.00")]
    ((found,),) = [one["refunds"] for one in (await read(api, invoice))["creditNotes"]]
    assert found["refundedAt"] == "2026-01-02T00:01:00Z"


async def test_a_refund_that_fails_leaves_the_note_and_is_paid_out_by_hand(api: Api) -> None:
    invoice = await paid(api, "pm_no_refund")
    (made,) = await refund(api, invoice, "100")
    assert (made["state"], made["failureReason"]) == ("FAILED", "The card takes no refunds.")
    again = await retry(api, made["id"])
    (error,) = again["userErrors"]
    assert (error["code"], error["field"]) == ("PAYMENT_DECLINED", ["refundId"])
    assert error["message"] == "The refund failed: The card takes no refunds."
    assert again["refund"]["reference"] == f"sandbox_{made['id']}-2"
    assert await refunded(api, invoice) == [("SUCCEEDED", "0.00")]
    await api.refused(
        "refundMarkPaidOut",
        "refund { id }",
        "INVALID_INPUT",
        ["reference"],
        "Must have at most",
        refundId=made["id"],
        reference="x" * 256,
    )
    marked = await mark(api, made["id"], reference="wire 7")
    assert {**marked, "payment": None} == {
        **made,
        "provider": "MANUAL",
        "state": "SUCCEEDED",
        "reference": "wire 7",
        "failureReason": None,
        "refundedAt": SECOND,
        "payment": None,
    }
    assert (marked["payment"]["state"], marked["payment"]["amountRefunded"]) == (
        "REFUNDED",
        "100.00",
    )
    for verb in ("refundRetry", "refundMarkPaidOut"):
        await api.refused(
            verb,
            "refund { id }",
            "INVALID_STATE",
            ["refundId"],
            "this one is SUCCEEDED",
            refundId=made["id"],
        )
    # Whatever the provider says of it later, it went back once; people are told to look.
    with capture_logs() as logged:
        assert await say(api, made["id"], "SUCCEEDED", "late") == "SUCCEEDED"
        assert await say(api, made["id"], "FAILED") == "SUCCEEDED"
    assert logged == [
        {
            "event": "a refund went back twice",
            "log_level": "warning",
            "refund": made["id"],
            "recorded": "by hand",
            "reported": "late",
        }
    ]
    assert await refunds(api, invoice) == [("MANUAL", "SUCCEEDED", "100.00")]
    assert await assert_books_are_right(api) == 1


async def test_a_refund_that_failed_is_tried_again_with_another_key(api: Api) -> None:
    invoice = await paid(api, "pm_recovers")
    (made,) = await refund(api, invoice, "100")
    assert made["state"] == "FAILED"
    again = await retry(api, made["id"])
    assert again["userErrors"] == []
    assert (again["refund"]["state"], again["refund"]["reference"]) == (
        "SUCCEEDED",
        f"sandbox_{made['id']}-2",
    )
    assert [one["state"] for one in (await read(api, invoice))["payments"]] == [
        "FAILED",
        "REFUNDED",
    ]


async def test_what_failed_keeps_its_part_of_the_payment(api: Api) -> None:
    """It is owed still and may be tried again, so another note gets what is left."""
    customer = await api.customer()
    await set_method(api, customer, "pm_no_refund")
    invoice = await api.one_off(customer, "100", finalize=True)
    await record(api, invoice, amount="50")
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    (made,) = await refund(api, invoice, "40")
    assert [one["provider"] for one in await refund(api, invoice, "60")] == ["SANDBOX", "MANUAL"]
    assert await refunds(api, invoice) == [
        ("SANDBOX", "FAILED", "40.00"),
        ("SANDBOX", "FAILED", "10.00"),
        ("MANUAL", "SUCCEEDED", "50.00"),
    ]
    await say(api, made["id"], "SUCCEEDED")
    assert await refunded(api, invoice) == [("SUCCEEDED", "0.00"), ("SUCCEEDED", "40.00")]
    await assert_books_are_right(api)


async def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(api: Api) -> None:
    invoice = await paid(api)
    refund_id = await unasked(api, invoice, "40")
    provider = Forgetful(lost=1)
    with capture_logs() as logged:
        await run_due(api.database, api.organization_id, providers=provider.providers)
    assert "sk_live" not in str(logged)
    assert await refunds(api, invoice) == [("SANDBOX", "PROCESSING", "40.00")]
    await run_due(api.database, api.organization_id, providers=provider.providers)
    assert provider.asked == [refund_id]
    await api.advance("2026-01-02T00:01:00Z")
    assert await refunds(api, invoice) == [("SANDBOX", "SUCCEEDED", "40.00")]


async def test_a_run_killed_between_the_provider_and_the_store_asks_for_the_same_refund(
    api: Api,
) -> None:
    invoice = await paid(api)
    refund_id = await unasked(api, invoice, "100")
    provider = Deadly(lost=1)
    with pytest.raises(BaseExceptionGroup) as killed:
        await run_due(api.database, api.organization_id, providers=provider.providers)
    assert killed.group_contains(Killed)
    assert await refunds(api, invoice) == [("SANDBOX", "PROCESSING", "100.00")]
    report = await run_due(api.database, api.organization_id, providers=provider.providers)
    assert (report.settled, provider.asked) == (1, [refund_id] * 2)
    assert await refunded(api, invoice) == [("REFUNDED", "100.00")]


async def test_a_provider_that_is_not_there_leaves_it_under_way_for_the_worker(alone: Api) -> None:
    invoice = await paid(alone)
    await unasked(alone, invoice, "40")
    await run_due(alone.database, alone.organization_id, providers={})
    assert await refunds(alone, invoice) == [("SANDBOX", "PROCESSING", "40.00")]
    async with alone.database.engine.begin() as connection:
        move = "UPDATE organizations SET test_clock = '2026-01-03T00:00:00Z' WHERE id = :id"
        await connection.execute(text(move), {"id": alone.organization_id})
    await work_once(alone.database, SANDBOX_ONLY, "test")
    assert await refunds(alone, invoice) == [("SANDBOX", "SUCCEEDED", "40.00")]


async def test_a_late_success_counts_once_and_never_turns_back(api: Api) -> None:
    invoice = await paid(api, "pm_no_refund")
    (made,) = await refund(api, invoice, "100")
    told = [await say(api, made["id"], one) for one in ("PROCESSING", "FAILED", "SUCCEEDED")]
    assert told == ["FAILED", "FAILED", "SUCCEEDED"]
    told = [await say(api, made["id"], one) for one in ("SUCCEEDED", "FAILED", "PROCESSING")]
    assert told == ["SUCCEEDED"] * 3
    assert await refunds(api, invoice) == [("SANDBOX", "SUCCEEDED", "100.00")]
    assert await refunded(api, invoice) == [("REFUNDED", "100.00")]
    with pytest.raises(NotFound):
        await say(api, "rfd_nothing", "SUCCEEDED")


async def test_an_earlier_attempt_cannot_fail_the_one_under_way(api: Api) -> None:
    """A word that comes late must not have the money sent once more."""
    invoice = await paid(api, "pm_no_refund")
    refund_id = await unasked(api, invoice, "100")
    assert await say(api, refund_id, "FAILED", "re_1") == "FAILED"
    async with api.database.engine.begin() as connection:
        again = """UPDATE refunds SET state = 'PROCESSING', attempt = 2, failure_reason = NULL,
          next_check_at = '2026-01-05T00:00:00Z' WHERE id = :id"""
        await connection.execute(text(again), {"id": refund_id})
    assert await say(api, refund_id, "FAILED", "re_1") == "PROCESSING"
    assert await say(api, refund_id, "PROCESSING", "re_1") == "PROCESSING"
    assert await say(api, f"{refund_id}-2", "FAILED", "re_2") == "FAILED"
    assert await say(api, refund_id, "SUCCEEDED", "re_1") == "SUCCEEDED"
    ((found,),) = [one["refunds"] for one in (await read(api, invoice))["creditNotes"]]
    assert (found["state"], found["reference"]) == ("SUCCEEDED", "re_1")


async def test_the_outbox_tells_of_refunds_and_of_the_payment_that_is_refunded(api: Api) -> None:
    invoice = await paid(api, "pm_no_refund")
    (made,) = await refund(api, invoice, "100")
    await mark(api, made["id"], reference="wire")
    said = text(
        "SELECT type, subject_id, payload FROM outbox_events WHERE invoice_id = :id"
        " AND (subject_kind = 'REFUND' OR type = 'payment.refunded') ORDER BY sequence"
    )
    async with api.database.engine.connect() as connection:
        rows = list(await connection.execute(said, {"id": invoice["id"]}))
    assert [row.type for row in rows] == [
        "refund.processing",
        "refund.failed",
        "refund.succeeded",
        "payment.refunded",
    ]
    assert [row.subject_id == made["id"] for row in rows] == [True] * 3 + [False]
    assert rows[1].payload == {
        "invoiceId": invoice["id"],
        "creditNoteId": made["creditNote"]["id"],
        "paymentId": made["payment"]["id"],
        "provider": "SANDBOX",
        "state": "FAILED",
        "currency": "USD",
        "amount": "100.00",
        "reference": made["reference"],
        "failureReason": "The card takes no refunds.",
        "refundedAt": None,
    }


async def test_the_refunds_of_many_notes_are_read_together(api: Api) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    query = f"""{{ invoices {{ nodes {{ id payments {{ amountRefunded }}
      creditNotes {{ id refunds {{ {REFUND} }} }} }} }} }}"""
    statements = []
    for _ in range(2):
        for _ in range(2):
            invoice = await api.one_off(customer, "100", finalize=True)
            await run_due(api.database, api.organization_id, SANDBOX_ONLY)
            await refund(api, invoice, "40")
            await refund(api, invoice, "10")
        with counted(api.database) as said:
            data = await api.query(query)
        statements.append(len(said))
    shown = data["invoices"]["nodes"]
    assert [len(one["creditNotes"]) for one in shown] == [2] * 4
    assert [one["payments"] for one in shown] == [[{"amountRefunded": "50.00"}]] * 4
    assert statements[0] == statements[1] <= 9, statements
