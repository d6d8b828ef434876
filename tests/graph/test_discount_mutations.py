"""couponCreate, couponApply, taxRateCreate, and what invoiceCreate takes of both."""

import pytest
from sqlalchemy import text

from billing_gql.catalog.create_coupon import MAX_COUPONS
from billing_gql.catalog.create_tax_rate import MAX_DEFAULTS, MAX_RATES
from billing_gql.invoices.apply_coupon import MAX_GRANTS
from tests.graph.wallets import MONEY, coupon, done_with, give, money_of, tax_rate
from tests.support import Api, Json

COUPON = "coupon { id code name percentOff amountOff currency duration durationInvoices } replayed"
RATE = "taxRate { id code name percentage isDefault } replayed"
APPLY = f"coupon {{ id code }} invoice {{ {MONEY} }} replayed"
INVOICE = "invoice { id total } replayed"
PERCENT = {"code": "spring", "name": "Spring", "percentOff": "12.50", "duration": "ONCE"}
AMOUNT = {
    "code": "ten",
    "name": "Ten off",
    "amountOff": "10",
    "currency": "USD",
    "duration": "REPEATING",
    "durationInvoices": 3,
}


async def test_coupons_are_made_and_listed_by_code(api: Api, other: Api) -> None:
    await coupon(other, "foreign", percentOff="1")
    ten = await api.done("couponCreate", COUPON, **AMOUNT)
    spring = await api.done("couponCreate", COUPON, **PERCENT)
    assert ten.pop("userErrors") == spring.pop("userErrors") == []
    assert ten["coupon"].pop("id").startswith("cpn_")
    assert ten == {
        "coupon": {**AMOUNT, "percentOff": None, "amountOff": "10.00"},
        "replayed": False,
    }
    assert spring["coupon"].pop("id").startswith("cpn_")
    assert spring["coupon"] == {
        **PERCENT,
        "percentOff": "12.5",
        "amountOff": None,
        "currency": None,
        "durationInvoices": None,
    }
    listed = (await api.query("{ coupons { code percentOff amountOff } }"))["coupons"]
    assert listed == [
        {"code": "spring", "percentOff": "12.5", "amountOff": None},
        {"code": "ten", "percentOff": None, "amountOff": "10.00"},
    ]


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"code": ""}, "INVALID_INPUT", ["code"], "blank"),
        ({"code": "a b"}, "INVALID_INPUT", ["code"], "letter or digit"),
        ({"code": "taken"}, "ALREADY_EXISTS", ["code"], "'taken' exists already"),
        ({"name": " "}, "INVALID_INPUT", ["name"], "blank"),
        ({"name": "n" * 256}, "INVALID_INPUT", ["name"], "255 characters"),
        ({"percentOff": "10"}, "INVALID_INPUT", ["amountOff"], "either percentOff or amountOff"),
        (
            {"amountOff": None, "currency": None},
            "INVALID_INPUT",
            ["amountOff"],
            "either percentOff or amountOff",
        ),
        ({"currency": None}, "INVALID_INPUT", ["currency"], "has a currency"),
        (
            {"amountOff": None, "percentOff": "10"},
            "INVALID_INPUT",
            ["currency"],
            "has a currency",
        ),
        ({"amountOff": "0"}, "AMOUNT_OUT_OF_RANGE", ["amountOff"], "not be zero"),
        ({"amountOff": "-1"}, "AMOUNT_OUT_OF_RANGE", ["amountOff"], "above zero"),
        ({"amountOff": "0.001"}, "AMOUNT_OUT_OF_RANGE", ["amountOff"], "USD has 2 decimals"),
        ({"amountOff": "1000000000000000"}, "AMOUNT_OUT_OF_RANGE", ["amountOff"], "10^15"),
        ({"durationInvoices": None}, "INVALID_INPUT", ["durationInvoices"], "REPEATING"),
        ({"durationInvoices": 0}, "INVALID_INPUT", ["durationInvoices"], "from 1 to 1000, not 0"),
        ({"durationInvoices": 1001}, "INVALID_INPUT", ["durationInvoices"], "not 1001"),
        ({"duration": "ONCE"}, "INVALID_INPUT", ["durationInvoices"], "and no other"),
        ({"duration": "FOREVER"}, "INVALID_INPUT", ["durationInvoices"], "and no other"),
    ],
)
async def test_a_bad_coupon_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    await coupon(api, "taken", percentOff="1")
    await api.refused("couponCreate", COUPON, code, field, words, **{**AMOUNT, **change})
    await api.done("couponCreate", COUPON, **AMOUNT)
    await api.refused(
        "couponCreate", COUPON, "ALREADY_EXISTS", ["code"], "'ten' exists already", **AMOUNT
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "above zero"),
        ("-1", "not be negative"),
        ("100.01", "at most 100"),
        ("0.0000000000001", "12 decimals"),
    ],
)
async def test_percent_off_is_above_0_and_at_most_100(api: Api, value: str, words: str) -> None:
    await api.refused(
        "couponCreate",
        COUPON,
        "AMOUNT_OUT_OF_RANGE",
        ["percentOff"],
        words,
        **{**PERCENT, "percentOff": value},
    )
    await api.done("couponCreate", COUPON, **{**PERCENT, "percentOff": "100"})


