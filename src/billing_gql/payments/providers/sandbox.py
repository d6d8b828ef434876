"""The provider of TEST organizations: what it answers is in the token. Moves no money."""

from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.problems import InvalidInput
from billing_gql.payments.providers.provider import Charge, Outcome, Refund

DECLINED = "The card was declined."
NOT_REFUNDED = "The card takes no refunds."
TOKENS = ("pm_ok", "pm_declined", "pm_processing", "pm_recovers", "pm_no_refund")


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

    async def refund(self, refund: Refund) -> Outcome:
        """By the token of the payment: pm_no_refund fails; pm_processing is refunded once time has
        passed since the attempt was started; pm_recovers fails once; all others at once."""
        reference = f"sandbox_{refund.key}"
        match refund.token:
            case "pm_no_refund":
                return Outcome(PaymentState.FAILED, reference, NOT_REFUNDED)
            case "pm_recovers" if refund.tried_before == 0:
                return Outcome(PaymentState.FAILED, reference, NOT_REFUNDED)
            case "pm_processing" if refund.asked_at <= refund.started_at:
                return Outcome(PaymentState.PROCESSING, reference)
        return Outcome(PaymentState.SUCCEEDED, reference)
