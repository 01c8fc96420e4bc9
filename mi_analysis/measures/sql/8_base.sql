-- Every component in every cell and window. Where a domain is delivered for a window, no row is zero.

-- Output weighted by standard hours; the index leaves out activities with hours or closings only.
create or replace temp table output_totals as
select
    unit, slot, sum(c.closed * a.standard_hours) as weighted_output,
    sum(case when c.closed > 0 and c.registered_hours > 0 then c.closed * a.standard_hours end) as indexed_output,
    sum(case when c.closed > 0 and c.registered_hours > 0 then c.registered_hours end) as indexed_hours
from cell_windows c
join activities a using (activity)
where a.standard_hours > 0
group by unit, slot;

create or replace temp table grid as
with cells as (
    select unit, activity from cell_windows
    union select unit, activity from cost_windows
    union select unit, activity from budget_windows
    union select unit, activity from goal_windows
    union select above, '*' from tree
)
select
    c.unit, c.activity, w.*, r.net_hours, least(coalesce(b.months, 0), w.expected) as delivered_budget,
    three.delivered_cases as delivered_in_three, three.slot as slot_of_three
from cells c
cross join covered w
join reporting r using (grain, period_start)
left join budget_months b using (slot)
left join covered three on three.grain = w.grain and three.period_start = w.period_start and three.span = 'r3';

create or replace temp table closed_in_three as
select unit, activity, slot, closed from cell_windows join windows using (slot) where span = 'r3' and closed > 0;

create or replace temp view base as
with joined as (
    select
        g.*, {zero_filled}, {staff}{own}, s.withheld, s.checked_closing - s.checked_opening - s.balance_change as balance_difference,
        q.case_days_median, q.case_days_p90, q.case_days_net_median, q.case_days_net_p90,
        case when g.activity = '*' then w.weighted_output else c.closed * a.standard_hours end as weighted_output,
        case when g.activity = '*' then w.indexed_output
            when c.closed > 0 and c.registered_hours > 0 then c.closed * a.standard_hours end as indexed_output,
        case when g.activity = '*' then w.indexed_hours
            when c.closed > 0 and c.registered_hours > 0 and a.standard_hours > 0 then c.registered_hours end as indexed_hours,
        case when g.delivered_in_three > 0 then coalesce(t.closed, 0) * 3.0 / g.delivered_in_three end as closed_last_three,
        case when g.delivered_ledger > 0 then coalesce(z.allocated_cost, 0) end as allocated_cost,
        case when g.delivered_ledger > 0 then coalesce(z.allocated_cost_incl_indirect, 0) end as allocated_cost_incl_indirect,
        case when g.delivered_ledger > 0 then coalesce(z.allocated_cost_full, 0) end as allocated_cost_full,
        case when g.delivered_budget > 0 then coalesce(b.budget, 0) end as budget,
        case when y.budget_year is not null or g.delivered_budget > 0 then coalesce(y.budget_year, 0) end as budget_year,
        case when y.unit is not null then y.budget_rest when g.delivered_budget > 0 then 0 end as budget_rest,
        f.forecast_own, goal.goal_points, goal.goal_weight, goal.goal_weight_all, d.pay as all_pay, d.undriven_pay, d.indirect as all_indirect, d.undriven_indirect,
        coalesce(o.amount <> 0 and o.hours is null, false) as gate_overhead,
        m.attended_hours / nullif(m.attendance_hours, 0) as coverage
    from grid g
    left join cell_windows c using (unit, activity, slot)
    left join output_totals w using (unit, slot)
    left join quantiles q using (unit, activity, slot)
    left join cost_windows z using (unit, activity, slot)
    left join budget_windows b using (unit, activity, slot)
    left join budget_years y using (unit, activity, grain, period_start)
    left join own_forecasts f using (unit, activity, grain, period_start)
    left join goal_windows goal using (unit, activity, slot)
    left join undriven d using (unit, slot)
    left join overhead o using (slot)
    left join staff_windows m using (unit, slot)
    left join activities a on a.activity = g.activity and a.standard_hours > 0
    left join closed_in_three t on t.unit = g.unit and t.activity = g.activity and t.slot = g.slot_of_three
    left join staff_windows s -- staff figures stand on the unit's total only
        on s.unit = g.unit and s.slot = g.slot and g.activity = '*'
)
select
    *, actual - budget as deviation, abs(budget) as budget_size, actual + budget_rest as forecast,
    actual * budget_year / nullif(budget, 0) as forecast_by_share, coalesce(budget / nullif(budget_year, 0) <= 0.25, false) as gate_share,
    {gross_month} * delivered_staff as gross_hours,
    coalesce(coverage < {coverage_limit}, false) as gate_coverage,
    coalesce(timed, 0) < {fewest} and delivered_cases > 0 as gate_few,
    coalesce(registered_hours <= 0 and closed > 0, false) as gate_hours,
    coalesce(all_pay > 0 and undriven_pay >= all_pay, false) as gate_driver,
    coalesce(all_indirect > 0 and undriven_indirect >= all_indirect, false) as gate_indirect,
    activity = '*' as is_total, expected < 3 as gate_window,
    coalesce(undriven_pay > 0, false) as partly_driven, coalesce(undriven_indirect > 0, false) as partly_indirect
from joined;
