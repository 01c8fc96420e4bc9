-- Staff figures per unit as delivered and period. Missing stays missing: nothing here is filled with zero
-- except absence of a kind that the unit's source delivers for it in that period without a row.
-- Columns in pairs (sick_hours and sick_fte) hold the same population in numerator and denominator.

create or replace temp table absence_facts as
with presence as ( -- unit and period in the absence delivery, or in the hours of the same delivery
    select distinct unit, grain, period_start, delivery from absence
    union
    select distinct h.unit, h.grain, h.period_start, h.delivery
    from hours h
    join (select distinct delivery, grain, period_start from absence) d using (delivery, grain, period_start)
),
kinds as (
    select delivery, absence_type, count(spells) > 0 as has_spells from absence group by delivery, absence_type
),
dense as (
    select
        p.unit, p.grain, p.period_start, p.delivery, k.absence_type, a.fte, coalesce(a.withheld, false) as withheld,
        case when a.unit is null then 0 when not coalesce(a.withheld, false) then a.absence_hours end as absence_hours,
        case when a.unit is null and k.has_spells then 0 when not coalesce(a.withheld, false) then a.spells end as spells,
        case when a.unit is null and k.has_spells then 0 when not coalesce(a.withheld, false) then a.long_spells end as long_spells
    from presence p
    join kinds k on k.delivery = p.delivery
    left join absence a
        on a.unit = p.unit and a.grain = p.grain and a.period_start = p.period_start and a.delivery = p.delivery
        and a.absence_type = k.absence_type
)
select
    unit, grain, period_start, max(fte) as fte,
    case when max(case when withheld then 1 else 0 end) = 1 then true else false end as withheld,
    case when count(*) = count(absence_hours) then sum(absence_hours) end as absent_hours,
    sum(case when absence_type = 'sick' then absence_hours end) as sick_hours,
    sum(case when absence_type = 'child_sick' then absence_hours end) as child_sick_hours,
    sum(case when absence_type = 'injury' then absence_hours end) as injury_hours,
    sum(case when absence_type = 'sick' then spells end) as sick_spells,
    sum(case when absence_type = 'sick' then long_spells end) as long_spells
from dense
group by unit, grain, period_start;

-- Årsværk and norm hours are often repeated by several sources: the largest counts, not the sum.
create or replace temp table staff_facts as
with delivered as (
    select
        unit, grain, period_start, max(fte) as fte, max(norm_hours) as norm_hours, sum(overtime_hours) as overtime_hours,
        sum(balance_opening) as balance_opening, sum(balance_taken) as balance_taken, sum(balance_paid) as balance_paid,
        sum(balance_expired) as balance_expired, sum(balance_closing) as balance_closing,
        sum(flex_balance) as flex_balance, sum(pay) as pay, sum(overtime_pay) as overtime_pay,
        sum(injury_pay) as injury_pay, max(case when withheld then 1 else 0 end) = 1 as withheld
    from staff
    group by unit, grain, period_start
),
registered as (
    select unit, grain, period_start, sum(hours) as hours from hours group by unit, grain, period_start
),
joined as (
    select
        unit, grain, period_start, coalesce(s.fte, a.fte) as fte,
        coalesce(s.norm_hours, coalesce(s.fte, a.fte) * m.norm_per_fte) as norm_hours,
        s.overtime_hours, s.balance_opening, s.balance_taken, s.balance_paid, coalesce(s.balance_expired, 0) as expired,
        s.balance_closing, s.flex_balance, s.pay, s.overtime_pay, s.injury_pay, a.absent_hours, a.sick_hours,
        a.child_sick_hours, a.injury_hours, a.sick_spells, a.long_spells, coalesce(a.fte, s.fte) as sick_fte, coalesce(r.hours, 0) as hours,
        coalesce(s.withheld, false) or coalesce(a.withheld, false) as withheld
    from delivered s
    full join absence_facts a using (unit, grain, period_start)
    left join registered r using (unit, grain, period_start)
    join members m using (grain, period_start)
)
select
    unit, grain, period_start, withheld, fte, norm_hours, norm_hours + overtime_hours as paid_hours,
    overtime_hours, case when overtime_hours is not null then fte end as overtime_fte,
    case when overtime_hours is not null then norm_hours end as overtime_norm,
    balance_opening, balance_taken, balance_paid, balance_closing, flex_balance,
    case when balance_closing is not null then balance_opening + overtime_hours - balance_taken - balance_paid - expired end
        - balance_opening as balance_change,
    case when overtime_hours - balance_taken - balance_paid + balance_closing is not null then balance_opening end
        as checked_opening,
    case when balance_opening + overtime_hours - balance_taken - balance_paid is not null then balance_closing end
        as checked_closing,
    overtime_pay, case when overtime_pay is not null then pay end as overtime_base, injury_pay,
    sick_hours,
    case when sick_hours is not null then sick_fte end as sick_fte,
    case when sick_hours is not null then norm_hours end as sick_norm, child_sick_hours, injury_hours,
    sick_spells, long_spells, case when sick_spells is not null then sick_fte end as spell_fte,
    norm_hours - absent_hours + overtime_hours as attendance_hours,
    case when norm_hours - absent_hours + overtime_hours is not null then hours end as attended_hours
from joined;
