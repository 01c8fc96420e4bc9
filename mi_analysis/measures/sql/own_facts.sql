-- Parts of the institution's own measures, as facts of units as delivered. In a ratio a fact counts where the
-- unit delivers the other part, too, in an overlapping period: numerator and denominator are the same population.

create or replace temp table own_facts as
select * from ({facts}) named;

create or replace temp table own_pairs as
select distinct one.part, one.unit, one.grain, one.period_start
from (select distinct measure, part, unit, grain, period_start from own_facts where is_ratio) one
join members m on m.grain = one.grain and m.period_start = one.period_start
join (select distinct measure, part, unit, grain, period_start from own_facts where is_ratio) other
    on other.measure = one.measure and other.unit = one.unit and other.part <> one.part
join members n
    on n.grain = other.grain and n.period_start = other.period_start
    and n.first_month <= m.last_month and m.first_month <= n.last_month;
