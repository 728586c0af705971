-- The record as the FHIR server reads it: one view for each resource type, nothing stored twice.
--
-- Every view has: `key` (what it is ordered and found by), `id` (the resource's id), `tenant`, `journey` where it belongs
-- to one, `sender` and `email` (whose referral it is: a caller who sees only their own sees rows that bear their name),
-- `version` and `updated_at`. Wherever two representations of a resource differ, so do their versions.

-- An id of ours as FHIR takes it, without `:` and `_`; ours have no capital letters, so that it can be taken back.
create function continuum.fhir_id(id text) returns text
language sql immutable
return translate(id, ':_.', '.UD');

-- The order in a message as it came: the resource itself, the entry of the Bundle at which it was found, or what its Task
-- contains.
create function continuum.fhir_order(raw bytea, path text) returns jsonb
language plpgsql immutable cost 10000
set search_path = continuum, pg_catalog
as $$
declare
    message jsonb;
    place text := substring(path from '^Bundle\.entry\[(\d{1,6})\]');
    inside text := substring(path from '^Task\.contained\[(\d{1,6})\]');
begin
    message := ltrim(convert_from(raw, 'UTF8'), U&'\FEFF')::jsonb;
    return case when inside is not null then message->'contained'->(inside::int)
        when place is null then message else message->'entry'->(place::int)->'resource' end;
exception when others then
    return null; -- no JSON: a message of HL7 v2
end
$$;

-- A FHIR date or dateTime as a moment, a partial one as its beginning.
create function continuum.fhir_moment(words text) returns timestamptz
language plpgsql immutable
set search_path = continuum, pg_catalog
set timezone = 'UTC'
as $$
begin
    return case length(words) when 4 then words || '-01-01' when 7 then words || '-01' else words end::timestamptz;
exception when others then
    return null;
end
$$;

-- The sender's name for its order (`system|value`) as an Identifier in a list; an empty one where it is no identifier.
create function continuum.fhir_placer(referral_id text) returns jsonb
language sql immutable
return case
    when referral_id like '|%' then jsonb_build_array(jsonb_build_object('value', substr(referral_id, 2)))
    when referral_id like '%|%' then jsonb_build_array(jsonb_build_object(
        'system', substring(referral_id from '^(.*)\|[^|]*$'), 'value', substring(referral_id from '\|([^|]*)$')))
    else '[]'
end;

-- Who asked, as a list of one Reference: as the sender wrote it, with identifiers of the person and of the house.
create function continuum.fhir_requester(requester jsonb) returns jsonb
language sql immutable
return jsonb_build_array(
    jsonb_strip_nulls(jsonb_build_object('reference', requester->'reference', 'identifier', requester->'identifier')),
    jsonb_strip_nulls(jsonb_build_object('identifier', requester->'organisation_identifier')));

-- A record that was merged into another is found by its id alone, and says where it went.
create view continuum.fhir_patient as
select p.id as key, p.id::text as id, p.tenant, null::text as journey, coalesce(p.merged_into, p.id) as seen_through,
    1 + (p.merged_into is not null)::int as version, greatest(p.recorded_at, m.recorded_at) as updated_at,
    coalesce(said.identifiers, '[]') as identifiers, said.family, said.given, said.gender, said.phone, said.email as mail,
    said.languages, p.merged_into, said.birth_date, p.merged_into is null as active,
    case length(said.birth_date) when 4 then said.birth_date || '-01-01' when 7 then said.birth_date || '-01'
        else said.birth_date end collate "C" as birth_first,
    case length(said.birth_date) when 4 then said.birth_date || '-12-31' when 7 then said.birth_date || '-31'
        else said.birth_date end collate "C" as birth_last
from continuum.patient p
left join continuum.patient said on said.id = p.id and p.merged_into is null
left join continuum.patient_merge m on m.from_patient = p.id;

-- The order belongs to its sender: what is shown is what they sent last.
create view continuum.fhir_service_request as
select r.journey as key, r.journey as id, r.tenant, r.journey, r.sender, r.requester_email as email,
    sent.version, sent.updated_at, sent.raw, sent.path, sent.protocol, r.patient, r.referral_id, r.requester, r.codes,
    r.facts->>'urgency' as urgency, r.received_at, stopped.yes as stopped,
    case when sent.protocol = 'fhir' then continuum.fhir_order(sent.raw, sent.path)->>'status'
        when stopped.yes then 'revoked' else 'active' end as status,
    coalesce(continuum.fhir_order(sent.raw, sent.path)->>'intent', 'order') as intent,
    coalesce(continuum.fhir_order(sent.raw, sent.path)->>'priority', r.facts->>'urgency') as priority,
    coalesce(continuum.fhir_order(sent.raw, sent.path)->'identifier', continuum.fhir_placer(r.referral_id))
        as identifiers,
    jsonb_build_array(continuum.fhir_order(sent.raw, sent.path)->'requisition') as requisition,
    continuum.fhir_order(sent.raw, sent.path)->'category' as categories,
    jsonb_build_array(continuum.fhir_order(sent.raw, sent.path)->'code') as asked_for,
    continuum.fhir_order(sent.raw, sent.path)->'performer' as performers,
    continuum.fhir_requester(r.requester) as requesters,
    coalesce(continuum.fhir_moment(continuum.fhir_order(sent.raw, sent.path)->>'authoredOn'), r.received_at)
        as authored_on
from continuum.referral r
cross join lateral (
    select i.raw, i.path, i.protocol, i.recorded_at as updated_at, count(*) over () as version
    from (
        select raw, path, protocol, recorded_at, id from continuum.inbound
        where journey = r.journey and outcome in ('accepted', 'amendment') -- a journey's id is of one tenant
        union all
        select m.raw, m.path, m.protocol, m.recorded_at, m.id
        from continuum.ask a join continuum.inbound m on m.id = a.inbound
        where a.journey = r.journey and a.tenant = r.tenant and m.kind = 'ServiceRequest' and m.outcome = 'asked') i
    order by i.recorded_at desc, i.id limit 1) sent
cross join lateral (select exists (
    select from continuum.ask a where a.journey = r.journey and a.name = 'request_cancellation') as yes) stopped;

-- Three kinds of Task: of each referral the one that carries its execution; what its sender asks for by a Task (to
-- cancel, to note that the report was read); and what people of the clinic owe. `state` is our own word, which each profile puts into its own (gateway/fhir_server/profiles.py).
create view continuum.fhir_task as
select r.journey as key, r.journey as id, r.tenant, r.journey, r.sender, r.requester_email as email,
    'fulfill' as kind, coalesce(j.seq, 0)::bigint as version, coalesce(j.recorded_at, i.recorded_at) as updated_at,
    case
        when j.outcome = 'entered_in_error' then 'entered-in-error'
        when said.task_status is null and j.id is null then 'sent'
        when said.task_status is null then case
            when j.status = 'on_hold' then 'on-hold'
            when j.status = 'closed' then
                case when j.outcome = 'completed' then 'completed'
                    when j.outcome in ('refused', 'redirected', 'emergency') then 'declined' else 'cancelled' end
            when j.stage in ('Intake', 'Referral') then 'received'
            when j.stage = 'FollowUp' then 'completed'
            else 'in-progress' end
        when said.task_status = 'received' and said.reason = 'awaiting_information' then 'awaiting-information'
        when said.task_status = 'rejected' then 'declined'
        when said.task_status = 'in-progress' then case said.business_status
            when '5.1.1' then 'visit-scheduled' when '5.1.2' then 'visit-missed' when '5.1.3' then 'visit-cancelled'
            when '5.1.4' then 'visit-completed' when '5.2' then 'cancellation-requested' else 'in-progress' end
        else said.task_status
    end as state,
    said.reason, counted.visits_done, counted.visits_planned, j.stage, null::text as label,
    r.patient, r.journey as focus, null::text as part_of, r.requester, continuum.fhir_requester(r.requester) as requesters,
    r.patient_reference, r.referral_id,
    continuum.fhir_placer(r.referral_id)
        || jsonb_build_array(jsonb_build_object('system', 'urn:continuum:task', 'value', r.journey)) as identifiers,
    coalesce(j.priority, r.facts->>'urgency') as priority, r.facts->>'urgency' as urgency,
    r.received_at as authored_on, said.at as changed_on, null::timestamptz as due_at,
    null::text as owner_person,
    case when j.clinic is not null then jsonb_build_array(jsonb_build_object(
        'identifier', jsonb_build_object('system', 'urn:continuum:clinic', 'value', j.clinic))) end as owners,
    c.name as owner_name,
    (select l.data->>'document' from continuum.journal l where l.journey = r.journey and l.kind = 'summary_signed'
     order by l.seq desc limit 1) as document
from continuum.referral r
join continuum.inbound i on i.id = r.inbound
left join continuum.journey j on j.id = r.journey
left join continuum.clinic c on c.tenant = r.tenant and c.id = j.clinic
left join lateral (
    select p.task_status, p.business_status, p.reason, p.at from continuum.reply p
    where p.journey = r.journey order by p.at desc, length(p.id) desc, p.id desc limit 1) said on true
left join lateral (
    select p.visits_done, p.visits_planned from continuum.reply p
    where p.journey = r.journey and p.visits_planned is not null
    order by p.at desc, length(p.id) desc, p.id desc limit 1) counted on true
union all
select a.id, a.id, a.tenant, a.journey, r.sender, r.requester_email,
    case a.name when 'request_cancellation' then 'abort' else 'review_report' end,
    -- Milliseconds since it was asked: put before a person once more, it is what it was at first.
    1 + floor(1000 * extract(epoch from coalesce(greatest(a.settled_at, w.recorded_at) - a.recorded_at, '0')))::bigint,
    greatest(a.recorded_at, a.settled_at, w.recorded_at),
    case
        when a.status = 'dismissed' and a.settled_by = a.sender then 'abort-cancelled'
        when a.name = 'confirm_receipt' then case
            when a.status = 'done' then 'review-completed'
            when a.status in ('refused', 'dismissed') then 'review-rejected' else 'review-requested' end
        when a.status in ('refused', 'dismissed') then 'abort-rejected'
        when a.status <> 'done' or (t.id is not null and t.settled_at is null) then 'abort-requested'
        when t.outcome is null or t.outcome in ('agreed', 'withdrawn') then 'abort-accepted'
        else 'abort-rejected'
    end,
    null, null, null, null, null,
    r.patient, null, a.journey, r.requester, continuum.fhir_requester(r.requester), r.patient_reference, r.referral_id,
    jsonb_build_array(jsonb_build_object('system', 'urn:continuum:task', 'value', a.id)),
    null, r.facts->>'urgency', a.asked_at, coalesce(t.settled_at, a.settled_at), null,
    null,
    case when j.clinic is not null then jsonb_build_array(jsonb_build_object(
        'identifier', jsonb_build_object('system', 'urn:continuum:clinic', 'value', j.clinic))) end,
    c.name, null
from continuum.ask a
join continuum.inbound m on m.id = a.inbound
join continuum.referral r on r.journey = a.journey and r.tenant = a.tenant
left join continuum.journey j on j.id = a.journey
left join continuum.clinic c on c.tenant = a.tenant and c.id = j.clinic
left join continuum.task t on t.journey = a.journey and t.kind = 'review_cancellation' and t.subject = a.id
left join continuum.journal w on w.journey = t.journey and w.seq = t.seq
where a.name = 'request_cancellation' or a.name = 'confirm_receipt' and m.kind = 'Task'
union all
-- What else was asked by FHIR, or is about an order that is not here yet: for whoever asked, until it is what they asked.
select a.id, a.id, a.tenant, r.journey, a.sender, null,
    case a.name when 'request_cancellation' then 'abort' when 'confirm_receipt' then 'review_report' else a.name end,
    1 + floor(1000 * extract(epoch from coalesce(a.settled_at - a.recorded_at, '0')))::bigint,
    greatest(a.recorded_at, a.settled_at),
    case
        when a.status = 'dismissed' and a.settled_by = a.sender then 'abort-cancelled'
        when a.status in ('refused', 'dismissed') then 'abort-rejected'
        when a.status = 'done' then 'work-completed'
        else 'abort-requested'
    end,
    null, null, null, null, replace(a.name, '_', ' '),
    r.patient, r.journey, r.journey, null, null, null, null,
    jsonb_build_array(jsonb_build_object('system', 'urn:continuum:task', 'value', a.id)),
    null, null, a.asked_at, a.settled_at, null,
    null, null, null, null
from continuum.ask a
join continuum.inbound m on m.id = a.inbound and m.protocol = 'fhir'
left join continuum.referral r on r.journey = a.journey and r.tenant = a.tenant and r.sender = a.sender
where a.sender is not null and not (
    (a.name = 'request_cancellation' or a.name = 'confirm_receipt' and m.kind = 'Task')
    and exists (select from continuum.referral f where f.journey = a.journey and f.tenant = a.tenant))
union all
-- For staff alone: no sender, nobody's own.
select t.id, continuum.fhir_id(t.id), t.tenant, t.journey, null, null,
    t.kind, t.seq::bigint, coalesce(w.recorded_at, t.opened_at),
    case
        when t.settled_at is null then
            case when t.owner like 'person:%' or t.acknowledged_by is not null then 'work-accepted' else 'work-requested' end
        when t.outcome in ('no longer needed', 'entered in error', 'entered_in_error', 'care ended', 'plan ended',
            'another pathway', 'planned anew', 'withdrawn', 'died', 'transferred', 'refused', 'redirected', 'emergency')
            then 'work-cancelled'
        else 'work-completed'
    end,
    t.outcome, null, null, j.stage, t.label,
    r.patient, t.journey, t.journey, null, null, null, null,
    jsonb_build_array(jsonb_build_object('system', 'urn:continuum:task', 'value', t.id)),
    null, null, t.opened_at, t.settled_at, t.due_at,
    case when t.owner like 'person:%' then substr(t.owner, 8) end,
    case when t.owner like 'queue:%' then jsonb_build_array(jsonb_build_object(
        'identifier', jsonb_build_object('system', 'urn:continuum:queue', 'value', substr(t.owner, 7)))) end,
    case when t.owner like 'queue:%' then (
        select q.name from continuum.queue q where q.tenant = t.tenant and q.id = substr(t.owner, 7)
            and q.clinic in (t.clinic, '') order by q.clinic desc limit 1) end,
    null
from continuum.task t
left join continuum.referral r on r.journey = t.journey
left join continuum.journey j on j.id = t.journey
left join continuum.journal w on w.journey = t.journey and w.seq = t.seq;

-- What a physician, known by their verified address, may see.
create index referral_requester on continuum.referral (tenant, lower(requester_email));

create view continuum.fhir_appointment as
select v.id as key, continuum.fhir_id(v.id) as id, v.tenant, v.journey, r.sender, r.requester_email as email,
    v.seq + jsonb_array_length(theirs.numbers) as version, coalesce(w.recorded_at, i.recorded_at) as updated_at,
    case v.status when 'attended' then 'fulfilled' when 'no_show' then 'noshow'
        when 'entered_in_error' then 'entered-in-error' else v.status end as status,
    v.starts_at, v.ends_at, v.reason, v.clinician, v.clinic, c.name as clinic_name, v.plan, r.patient, v.journey as based_on,
    theirs.numbers as identifiers
from continuum.visit v
left join continuum.referral r on r.journey = v.journey
left join continuum.inbound i on i.id = r.inbound
left join continuum.clinic c on c.tenant = v.tenant and c.id = v.clinic
left join continuum.journal w on w.journey = v.journey and w.seq = v.seq
cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('system', 'urn:continuum:appointment:' || a.sender, 'value', a.number)
        order by a.sender, a.number), '[]') as numbers
    from continuum.appointment a where a.journey = v.journey and a.visit = v.id) theirs;

