-- The gateway: who sent what by which door, what a message asks of a journey, and the clients that may send.

-- Who stands behind a referral, for whoever sees only their own: `client:ID` or `person:ID`; null: taken in by staff.
alter table continuum.referral
    add column sender  text,
    add column birth_date text,
    add column gender  text,
    add column matched boolean not null default true; -- whether codes and words were held against the pathways already
create index patient_person on continuum.patient (tenant, birth_date, lower(family)); -- is it known already? (take_in)
create index patient_identifiers on continuum.patient using gin (identifiers jsonb_path_ops);
create index referral_sender on continuum.referral (sender, tenant, referral_id);

alter table continuum.inbound drop constraint inbound_outcome_check;
alter table continuum.inbound
    add constraint inbound_outcome_check
        check (outcome in ('accepted', 'asked', 'noted', 'duplicate', 'amendment', 'conflict', 'refused')),
    add column protocol text not null default 'fhir' check (protocol in ('fhir', 'hl7v2')),
    add column sender   text,        -- the authenticated caller
    add column kind     text,        -- ServiceRequest, Task, REF^I12, ...
    add column code     text,        -- of a refusal, in the protocol's own terms
    add column repeats  uuid;        -- the message that this one repeats
-- Not by tenant first: while the table has no statistics PostgreSQL takes any such index for the one by key.
create index inbound_sender on continuum.inbound (sender, tenant, recorded_at);

-- What a message asks of a journey, until it is done, refused, or a person has decided. `about` is how the message
-- names its journey and may name a patient; `reason` never does.
create table continuum.ask (
    id          text primary key,
    inbound     uuid        not null references continuum.inbound (id) deferrable initially deferred,
    tenant      text        not null,
    sender      text,
    name        text        not null,
    about       jsonb       not null,
    data        jsonb       not null default '{}',
    actor       jsonb,
    note        text,
    journey     text,
    status      text        not null default 'waiting'
                check (status in ('waiting', 'done', 'refused', 'quarantined', 'dead', 'dismissed')),
    code        text,
    reason      text,
    result      jsonb,
    attempts    integer     not null default 0,
    due_at      timestamptz not null default now(),
    asked_at    timestamptz not null,   -- care time: when it was received
    settled_at  timestamptz,
    settled_by  text,
    told_at     timestamptz,            -- when whoever looks after such messages was told that it waits
    recorded_at timestamptz not null default now()
);
create index ask_to_do on continuum.ask (due_at) where status = 'waiting';
create index ask_open on continuum.ask (tenant, recorded_at) where status in ('quarantined', 'dead');
create index ask_inbound on continuum.ask (inbound);
create index ask_journey on continuum.ask (journey);

-- An appointment of a sender's own book, and the visit it became here.
create table continuum.appointment (
    tenant      text not null,
    sender      text not null,
    number      text not null,     -- the sender's own
    journey     text not null,
    visit       text not null,
    recorded_at timestamptz not null default now(),
    primary key (tenant, sender, number)
);

-- Registered systems. A client is who its key says it is; what it may do are its scopes.
create table continuum.client (
    tenant       text        not null,
    id           text        not null,
    name         text        not null,
    scopes       text        not null default '',
    jwks         jsonb,
    jwks_url     text,
    organisation text,                -- identifier of the house it speaks for, `system|value`
    hl7_senders  jsonb       not null default '[]', -- `MSH-3|MSH-4` of its HL7 v2 messages
    certificate  text,                -- SHA-256 of its TLS client certificate, hex
    profile      text        not null default 'cow' check (profile in ('cow', 'bser', 'sdohcc')),
    active       boolean     not null default true,
    recorded_at  timestamptz not null default now(),
    primary key (tenant, id),
    check (jwks is null or jwks_url is null)
);
create unique index client_id on continuum.client (id);

-- One assertion, one token: whoever inserts it first has it.
create table continuum.jti (
    client     text        not null,
    jti        text        not null,
    expires_at timestamptz not null,
    primary key (client, jti)
);

-- Who looked at or changed what. Ids only; append-only.
create table continuum.audit (
    id          bigint      generated always as identity primary key,
    tenant      text        not null,
    caller      text        not null,
    roles       text        not null,
    operation   text        not null,
    subject     text,
    outcome     integer     not null,   -- HTTP status, or 0 for what has none
    request_id  text        not null,
    recorded_at timestamptz not null default now()
);
create index audit_tenant on continuum.audit (tenant, id);

-- One message in one statement: the raw bytes, the referral with its patient, or what it asks. Two of one delivery are
-- taken one after the other, so that of two with different content one is the clash.
create function continuum.take_in(d jsonb, raw_bytes bytea) returns jsonb
language plpgsql
set search_path = continuum, pg_catalog
as $$
declare
    message uuid := (d->>'inbound')::uuid;
    here text := d->>'tenant';
    from_ text := d->>'source';
    key text := d->>'transport_key';
    digest text := d->>'sha256';
    o jsonb := d->'referral';
    said text := d->>'outcome';
    whose text;
    first record;
    earlier record;
    before uuid;
    person jsonb;
    known uuid[];
    whom uuid;
    asks jsonb := '[]';
    a jsonb;
