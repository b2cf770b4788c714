import unicodedata

import pytest

from tracker_service.folding import fold


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Año Nuevo.mp4", "ano nuevo"),
        ("CANCIÓN.mkv", "canción"),
        ("Straße.mp4", "STRASSE"),
        ("İstanbul.mp4", "istanbul"),
        ("ﬁlm.mp4", "film"),
        ("Ελλάδα.mp4", "ελλαδα"),
    ],
)
def test_a_query_finds_a_name_whatever_its_case_and_accents(name: str, query: str) -> None:
    assert fold(query) in fold(name)
    assert fold(query) in fold(unicodedata.normalize("NFD", name))


def test_other_letters_stay_other() -> None:
    assert fold("ana") not in fold("anx.mp4")
