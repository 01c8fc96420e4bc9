-- A slot is a reporting period and a window: everything below is added up per unit, activity and slot.
-- Which delivered periods lie in which window, and how many of a window's months each domain covers.

-- A fact counts where its whole period lies in the window, at its own grain or a coarser one.
create or replace temp table spans as
select
    w.slot, w.last_month as row_month, m.grain as member_grain, m.period_start as member_start,
    m.months, m.first_month = w.first_month as first, m.last_month = w.stock_month as last
from windows w
join members m on m.first_month >= w.first_month and m.last_month <= w.last_month and m.rank <= w.rank;

create or replace temp table delivered as
select 'hours' as domain, grain, period_start from hours
union select 'absence', grain, period_start from absence
union select 'staff', grain, period_start from staff
union select 'ledger', grain, period_start from ledger
union select 'goals', grain, period_start from goals
union select case when name = 'planned' then 'planned' else 'cases' end, grain, period_start
from counts where name in ('planned', 'received', 'closed', 'stock')
union select part, grain, period_start from own_facts
union select 'cases', grain, period_start from reporting where grain = 'month' and first_month >= {log_start};

create or replace temp table covered as
select
    w.slot, w.grain, w.period_start, w.span, w.last_month - w.first_month + 1 as expected,
    {covered}
from windows w
left join spans s using (slot)
left join delivered d on d.grain = s.member_grain and d.period_start = s.member_start
left join members m on m.grain = d.grain and m.period_start = d.period_start
group by w.slot, w.grain, w.period_start, w.span, w.last_month, w.first_month;