create view continuum.fhir_observation as
select s.id as key, continuum.fhir_id(s.id) as id, s.tenant, s.journey, r.sender, r.requester_email as email,
    -- A score may be found wrong by a later row of the journal without being written anew.
    2 * s.seq + s.in_error::int as version,
    greatest(coalesce(w.recorded_at, i.recorded_at), case when s.in_error then (
        select max(e.recorded_at) from continuum.journal e
        where e.journey = s.journey and e.kind = 'entered_in_error'
            and s.id = any (string_to_array(e.data->>'scores', ' '))) end) as updated_at,
    case when s.in_error then 'entered-in-error' else 'final' end as status,
    s.measure, s.value, s.at, s.plan, r.patient, s.journey as based_on
from continuum.score s
left join continuum.referral r on r.journey = s.journey
left join continuum.inbound i on i.id = r.inbound
left join continuum.journal w on w.journey = s.journey and w.seq = s.seq;

-- As received, from whoever answered: the patient by a link, or a system.
create view continuum.fhir_questionnaire_response as
select i.id as key, i.id::text as id, i.tenant, about.journey, r.sender, r.requester_email as email, i.sender as author,
    1 as version, i.recorded_at as updated_at, i.raw, i.path, r.patient, about.journey as based_on,
    continuum.fhir_order(i.raw, i.path)->>'status' as status,
    continuum.fhir_order(i.raw, i.path)->>'questionnaire' as questionnaire,
    jsonb_build_array(continuum.fhir_order(i.raw, i.path)->'identifier') as identifiers,
    coalesce(continuum.fhir_moment(continuum.fhir_order(i.raw, i.path)->>'authored'), i.recorded_at) as authored_on
