// What a front end does with the generated types; `tsc --strict` must accept it.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import {
  BreakdownByAirportDocument,
  FinalizeADraftDocument,
  InvoicesDocument,
  type InvoicesQuery,
  type InvoiceStatus,
} from "./generated/graphql";

declare function send<Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
): Promise<Result>;

type Invoice = InvoicesQuery["invoices"]["nodes"][number];

export async function largest(): Promise<{ total: string; status: InvoiceStatus }[]> {
  const { invoices } = await send(InvoicesDocument, {});
  return invoices.nodes.map(({ total, status }) => ({ total, status }));
}

export async function finalize(invoiceId: string): Promise<string> {
  const { invoiceFinalize } = await send(FinalizeADraftDocument, { invoiceId });
  for (const error of invoiceFinalize.userErrors) {
    if ("availableActions" in error) return `${error.status}: ${error.availableActions.join()}`;
    return `${error.field?.join(".") ?? "input"}: ${error.message}`;
  }
  return invoiceFinalize.invoice?.number ?? "no number";
}

export async function shares(): Promise<Map<string | null, string>> {
  const { invoices } = await send(BreakdownByAirportDocument, {});
  const groups = invoices.nodes.flatMap((one) => one.usageBreakdown.flatMap((by) => by.groups));
  return new Map(groups.map(({ keys, cost }) => [keys[0]?.value ?? null, cost]));
}

/** An amount as people read it: every digit stays, for it is never made a number. */
export function shown(amount: string, currency: string): string {
  const format = new Intl.NumberFormat("en-US", { style: "currency", currency });
  return format.format(amount as Intl.StringNumericLiteral);
}

export function wrong(invoice: Invoice): void {
  // @ts-expect-error An amount is a text: a float would lose what it cannot hold.
  const total: number = invoice.total;
  // @ts-expect-error A draft has no number.
  const length = invoice.number.length;
  // @ts-expect-error There is no such status.
  const paid: boolean = invoice.status === "SETTLED";
  // @ts-expect-error The variable is required.
  void send(FinalizeADraftDocument, {});
  void [total, length, paid];
}
