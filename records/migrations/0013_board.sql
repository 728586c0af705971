-- What a site counts of its own work (`records/numbers.py` says what starts, stops and pauses each number). These views
-- know no today: whoever asks says as of when. Journeys entered in error are in none of them but board_end.

-- The rows of the journal that turn a journey: few of many.
create index journal_turn on continuum.journal (journey, seq) where kind in (
    'entered', 'taken_over', 'accepted', 'declined', 'redirected', 'on_hold', 'resumed', 'reopened', 'completed',
    'withdrawn', 'died', 'transferred', 'entered_in_error', 'red_flag_handled', 'follow_up_due', 'follow_up_answered',
    'follow_up_missed', 'called', 're_entry', 'care_reopened');

-- `outcome`: of a row that closes the journey.
create view continuum.board_turn as
select w.tenant, w.journey, w.seq, w.at, w.stage, w.kind, w.data,
    case w.kind
        when 'declined' then 'refused'
        when 'redirected' then 'redirected'
        when 'withdrawn' then 'withdrawn'
        when 'died' then 'died'
        when 'transferred' then 'transferred'
        when 'completed' then 'completed'
        when 'entered_in_error' then case when not w.data ?| array['scores', 'visit'] then 'entered_in_error' end
        when 'red_flag_handled' then
            case when w.data->>'outcome' = 'sent_to_emergency' and w.stage in ('Intake', 'Referral') then 'emergency' end
    end as outcome
from continuum.journal w
where w.kind in (
    'entered', 'taken_over', 'accepted', 'declined', 'redirected', 'on_hold', 'resumed', 'reopened', 'completed',
    'withdrawn', 'died', 'transferred', 'entered_in_error', 'red_flag_handled', 'follow_up_due', 'follow_up_answered',
    'follow_up_missed', 'called', 're_entry', 'care_reopened');

-- Each closing, and until when it held: a closing that was a mistake ends with the reopening.
create view continuum.board_end as
select t.tenant, t.journey, t.at, t.outcome, t.undone_at
from (
    select c.*, lead(c.at) over (partition by c.journey order by c.seq) as undone_at
    from continuum.board_turn c where c.outcome is not null or c.kind = 'reopened') t
where t.outcome is not null;

-- When a journey stood still: `hold` (with its reason), or `closed` by mistake and reopened since.
create view continuum.board_pause as
select s.tenant, s.journey, s.from_at, s.until_at, case when s.shut <> '' then 'closed' else 'hold' end as why, s.reason
from (
    select t.tenant, t.journey, t.at as from_at, lead(t.at) over turns as until_at,
        coalesce((array_agg(t.kind) filter (where t.kind in ('on_hold', 'resumed')) over so_far)[
            count(*) filter (where t.kind in ('on_hold', 'resumed')) over so_far], 'resumed') as held,
        (array_agg(t.data->>'reason') filter (where t.kind in ('on_hold', 'resumed')) over so_far)[
            count(*) filter (where t.kind in ('on_hold', 'resumed')) over so_far] as reason,
        coalesce((array_agg(coalesce(t.outcome, '')) filter (where t.outcome is not null or t.kind = 'reopened') over so_far)[
            count(*) filter (where t.outcome is not null or t.kind = 'reopened') over so_far], '') as shut
    from continuum.board_turn t
    where t.kind in ('on_hold', 'resumed', 'reopened') or t.outcome is not null
    window turns as (partition by t.journey order by t.seq),
        so_far as (partition by t.journey order by t.seq rows between unbounded preceding and current row)) s
where s.held = 'on_hold' or s.shut <> '';

-- How long a journey stood still between two moments, for these causes.
create function continuum.board_paused(of text, began timestamptz, ended timestamptz, causes text[]) returns interval
language sql stable
set search_path = continuum, pg_catalog
as $$
    select coalesce(sum(least(p.until_at, ended) - greatest(p.from_at, began)), interval '0')
    from board_pause p
    where p.journey = of and p.why = any (causes) and p.from_at < ended and (p.until_at is null or p.until_at > began)
$$;