from continuum.inbound i
cross join lateral (select coalesce(i.journey, (
    select min(a.journey) from continuum.ask a where a.inbound = i.id)) as journey) about
left join continuum.referral r on r.journey = about.journey and r.tenant = i.tenant
where i.kind = 'QuestionnaireResponse' and i.outcome in ('asked', 'noted');
create index inbound_answers on continuum.inbound (tenant, id)
    where kind = 'QuestionnaireResponse' and outcome in ('asked', 'noted');

create view continuum.fhir_care_plan as
select p.id as key, continuum.fhir_id(p.id) as id, p.tenant, p.journey, r.sender, r.requester_email as email,
    p.seq as version, coalesce(w.recorded_at, i.recorded_at) as updated_at,
    case p.status when 'ended' then 'revoked' when 'entered_in_error' then 'entered-in-error' else p.status end as status,
    p.discipline, p.started_at, p.body, r.patient, p.journey as based_on, w.pathway,
    p.body->>'clinician' as clinician
from continuum.plan p
left join continuum.referral r on r.journey = p.journey
left join continuum.inbound i on i.id = r.inbound
left join continuum.journal w on w.journey = p.journey and w.seq = p.seq;

create view continuum.fhir_goal as
select g.goal->>'id' as key, continuum.fhir_id(g.goal->>'id') as id, p.tenant, p.journey, r.sender,
    r.requester_email as email, p.seq as version, coalesce(w.recorded_at, i.recorded_at) as updated_at,
    case when p.status = 'entered_in_error' then 'entered-in-error'
        when (g.goal->>'met')::boolean then 'completed'
        when p.status = 'active' then 'active' else 'cancelled' end as status,
    case when (g.goal->>'met')::boolean then 'achieved' when p.status = 'active' then 'in-progress'
        else 'not-achieved' end as achievement,
    g.goal, p.discipline, p.started_at, r.patient
