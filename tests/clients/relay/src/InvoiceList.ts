import { graphql } from "react-relay";

/** A list that loads its next page when asked, under whatever filter it is opened with. */
export const fragment = graphql`
  fragment InvoiceList_query on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 25 }
    cursor: { type: "String" }
    filter: { type: "InvoiceFilterInput" }
  )
  @refetchable(queryName: "InvoiceListPaginationQuery") {
    invoices(first: $count, after: $cursor, filter: $filter)
      @connection(key: "InvoiceList_invoices") {
      edges {
        node {
          id
          number
          total
          ...InvoiceRow_invoice
        }
      }
    }
  }
`;

/** A row that can be read again by itself, by the id that every node has. */
export const row = graphql`
  fragment InvoiceRow_invoice on Invoice @refetchable(queryName: "InvoiceRowQuery") {
    status
    availableActions
    customer {
      name
    }
  }
`;

export const query = graphql`
  query InvoiceListQuery($filter: InvoiceFilterInput) {
    ...InvoiceList_query @arguments(filter: $filter)
  }
`;
