"""How alembic runs the revisions: on the connection and in the transaction of its caller."""

from alembic import context

from tracker_service.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can't alter a table in place; a batch makes it anew.
    render_as_batch=True,
)
context.run_migrations()