from continuum.plan p
cross join lateral jsonb_array_elements(p.body->'goals') as g(goal)
left join continuum.referral r on r.journey = p.journey
left join continuum.inbound i on i.id = r.inbound
left join continuum.journal w on w.journey = p.journey and w.seq = p.seq;

create view continuum.fhir_episode_of_care as
select j.id as key, j.id, j.tenant, j.id as journey, r.sender, r.requester_email as email,
    j.seq as version, j.recorded_at as updated_at,
    case when j.status = 'on_hold' then 'onhold'
        when j.outcome = 'entered_in_error' then 'entered-in-error'
        when j.status = 'closed' then case when j.outcome = 'completed' then 'finished' else 'cancelled' end
        when j.stage in ('Intake', 'Referral') then 'planned'
        else 'active' end as status,
    j.stage, j.outcome, j.pathway, j.clinic, c.name as clinic_name, r.patient, j.id as referral, plans.clinician,
    r.received_at as began_at, case when j.status = 'closed' then j.at end as ended_at,
    moves.rows as moves
from continuum.journey j
left join continuum.referral r on r.journey = j.id
left join continuum.clinic c on c.tenant = j.tenant and c.id = j.clinic
left join lateral (
    select p.body->>'clinician' as clinician from continuum.plan p
    where p.journey = j.id and p.status = 'active' order by p.started_at, p.id limit 1) plans on true
