"""PostgreSQL: migrations, SQL, one small repository per family of tables."""
