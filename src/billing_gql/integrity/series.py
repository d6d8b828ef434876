"""Numbers without gaps, and periods billed once and all of them."""

from billing_gql.integrity.check import stated

# A number ends in its series' middle part and its own: PREFIX-001-007 is the seventh of customer 1,
# PREFIX-202601-007 of the organization. Both may be there, and prefixes change.
_NUMBERED = """
  SELECT i.id, i.number, i.customer_id, part[2]::int AS place,
         CASE part[1]
           WHEN lpad(c.sequence::text, greatest(3, length(c.sequence::text)), '0')
             THEN 'invoices of ' || i.customer_id
           WHEN to_char(i.issue_date, 'YYYYMM') THEN 'invoices'
         END AS series
  FROM invoices AS i
  JOIN customers AS c ON c.id = i.customer_id
  LEFT JOIN LATERAL regexp_match(i.number, '-([0-9]+)-([0-9]{3,9})$') AS part ON true
  WHERE i.organization_id = :organization AND i.number IS NOT NULL"""

numbers = stated(f"""
WITH numbered AS ({_NUMBERED}
), counted AS (
  SELECT series, count(*) AS numbers, max(place) AS highest,
         min(wanted) FILTER (WHERE place <> wanted) AS first_gap
  FROM (SELECT series, place, row_number() OVER (PARTITION BY series ORDER BY place, id) AS wanted
        FROM numbered WHERE series IS NOT NULL) AS one
  GROUP BY series
)
SELECT code, subject_id, message FROM (
  SELECT 'NUMBER_GAP' AS code,
         coalesce(substr(nullif(s.series, 'invoices'), length('invoices of ') + 1), :organization)
           AS subject_id,
         format('%s numbers are taken, up to %s, where %s were given; the first that is missing or'
                ' there twice is %s.', coalesce(c.numbers, 0), coalesce(c.highest, 0),
                coalesce(s.last_number, 0), coalesce(c.first_gap, c.highest + 1, 1)) AS message
  FROM (SELECT series, last_number FROM number_series
        WHERE organization_id = :organization
          AND (series = 'invoices' OR series LIKE 'invoices of %')) AS s
  LEFT JOIN counted AS c ON c.series = s.series
  WHERE (s.last_number, s.last_number) IS DISTINCT FROM (c.numbers::int, c.highest)
     OR c.first_gap IS NOT NULL
  UNION ALL
  SELECT 'NUMBER_SERIES', id, format('The number %s is of no series that was given.', number)
  FROM numbered AS n
  WHERE NOT EXISTS (SELECT 1 FROM number_series AS s
                    WHERE s.organization_id = :organization AND s.series = n.series)
) AS found ORDER BY subject_id
""")

# A subscription's ended periods do not overlap, but for what was voided.
periods_once = stated("""
SELECT 'PERIOD_TWICE' AS code, id AS subject_id,
       format('The period from %s is billed by an earlier invoice up to %s.', period_start, until)
         AS message
FROM (
  SELECT id, period_start,
         max(period_end) OVER (PARTITION BY subscription_id ORDER BY period_start, id
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
  FROM invoices
  WHERE organization_id = :organization AND subscription_id IS NOT NULL AND plan_id IS NOT NULL
    AND status <> 'VOIDED'
) AS billed
WHERE period_start < until ORDER BY id
""")

# From the first period that an invoice closes to where the subscription stands, every period is on
# an invoice (voided ones too), belonged to a draft that was deleted, or had a plan that bills
# nothing at a period's end. Drafts deleted before waived periods were kept show as gaps.
periods_all = stated("""
WITH closed AS (
  SELECT subscription_id, min(period_start) AS starts,
         range_agg(tstzrange(period_start, period_end)) AS periods
  FROM invoices
  WHERE organization_id = :organization AND subscription_id IS NOT NULL AND plan_id IS NOT NULL
  GROUP BY subscription_id
), waived AS (
  SELECT subscription_id, range_agg(tstzrange(period_start, period_end)) AS periods
  FROM waived_periods WHERE organization_id = :organization GROUP BY subscription_id
), on_plan AS (
  SELECT subscription_id, plan_id, starts_at,
         lead(starts_at) OVER (PARTITION BY subscription_id ORDER BY starts_at) AS ends_at
  FROM subscription_plans WHERE organization_id = :organization
), free AS (
  SELECT o.subscription_id, range_agg(tstzrange(o.starts_at, o.ends_at)) AS periods
  FROM on_plan AS o JOIN plans AS p ON p.id = o.plan_id
  WHERE p.minimum_commitment IS NULL AND NOT EXISTS (
    SELECT 1 FROM prices WHERE prices.plan_id = p.id AND prices.cadence = 'ARREARS')
  GROUP BY o.subscription_id
)
SELECT 'PERIOD_GAP' AS code, id AS subject_id,
       format('Nothing bills %s.', missing) AS message
FROM (
  SELECT s.id,
         tstzmultirange(tstzrange(c.starts, greatest(c.starts, s.period_start)))
           - c.periods - coalesce(w.periods, '{}') - coalesce(f.periods, '{}') AS missing
  FROM subscriptions AS s
  JOIN closed AS c ON c.subscription_id = s.id
  LEFT JOIN waived AS w ON w.subscription_id = s.id
  LEFT JOIN free AS f ON f.subscription_id = s.id
  WHERE s.organization_id = :organization
) AS s
WHERE NOT isempty(missing) ORDER BY id
""")
