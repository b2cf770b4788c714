from tracker_service.wire import located_from_wire
from videoteca.v1 import videoteca_pb2 as pb


def test_a_source_that_is_told_wrongly_does_not_hide_the_others() -> None:
    good, port, host, state = (
        pb.Source(peer_name=name, state=pb.HOLDING_STATE_COMPLETE)
        for name in ("good", "port", "host", "state")
    )
    good.endpoints.add(host="10.0.0.7", port=1030)
    port.endpoints.add(host="10.0.0.7", port=70_000)
    host.endpoints.add(host="unix:/tmp/socket", port=1030)
    state.state = 99  # type: ignore[assignment] # what a later version may send

    located = located_from_wire(pb.LocatedVideo(sources=[port, good, host, state]))

    assert [source.peer_name for source in located.sources] == ["good"]