left join lateral (
    select jsonb_agg(jsonb_build_object('kind', w.kind, 'stage', w.stage, 'at', w.at) order by w.seq) as rows
    from continuum.journal w
    where w.journey = j.id and w.kind in ('entered', 'on_hold', 'resumed', 'reopened', 'care_reopened')) moves on true;

-- Who acts here, for everybody of the tenant: a name, and no way to reach them.
create view continuum.fhir_practitioner as
select p.id as key, replace(p.id, '_', 'U') as id, p.tenant, null::text as journey, null::text as sender,
    null::text as email, 1 + changed.times as version, changed.last as updated_at, p.name, p.language, p.active
from continuum.person p
cross join lateral (
    select count(*) as times, max(d.recorded_at) as last from continuum.directory_change d
    where d.tenant = p.tenant and d.part = 'people' and d.subject = p.id) changed;

-- Referrers see what was said to them and to the patient; what staff are told among themselves is theirs.
create view continuum.fhir_communication as
select n.id as key, continuum.fhir_id(n.id) as id, n.tenant, n.journey,
    case when n.recipient in ('patient', 'referrer') then r.sender end as sender,
    case when n.recipient in ('patient', 'referrer') then r.requester_email end as email,
    10 * n.attempts + case n.status when 'queued' then 1 when 'sending' then 2 when 'uncertain' then 3 when 'sent' then 4
        when 'failed' then 5 else 6 end + (n.bounced_at is not null)::int as version,
    greatest(n.recorded_at, n.tried_at, n.bounced_at) as updated_at,
    case when n.bounced_at is not null then 'stopped'
        else case n.status when 'queued' then 'preparation' when 'sending' then 'in-progress' when 'sent' then 'completed'
            when 'failed' then 'stopped' when 'stopped' then 'not-done' else 'unknown' end end as status,
    n.recipient, n.template, n.channel, n.message_id, case when n.status = 'sent' then n.tried_at end as sent_at, r.patient,
    n.journey as based_on, r.requester,
    case when n.recipient like 'person:%' then substr(n.recipient, 8) end as person