@pytest.mark.parametrize("table", ["coupons", "tax_rates"])
async def test_an_organization_has_at_most_so_many(api: Api, table: str) -> None:
    columns = {
        "coupons": "code, name, duration, percent_off) SELECT n, n, 'ONCE', 1",
        "tax_rates": "code, name, is_default, percentage) SELECT n, n, false, 1",
    }[table]
    most = {"coupons": MAX_COUPONS, "tax_rates": MAX_RATES}[table]
    start, rest = columns.split(") SELECT ")
    async with api.database.engine.begin() as connection:
        await connection.execute(
            text(
                f"INSERT INTO {table} (id, organization_id, created_at, {start})"
                f" SELECT :id || n, :id, now(), {rest} FROM generate_series(1, :most) AS s(i),"
                " LATERAL (SELECT 'n' || i) AS names(n)"
            ),
            {"id": api.organization_id, "most": most - 1},
        )
    make: dict[str, tuple[str, str, Json]] = {
        "coupons": ("couponCreate", COUPON, PERCENT),
        "tax_rates": ("taxRateCreate", RATE, VAT),
    }
    name, shown, values = make[table]
    await api.done(name, shown, **values)
    await api.refused(
        name, shown, "TOO_MANY_ITEMS", ["code"], f"At most {most}", **{**values, "code": "more"}
    )


VAT = {"code": "vat", "name": "VAT", "percentage": "8.250", "isDefault": True}


