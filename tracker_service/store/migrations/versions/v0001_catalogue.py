"""The catalogue: the tracker, its peers, and what they hold."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("tracker", sa.Column("tracker_id", sa.Text, primary_key=True))
    op.create_table(
        "peers",
        sa.Column("peer_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary),
        sa.Column("claim_hash", sa.LargeBinary),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("instance_key", sa.LargeBinary, nullable=False),
        sa.Column("lease_expires_at", sa.Float, nullable=False),
        sa.Column("reachability", sa.Text, nullable=False),
        sa.Column("dialled_at", sa.Float, nullable=False),
        sa.Column("holdings_digest", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("name", name="uq_peers_name"),
        sa.UniqueConstraint("token_hash", name="uq_peers_token_hash"),
    )
    op.create_table(
        "holdings",
        sa.Column(
            "peer_id",
            sa.Text,
            sa.ForeignKey("peers.peer_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("video_id", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("pieces_root", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("folded_name", sa.Text, nullable=False),
    )
    op.create_index("ix_holdings_name_video_id", "holdings", ["name", "video_id"])
    op.create_index("ix_holdings_video_id_name", "holdings", ["video_id", "name"])


def downgrade() -> None:
    op.drop_table("holdings")
    op.drop_table("peers")
    op.drop_table("tracker")