-- Each referral, what became of it, and the clinic and pathway by which it is counted. `answered_at`: accepted,
-- declined, redirected, or sent to an emergency department. `taken_over`: it began elsewhere, so its waits are not ours.
create view continuum.board_referral as
select r.tenant, r.journey, r.received_at, r.facts ? 'adoption' as taken_over, coalesce(j.clinic, 'unassigned') as clinic,
    coalesce(split_part(j.pathway, '@', 1), 'none') as pathway, j.pathway as pathway_version, coalesce(j.stage, 'not begun') as stage,
    (select min(t.at) from continuum.board_turn t
        where t.journey = r.journey and t.kind = 'accepted') as accepted_at,
    (select min(t.at) from continuum.board_turn t
        where t.journey = r.journey and (t.kind in ('accepted', 'declined', 'redirected') or t.outcome = 'emergency')) as answered_at,
    (select min(v.starts_at) from continuum.visit v
        where v.journey = r.journey and v.status = 'attended') as first_visit_at,
    (select e.at from continuum.board_end e where e.journey = r.journey and e.undone_at is null) as ended_at
from continuum.referral r
left join continuum.journey j on j.id = r.journey
where j.outcome is distinct from 'entered_in_error';

-- Each wait: of a stage for the next, of a referrer for the answer, of a patient for the first visit. `gone_at`: it ended
-- without what was waited for. `pauses`: what stops its clock.
create view continuum.board_wait as
select r.tenant, r.journey, r.clinic, r.pathway, w.wait, w.started_at, w.stopped_at, w.gone_at, w.pauses
from continuum.board_referral r
cross join lateral (
    select s.stage as wait, s.at as started_at, coalesce(s.next_at, r.ended_at) as stopped_at,
        null::timestamptz as gone_at, array['hold', 'closed'] as pauses
    from (
        select b.*, lead(b.at) over (order by b.seq) as next_at, row_number() over (order by b.seq) as n
        from (
            select t.seq, t.at, t.stage, lag(t.stage) over (order by t.seq) as before
            from continuum.board_turn t
            where t.journey = r.journey and t.kind in ('entered', 'taken_over', 'reopened')) b
        where b.stage is distinct from b.before) s
    where not (r.taken_over and s.n = 1)
    union all
    select 'answer', r.received_at, r.answered_at, case when r.answered_at is null then r.ended_at end, array['closed']
    where not r.taken_over
    union all
    select 'first visit', r.received_at, r.first_visit_at, case when r.first_visit_at is null then r.ended_at end,
        array['hold', 'closed']
    where not r.taken_over) w;

-- Each follow-up on which a patient was asked, and what ended the asking first.
create view continuum.board_follow_up as
select r.tenant, r.journey, r.clinic, r.pathway, a.data->>'occasion' as occasion, a.at as asked_at, e.at as ended_at,
    e.kind = 'follow_up_answered' as answered
from continuum.board_referral r
join continuum.board_turn a on a.journey = r.journey and a.kind = 'follow_up_due'
left join lateral (
    select t.at, t.kind from continuum.board_turn t
    where t.journey = r.journey and t.seq > a.seq
        and (t.kind in ('follow_up_missed', 'called', 're_entry', 'care_reopened', 'follow_up_due') or t.outcome is not null
            or t.kind = 'follow_up_answered' and t.data->>'occasion' = a.data->>'occasion')
    order by t.seq limit 1) e on true;

-- For each course of care that ended, and each measure scored more than once in it: the first value and the last.
create view continuum.board_result as
select r.tenant, r.journey, r.clinic, r.pathway, r.pathway_version, d.at as ended_at, s.measure, s.first, s.last
from continuum.board_referral r
join lateral (
    select max(t.at) as at from continuum.board_turn t
    where t.journey = r.journey and t.kind = 'entered' and t.stage = 'Discharge') d on d.at is not null
cross join lateral (
    select c.measure, (array_agg(c.value order by c.at, c.seq, length(c.id), c.id))[1] as first,
        (array_agg(c.value order by c.at desc, c.seq desc, length(c.id) desc, c.id desc))[1] as last
    from continuum.score c
    where c.journey = r.journey and not c.in_error and c.at <= d.at
    group by c.measure having count(*) > 1) s;

-- What monitoring asks every half minute (`records/standing.py`).
create index notice_queued on continuum.notice (send_after) where status = 'queued';
