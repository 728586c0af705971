-- The regulator whose operating rules hold at a clinic: the id of its profile in the library's rules. None: the house's.

alter table continuum.clinic add column regulator text;
