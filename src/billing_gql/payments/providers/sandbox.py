"""The provider of TEST organizations: what it answers is in the token. Moves no money."""

from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.problems import InvalidInput
from billing_gql.payments.providers.provider import Charge, Outcome

DECLINED = "The card was declined."
TOKENS = ("pm_ok", "pm_declined", "pm_processing", "pm_recovers")


class Sandbox:
    """Remembers nothing, so that the same charge has the same answer in every process."""

    async def check_method(self, token: str, *, is_test: bool) -> None:
        """Raises InvalidInput for a LIVE organization, or another token than its own."""
        if not is_test:
            raise InvalidInput(
                "SANDBOX moves no money: it is for TEST organizations only.", ("provider",)
            )
        if token not in TOKENS:
            raise InvalidInput(f"The SANDBOX knows {', '.join(TOKENS)}, not {token!r}.", ("token",))

    async def charge(self, charge: Charge) -> Outcome:
        """pm_ok pays; pm_declined is declined; pm_processing pays once time has passed since it
        was started; pm_recovers is declined once an invoice, and then pays."""
        reference = f"sandbox_{charge.key}"
        match charge.token:
            case "pm_recovers" if charge.tried_before == 0:
                return Outcome(PaymentState.FAILED, reference, DECLINED)
            case "pm_declined":
                return Outcome(PaymentState.FAILED, reference, DECLINED)
            case "pm_processing" if charge.asked_at <= charge.started_at:
                return Outcome(PaymentState.PROCESSING, reference)
        return Outcome(PaymentState.SUCCEEDED, reference)