from continuum.notice n
left join continuum.referral r on r.journey = n.journey;

-- A summary is the referrer's once a clinician has signed it.
create view continuum.fhir_document as
select d.id as key, continuum.fhir_id(d.id) as id, d.tenant, d.journey,
    case when signed.at is not null then r.sender end as sender,
    case when signed.at is not null then r.requester_email end as email,
    floor(1000 * extract(epoch from greatest(d.recorded_at, signed.at)))::bigint as version,
    greatest(d.recorded_at, signed.at) as updated_at,
    'current' as status, case when signed.at is null then 'preliminary' else 'final' end as doc_status,
    d.kind, d.recorded_at as written_at, length(d.pdf) as size, d.pdf, r.patient, d.journey as based_on, signed.person
from continuum.document d
left join continuum.referral r on r.journey = d.journey
left join lateral (
    select w.recorded_at as at, w.person from continuum.journal w
    where w.journey = d.journey and w.kind = 'summary_signed' and w.data->>'document' = d.id
    order by w.seq limit 1) signed on true;

create view continuum.fhir_provenance as
select w.journey || ':journal:' || w.seq as key, w.journey || '.journal.' || w.seq as id, w.tenant, w.journey, r.sender,
    r.requester_email as email, 1 as version, w.recorded_at as updated_at,
    w.kind, w.stage, w.at, w.person, w.role, w.on_behalf_of, w.rule, w.rule_version, w.pathway, w.action_id,
    w.journey as target, r.patient,
    exists (select from continuum.person p where p.tenant = w.tenant and p.id = w.person) as known_person
from continuum.journal w
left join continuum.referral r on r.journey = w.journey;

create view continuum.fhir_audit_event as
select a.id as key, a.id::text as id, a.tenant, null::text as journey, null::text as sender, null::text as email,
    1 as version, a.recorded_at as updated_at, a.caller, a.roles, a.operation, a.subject, a.outcome as http_status,
    a.request_id,
    case when a.outcome >= 500 then '8' when a.outcome >= 400 then '4' else '0' end as outcome,
    case when a.operation ~ '^(GET|HEAD) ' or a.operation like '%/\_search' then case
            when a.operation ~ '\{id\}' then 'R' else 'E' end
        when a.operation like 'POST %' then 'C' when a.operation ~ '^(PUT|PATCH) ' then 'U'
        when a.operation like 'DELETE %' then 'D' else 'E' end as action
from continuum.audit a;
