"""Stories of one quantity under several price models: each line is billed as it is estimated."""

from tests.invoices.metered import all_invoices, send
from tests.support import Api, Json

TIERS = {"tiers": [{"upTo": "100", "unitAmount": "0.50"}, {"unitAmount": "0.1", "flatAmount": "7"}]}
RATES = {"tiers": [{"upTo": "100", "rate": "2.5"}, {"rate": "1", "flatAmount": "7"}]}
MODELS: Json = {
    "package": {"amount": "5", "size": "100", "freeUnits": "50"},
    "graduated": TIERS,
    "volume": TIERS,
    "graduatedPercentage": RATES,
}
LINES = """lineItems { name quantity unitAmount amount
    pricingSteps { description quantity unitAmount flatAmount amount } }
  usageBreakdown(groupBy: ["source"], forceRuntimeRecalculation: true) {
    invoicedAmount recalculatedAmount difference groups { cost } }"""


async def subscribe(api: Api) -> None:
    prices = []
    for name, model in MODELS.items():
        feature = await api.feature(name, "SUM", eventName="transfer", valueProperty="gb")
        prices.append({"name": name, "featureId": feature["id"], "model": {name: model}})
    await api.subscription(await api.customer(), await api.plan("all", prices))


def transfer(name: str, gigabytes: str, source: str) -> Json:
    return {
        "transactionId": name,
        "externalCustomerId": "acme",
        "eventName": "transfer",
        "timestamp": "2026-01-10T00:00:00Z",
        "source": source,
        "properties": {"gb": gigabytes},
    }


async def estimate(api: Api, name: str, quantity: str) -> Json:
    data = await api.query(
        """query ($model: PriceModelInput!, $quantity: Decimal) {
          priceEstimate(model: $model, currency: "USD", quantity: $quantity) { amount
            steps { description quantity unitAmount flatAmount amount } } }""",
        {"model": {name: MODELS[name]}, "quantity": quantity},
    )
    found: Json = data["priceEstimate"]
    return found


async def billed(api: Api) -> Json:
    await api.advance("2026-02-04T00:00:00Z")
    (invoice,) = await all_invoices(api, LINES)
    return invoice


async def test_a_quantity_is_billed_as_it_is_estimated(api: Api) -> None:
    await subscribe(api)
    await send(api, transfer("1", "200.5", "eu"), transfer("2", "50", "us"))
    invoice = await billed(api)
    amounts = {line["name"]: line["amount"] for line in invoice["lineItems"]}
    assert amounts == {
        "package": "15.00",
        "graduated": "72.05",
        "volume": "32.05",
        "graduatedPercentage": "11.01",
    }
    for line in invoice["lineItems"]:
        assert (line["quantity"], line["unitAmount"]) == ("250.5", None)
        found = await estimate(api, line["name"], "250.5")
        assert (line["amount"], line["pricingSteps"]) == (found["amount"], found["steps"])
    for found in invoice["usageBreakdown"]:
        assert found["recalculatedAmount"] == found["invoicedAmount"]
        assert found["difference"] == "0.00"
        assert len(found["groups"]) == 2


async def test_no_usage_costs_nothing(api: Api) -> None:
    await subscribe(api)
    invoice = await billed(api)
    for line in invoice["lineItems"]:
        assert (line["quantity"], line["amount"], line["pricingSteps"]) == ("0", "0.00", [])
