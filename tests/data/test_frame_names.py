from atomgraph.data.frame_names import number_of


def test_one_is_no_plural():
    assert [number_of(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert number_of(1, "energy") == "1 energy" and number_of(3, "energy") == "3 energies"
