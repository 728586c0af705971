-- Telling the referrer's system: who wants to be told of what, and each telling until it is delivered or given up.

create table continuum.subscription (
    id            text primary key,
    tenant        text        not null,
    owner         text,       -- whose referrals: `client:ID`, `person:ID`; null: all of the tenant's
    kind          text        not null check (kind in ('rest-hook', 'email', 'webhook')),
    topic         text        not null,
    filters       jsonb       not null default '[]', -- [{name, values}]; each must hold
    criteria      jsonb       not null default '[]', -- the same, as it was asked for
    url           text        not null,
    headers       jsonb       not null default '{}', -- secret: what the receiver wants to see
    secrets       jsonb       not null default '[]', -- secret: what we sign with, the newest first
    content       text        not null default 'id-only' check (content in ('empty', 'id-only')),
    heartbeat_seconds integer check (heartbeat_seconds > 0),
    timeout_seconds   integer not null default 20 check (timeout_seconds between 1 and 20),
    reason        text        not null default '',
    contact       text,       -- a mail address that hears of trouble
    ends_at       timestamptz,
    status        text        not null check (status in ('requested', 'active', 'error', 'off')),
    trouble       text,       -- our own words for why it is in error or off
    version       integer     not null default 1,
    events        bigint      not null default 0,
    failures      integer     not null default 0,    -- in a row
    failing_since timestamptz,
    rests_until   timestamptz not null default now(),
    beats_at      timestamptz,                       -- the next heartbeat
    to_tell       boolean     not null default false, -- whether its owner has still to hear of the trouble
    tell_after    timestamptz not null default now(),
    lease         text,                              -- whoever works on it
    leased_until  timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create index subscription_owner on continuum.subscription (tenant, owner);
create index subscription_topic on continuum.subscription (tenant, topic) where status <> 'off';

create table continuum.delivery (
    id           text primary key,    -- the message's id, the same for every attempt
    subscription text        not null references continuum.subscription (id),
    tenant       text        not null,
    number       bigint      not null,
    cause        text        not null, -- what happened, so that it counts once
    focus        text        not null, -- `Task/ID`
    at           timestamptz not null default now(),
    status       text        not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
    reason       text,
    attempts     integer     not null default 0,
    due_at       timestamptz not null default now(),
    first_tried_at timestamptz,
    settled_at   timestamptz,
    unique (subscription, number),
    unique (subscription, cause)
);
create index delivery_due on continuum.delivery (subscription, number) where status = 'pending';
create index delivery_dead on continuum.delivery (tenant, at) where status = 'dead';

-- Number an event for everybody who wants to hear of it. Numbers go on where delivery fails, so that a gap can be seen.
create function continuum.tell_subscribers(here text, of text, about text, why text, what text, said jsonb)
returns void
language plpgsql
set search_path = continuum, pg_catalog
as $$
declare
    s record;
    n bigint;
begin
    for s in
        select id, status, trouble from subscription
        where tenant = here and topic = about and status <> 'off' and (owner is null or owner = of)
          and (ends_at is null or ends_at > now())
          and (status <> 'error' or updated_at > now() - interval '30 days') -- nobody is coming back for it
          and not exists (select 1 from jsonb_array_elements(filters) f
                          where not coalesce((f->'values') ? (said->>(f->>'name')), false))
        order by id for update
    loop
        continue when exists (select 1 from delivery d where d.subscription = s.id and d.cause = why);
        update subscription set events = events + 1 where id = s.id returning events into n;
        insert into delivery (id, subscription, tenant, number, cause, focus, status, reason, settled_at)
        values ('msg_' || s.id || '_' || n, s.id, here, n, why, what,
                case s.status when 'error' then 'dead' else 'pending' end,
                case s.status when 'error' then s.trouble end, case s.status when 'error' then now() end);
    end loop;
end
$$;

create function continuum.tell_of_reply() returns trigger
language plpgsql
set search_path = continuum, pg_catalog
as $$
begin
    perform tell_subscribers(
        new.tenant, (select sender from referral where journey = new.journey),
        'https://continuum.example/fhir/SubscriptionTopic/referral-task', new.id, 'Task/' || new.journey,
        jsonb_build_object('status', new.task_status, 'business-status', new.business_status,
                           'requester', new.message->'requester'->>'reference',
                           'owner:identifier', 'urn:continuum:clinic|' ||
                               (select clinic from journey where id = new.journey and tenant = new.tenant)));
    return null;
end
$$;
create trigger reply_told after update of status on continuum.reply
    for each row when (old.status = 'queued' and new.status = 'ready') execute function continuum.tell_of_reply();

-- A summary is written once it is signed.
create function continuum.tell_of_document() returns trigger
language plpgsql
set search_path = continuum, pg_catalog
as $$
begin
    perform tell_subscribers(
        new.tenant, (select sender from referral where journey = new.journey),
        'https://continuum.example/fhir/SubscriptionTopic/consult-note', new.id,
        'DocumentReference/' || replace(new.id, ':', '.'), '{}');
    return null;
end
$$;
create trigger document_told after insert on continuum.document
    for each row execute function continuum.tell_of_document();
