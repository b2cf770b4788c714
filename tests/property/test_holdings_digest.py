"""The digest of a peer's holdings says whether two sets of them are one."""

from hypothesis import given
from hypothesis import strategies as st

from videoteca_core.catalogue import NO_HOLDINGS, Holding, HoldingState, holdings_digest, xor

NAMES = st.text("abñ .", min_size=1, max_size=4)
IDS = st.sampled_from("0123456789abcdef").map(lambda character: character * 64)


@st.composite
def holding_sets(draw: st.DrawFn) -> frozenset[Holding]:
    """Holdings of one peer: no name twice."""
    names = draw(st.sets(NAMES, max_size=6))
    return frozenset(
        Holding(name, draw(IDS), 1, bytes(32), draw(st.sampled_from(HoldingState)))
        for name in names
    )


@given(one=holding_sets(), other=holding_sets())
def test_equal_digests_mean_equal_holdings(
    one: frozenset[Holding], other: frozenset[Holding]
) -> None:
    assert (holdings_digest(one) == holdings_digest(other)) == (one == other)


@given(holdings=holding_sets(), data=st.data())
def test_a_digest_is_kept_up_one_holding_at_a_time(
    holdings: frozenset[Holding], data: st.DataObject
) -> None:
    total = NO_HOLDINGS
    for holding in data.draw(st.permutations(sorted(holdings, key=lambda held: held.name))):
        total = xor(total, holding.digest())
    assert total == holdings_digest(holdings)
    for holding in holdings:
        total = xor(total, holding.digest())
    assert total == NO_HOLDINGS