begin
    if said <> 'refused' then
        perform pg_advisory_xact_lock(hashtextextended(here || '/' || from_ || '/' || key, 0));
        for earlier in
            select i.id, i.sha256, i.outcome, i.journey from inbound i
            where i.tenant = here and i.source = from_ and i.transport_key = key
              and i.outcome not in ('refused', 'conflict', 'duplicate')
            order by i.recorded_at limit 1
        loop
            before := earlier.id;
            if earlier.sha256 <> digest then
                said := 'conflict';
            else
                said := 'duplicate';
                whose := earlier.journey;
                select coalesce(jsonb_agg(a.id order by a.id), '[]') into asks from ask a where a.inbound = earlier.id;
            end if;
        end loop;
    end if;

    if said = 'accepted' then
        person := o->'patient';
        if person <> 'null' then
            -- The same number of the same authority, name and birth date: the patient is in the register already.
            select array_agg(p.id) into known from patient p
            where p.tenant = here and p.merged_into is null and p.birth_date = person->>'birth_date'
              and lower(p.family) = lower(person->>'family') and exists (
                  select 1 from jsonb_array_elements(person->'identifiers') as n
                  where n->>'system' is not null and p.identifiers @> jsonb_build_array(n));
            whom := case when cardinality(known) = 1 then known[1] else gen_random_uuid() end;
        end if;
        with placed as (
            insert into referral (journey, tenant, source, referral_id, sha256, inbound, sender, patient,
                                  patient_reference, birth_date, gender, requester, requester_email, texts, codes, facts,
                                  matched, received_at)
            values (o->>'journey', here, from_, o->>'referral_id', digest, message, d->>'sender', whom,
                    o->>'patient_reference', o->>'birth_date', o->>'gender', o->'requester', o->>'requester_email',
                    o->'texts', o->'codes', o->'facts', (o->>'matched')::boolean, (d->>'received_at')::timestamptz)
            on conflict (tenant, source, referral_id) do nothing returning journey
        ), entered as (
            insert into patient (id, tenant, identifiers, family, given, birth_date, gender, phone, email, languages)
            select whom, here, person->'identifiers', person->>'family', person->>'given', person->>'birth_date',
                   person->>'gender', person->>'phone', person->>'email', person->'languages'
            from placed where person <> 'null' and cardinality(known) is distinct from 1
        )
        select journey from placed into whose;
        if whose is null then
            select r.journey, r.sha256 into first from referral r
            where r.tenant = here and r.source = from_ and r.referral_id = o->>'referral_id';
            whose := first.journey;
            said := case when first.sha256 = digest or exists (
                select 1 from inbound i where i.journey = whose and i.sha256 = digest) then 'duplicate' else 'amendment' end;
        end if;
    elsif said = 'asked' then
        insert into ask (id, inbound, tenant, sender, name, about, data, actor, note, asked_at)
        select x->>'id', message, here, d->>'sender', x->>'name', x->'about', x->'data', nullif(x->'actor', 'null'),
               x->>'note', (d->>'received_at')::timestamptz
        from jsonb_array_elements(d->'asks') as x;
        select jsonb_agg(x->>'id') into asks from jsonb_array_elements(d->'asks') as x;
    end if;

    insert into inbound (id, tenant, source, transport_key, sha256, raw, media_type, outcome, journey, reason, path,
                         protocol, sender, kind, code, repeats)
    values (message, here, from_, key, digest, raw_bytes, d->>'media_type', said, whose,
            case when said = 'refused' then d->>'reason' end, d->>'path', d->>'protocol', d->>'sender', d->>'kind',
            case when said = 'refused' then d->>'code' end, before);
    if said = 'accepted' then
        a := nullif(d->'audit', 'null');
        if a is not null then
            insert into audit (tenant, caller, roles, operation, subject, outcome, request_id)
            values (a->>'tenant', a->>'caller', a->>'roles', a->>'operation', a->>'subject', (a->>'outcome')::integer,
                    a->>'request_id');
        end if;
    end if;
    return jsonb_build_object('outcome', said, 'journey', whose, 'inbound', coalesce(before, message), 'asks', asks,
                              'audited', a is not null);
end
$$;

-- What a message changed of a patient's record, with what stood there before. Append-only.
create table continuum.patient_change (
    id          bigint      generated always as identity primary key,
    tenant      text        not null,
    patient     uuid        not null references continuum.patient (id),
    inbound     uuid        not null references continuum.inbound (id),
    before      jsonb       not null,
    recorded_at timestamptz not null default now()
);
