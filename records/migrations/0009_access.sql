-- Who asks too often: one leaky bucket for each key, shared by all processes of the gateway. Lost in a crash, and no loss.
create unlogged table continuum.throttle (
    key   text             primary key,
    level double precision not null,    -- what is in the bucket
    at    timestamptz      not null     -- when that was so
);
create index throttle_at on continuum.throttle (at);
create index jti_expiry on continuum.jti (expires_at);
