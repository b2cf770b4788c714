"""The tables of the catalogue; ``migrations/`` brings a database to them."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

HEAD: Final = "0001"
"""The latest revision of ``migrations/``; known here because alembic is slow to import."""

metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})

tracker = Table(
    "tracker",
    metadata,
    Column("tracker_id", Text, primary_key=True),
)

peers = Table(
    "peers",
    metadata,
    Column("peer_id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("token_hash", LargeBinary, unique=True),
    Column("claim_hash", LargeBinary),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("instance_key", LargeBinary, nullable=False),
    Column("lease_expires_at", Float, nullable=False),
    Column("reachability", Text, nullable=False),
    Column("dialled_at", Float, nullable=False),
    Column("holdings_digest", LargeBinary, nullable=False),
)

holdings = Table(
    "holdings",
    metadata,
    Column("peer_id", ForeignKey("peers.peer_id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    # Empty, not null, for an imported video: it sorts and compares like any other.
    Column("video_id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("pieces_root", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("folded_name", Text, nullable=False),
    Index("ix_holdings_name_video_id", "name", "video_id"),
    Index("ix_holdings_video_id_name", "video_id", "name"),
)