async def test_tax_rates_are_made_and_listed_by_code(api: Api, other: Api) -> None:
    await tax_rate(other, "foreign", "1")
    made = (await api.done("taxRateCreate", RATE, **VAT))["taxRate"]
    assert made.pop("id").startswith("txr_")
    assert made == {**VAT, "percentage": "8.25"}
    await tax_rate(api, "city", "0")
    listed = (await api.query("{ taxRates { code percentage isDefault } }"))["taxRates"]
    assert listed == [
        {"code": "city", "percentage": "0", "isDefault": False},
        {"code": "vat", "percentage": "8.25", "isDefault": True},
    ]


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"code": "?"}, "INVALID_INPUT", ["code"], "letter or digit"),
        ({"code": "taken"}, "ALREADY_EXISTS", ["code"], "'taken' exists already"),
        ({"name": ""}, "INVALID_INPUT", ["name"], "blank"),
        ({"percentage": "-0.01"}, "AMOUNT_OUT_OF_RANGE", ["percentage"], "not be negative"),
        ({"percentage": "100.01"}, "AMOUNT_OUT_OF_RANGE", ["percentage"], "at most 100"),
        ({"percentage": "0.0000000000001"}, "AMOUNT_OUT_OF_RANGE", ["percentage"], "12 decimals"),
    ],
)
async def test_a_bad_tax_rate_is_refused(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    await tax_rate(api, "taken", "1")
    await api.refused("taxRateCreate", RATE, code, field, words, **{**VAT, **change})
    await api.done("taxRateCreate", RATE, **VAT)


async def test_at_most_10_rates_are_default(api: Api) -> None:
    for n in range(MAX_DEFAULTS):
        await tax_rate(api, f"r{n}", "1", isDefault=True)
    words = f"At most {MAX_DEFAULTS} tax rates are default"
    await api.refused("taxRateCreate", RATE, "TOO_MANY_ITEMS", ["isDefault"], words, **VAT)
    await api.done("taxRateCreate", RATE, **{**VAT, "isDefault": False})


async def test_a_coupon_goes_to_a_customer_a_draft_or_a_line(api: Api) -> None:
    customer = await api.customer()
    draft = await api.one_off(customer, "10", "20")
    line = draft["lineItems"][1]["id"]
    half = await coupon(api, "half", percentOff="50")
    for values, total in (
        ({"customerId": customer["id"]}, None),
        ({"invoiceId": draft["id"]}, "7.50"),
        ({"lineItemId": line}, "5.00"),
    ):
        payload = await api.done("couponApply", APPLY, couponId=half, **values)
        assert payload["coupon"] == {"id": half, "code": "half"}
        assert (payload["invoice"] or {"total": None})["total"] == total
        words = "'half' is applied there already"
        await api.refused(
            "couponApply", APPLY, "ALREADY_EXISTS", ["couponId"], words, couponId=half, **values
        )
    assert (await money_of(api, draft))["total"] == "5.00"


async def test_a_coupon_that_is_used_up_may_be_given_again(api: Api) -> None:
    customer = await api.customer()
    five = await coupon(api, "five", amountOff="5")
    for _ in range(2):
        await give(api, five, customerId=customer["id"])
        invoice = await api.one_off(customer, "20", finalize=True)
        assert invoice["total"] == "15.00"
    assert (await api.one_off(customer, "20"))["total"] == "20.00"


@pytest.mark.parametrize("count", [0, 2, 3])
async def test_a_coupon_goes_to_exactly_one_place(api: Api, count: int) -> None:
    customer = await api.customer()
    draft = await api.one_off(customer, "10")
    places = {
        "customerId": customer["id"],
        "invoiceId": draft["id"],
        "lineItemId": draft["lineItems"][0]["id"],
    }
    values = dict(list(places.items())[3 - count :])
    half = await coupon(api, "half", percentOff="50")
    words = "exactly one of customerId, invoiceId and lineItemId"
    await api.refused(
        "couponApply", APPLY, "INVALID_INPUT", ["customerId"], words, couponId=half, **values
    )


async def places(api: Api, customer: Json) -> list[tuple[str, str]]:
    draft = await api.one_off(customer, "10")
    line = draft["lineItems"][0]["id"]
    return [("customerId", customer["id"]), ("invoiceId", draft["id"]), ("lineItemId", line)]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_coupon_in_another_currency_or_unknown_is_refused(api: Api, place: int) -> None:
    name, found = (await places(api, await api.customer()))[place]
    euros = await coupon(api, "five", amountOff="5", currency="EUR")
    for one, code, words in (
        (euros, "CURRENCY_MISMATCH", "in EUR, the customer in USD"),
        ("cpn_x", "NOT_FOUND", "no coupon 'cpn_x'"),
    ):
        await api.refused(
            "couponApply", APPLY, code, ["couponId"], words, couponId=one, **{name: found}
        )
    half = await coupon(api, "half", percentOff="50")
    await api.refused(
        "couponApply", APPLY, "NOT_FOUND", [name], "'x_1'", couponId=half, **{name: "x_1"}
    )
    await give(api, half, **{name: found})


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("status", ["FINALIZED", "VOIDED"])
async def test_only_a_draft_takes_a_coupon(api: Api, place: int, status: str) -> None:
    found = await places(api, await api.customer())
    name, one = found[place]
    await done_with(api, "invoiceFinalize", {"id": found[1][1]})
    if status == "VOIDED":
        await done_with(api, "invoiceVoid", {"id": found[1][1]})
    half = await coupon(api, "half", percentOff="50")
    error = await api.refused(
        "couponApply",
        APPLY,
        "INVALID_STATE",
        [name],
        f"the invoice is {status}",
        couponId=half,
        **{name: one},
    )
    assert (error["__typename"], error["status"]) == ("InvoiceStateError", status)


async def test_one_place_takes_at_most_50_coupons(api: Api) -> None:
    customer = await api.customer()
    for n in range(MAX_GRANTS + 1):
        one = await coupon(api, f"c{n}", percentOff="1")
        if n < MAX_GRANTS:
            await give(api, one, customerId=customer["id"])
    words = f"At most {MAX_GRANTS} coupons"
    values = {"couponId": one, "customerId": customer["id"]}
    await api.refused("couponApply", APPLY, "TOO_MANY_ITEMS", ["couponId"], words, **values)


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
async def test_what_a_coupon_takes_has_the_currencys_decimals(api: Api, currency: str) -> None:
    customer = await api.customer("acme", currency=currency)
    draft = await api.one_off(customer, "101")
    five = await coupon(api, "five", amountOff="5", currency=currency)
    await give(api, five, invoiceId=draft["id"])
    draft = await give(api, await coupon(api, "third", percentOff="33.3"), invoiceId=draft["id"])
    taken = [one["amount"] for one in draft["couponApplications"]]
    assert taken == {"JPY": ["5", "32"], "KWD": ["5.000", "31.968"]}[currency]


@pytest.fixture
async def base(api: Api) -> Json:
    customer = await api.customer()
    return {"customerId": customer["id"], "lineItems": [{"name": "Setup", "amount": "10"}]}


async def test_bad_coupons_of_a_new_invoice_are_refused_at_their_place(
    api: Api, base: Json
) -> None:
    half = await coupon(api, "half", percentOff="50")
    euros = await coupon(api, "five", amountOff="5", currency="EUR")
    at = ["couponIds", "1"]
    for bad, code, words in (
        ("cpn_x", "NOT_FOUND", "no coupon 'cpn_x'"),
        (half, "ALREADY_EXISTS", "'half' is applied there already"),
        (euros, "CURRENCY_MISMATCH", "in EUR"),
    ):
        values = {**base, "couponIds": [half, bad]}
        await api.refused("invoiceCreate", INVOICE, code, at, words, **values)
    payload = await api.done("invoiceCreate", INVOICE, **base, couponIds=[half])
    assert payload["invoice"]["total"] == "5.00"


@pytest.mark.parametrize("adding", [False, True])
async def test_bad_rates_of_a_line_are_refused_at_their_place(
    api: Api, base: Json, adding: bool
) -> None:
    vat = await tax_rate(api, "vat", "20")
    draft = await api.one_off({"id": base["customerId"]}, "1")
    good, bad = {"name": "Good", "amount": "1"}, {"name": "Bad", "amount": "1"}
    for rates, code, field, words in (
        ([vat, "txr_x"], "NOT_FOUND", ["1"], "no tax rate 'txr_x'"),
        ([vat, vat], "INVALID_INPUT", ["1"], "there twice"),
        ([vat] * 11, "TOO_MANY_ITEMS", [], "At most 10"),
    ):
        line = {**bad, "taxRateIds": rates}
        if adding:
            await api.refused(
                "invoiceLineItemCreate",
                "lineItem { id } invoice { id } replayed",
                code,
                ["lineItem", "taxRateIds", *field],
                words,
                invoiceId=draft["id"],
                lineItem=line,
            )
        else:
            values = {**base, "lineItems": [good, line]}
            at = ["lineItems", "1", "taxRateIds", *field]
            await api.refused("invoiceCreate", INVOICE, code, at, words, **values)


async def test_a_line_by_hand_is_taxed_by_its_rates_or_the_default(api: Api, base: Json) -> None:
    await tax_rate(api, "vat", "20", isDefault=True)
    low = await tax_rate(api, "low", "5")
    draft = (await api.done("invoiceCreate", INVOICE, **base))["invoice"]
    shown = f"lineItem {{ taxAmount taxRates {{ code }} }} invoice {{ {MONEY} }}"
    for rates, codes, tax, total in (
        ({"taxRateIds": [low]}, ["low"], "0.50", "22.50"),
        ({"taxRateIds": []}, [], "0.00", "32.50"),
        ({}, ["vat"], "2.00", "44.50"),
    ):
        line = {"name": "More", "amount": "10", **rates}
        payload = await api.done(
            "invoiceLineItemCreate", shown, invoiceId=draft["id"], lineItem=line
        )
        assert payload["lineItem"]["taxAmount"] == tax
        assert [one["code"] for one in payload["lineItem"]["taxRates"]] == codes
        assert payload["invoice"]["total"] == total


async def test_a_finalized_invoice_keeps_its_taxes(api: Api, base: Json) -> None:
    await tax_rate(api, "vat", "20", isDefault=True)
    made = await api.done("invoiceCreate", f"invoice {{ {MONEY} }}", **base, finalize=True)
    await tax_rate(api, "city", "1", isDefault=True)
    await api.advance("2026-01-02T00:00:00Z")
    assert await money_of(api, made["invoice"]) == made["invoice"]
    (tax,) = made["invoice"]["taxes"]
    assert tax["amount"] == "2.00"
