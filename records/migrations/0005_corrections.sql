-- Corrections: scores that the journey has forgotten, patients that turned out to be one, journeys that were closed.

-- A row of the journal that enters scores in error names them; those that no decision looks at any more are marked by it.
create function continuum.mark_scores_in_error() returns trigger
language plpgsql
set search_path = continuum, pg_catalog
as $$
begin
    update score set in_error = true
    where journey = new.journey and id = any (string_to_array(new.data->>'scores', ' ')) and not in_error;
    return null;
end
$$;
create trigger scores_in_error after insert on continuum.journal
    for each row when (new.kind = 'entered_in_error' and new.data ? 'scores')
    execute function continuum.mark_scores_in_error();

-- Whoever was merged stays, and points to whom they turned out to be; the row of the merge says what moved.
alter table continuum.patient add column merged_into uuid references continuum.patient (id);
create index referral_patient on continuum.referral (patient);
create table continuum.patient_merge (
    id           uuid primary key default gen_random_uuid(),
    tenant       text        not null,
    from_patient uuid        not null unique references continuum.patient (id),
    into_patient uuid        not null references continuum.patient (id),
    moved        text[]      not null, -- journeys whose referral pointed to the one merged
    concerned    text[]      not null, -- all journeys of the patient now
    person       text        not null,
    role         text        not null,
    note         text        not null,
    recorded_at  timestamptz not null default now()
);
