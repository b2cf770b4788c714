"""Where the catalogue is kept: one contract, one schema, SQLite."""
